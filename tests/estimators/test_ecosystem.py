"""Probes and layers inside what scikit-learn's users put them in."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard import ECGLayers, InputError, LayerProbe, Model
from myocard.leads import LEADS
from myocard.simulation import simulate

QUICK = {"penalty": 0.1, "layer_curve": False}
FORM = {"rate": 100, "leads": LEADS, "unit": "mV"}


@pytest.fixture
def signals() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 12, 100))


def test_a_search_over_readouts_and_layers_by_patient_finds_the_layer_that_tells(planted):
    grid = {"readout": ["last", "ppa", *range(3)]}
    search = GridSearchCV(LayerProbe(**QUICK), grid, cv=GroupKFold(5), scoring="roc_auc")
    search.fit(planted.states, planted.labels, groups=planted.patients)
    assert search.best_params_ == {"readout": 1}


def test_groups_are_routed_to_the_part_that_chooses(planted):
    needs_groups = LayerProbe(validation=GroupKFold(3), layer_curve=False)
    with pytest.raises(ValueError, match="The 'groups' parameter should not be None"):
        needs_groups.fit(planted.states, planted.labels)
    given = {"X": planted.states, "y": planted.labels, "cv": GroupKFold(3)}
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(needs_groups.set_fit_request(groups=True))
        found = cross_validate(routed, **given, params={"groups": planted.patients})
    assert len(found["test_score"]) == 3


def test_cross_validated_probabilities_of_several_classes_and_labels(planted):
    labels = np.digitize(planted.states[:, 1, 0], [-1, 1])
    found = cross_val_predict(
        LayerProbe(1, **QUICK), planted.states, labels, method="predict_proba"
    )
    assert found.sum(axis=1) == pytest.approx(np.ones(120))
    assert roc_auc_score(labels, found, multi_class="ovr") > 0.9
    both = np.stack([labels == 0, labels == 2], axis=1).astype(int)
    found = cross_val_predict(LayerProbe(1, **QUICK), planted.states, both, method="predict_proba")
    assert roc_auc_score(both, found) > 0.9


def test_calibration_keeps_the_order_of_a_probe_and_mends_its_probabilities(planted):
    timid = LayerProbe(1, penalty=100.0, layer_curve=False)
    before = timid.fit(planted.states, planted.labels).predict_proba(planted.states)[:, 1]
    calibrated = CalibratedClassifierCV(timid, cv=4).fit(planted.states, planted.labels)
    after = calibrated.predict_proba(planted.states)[:, 1]
    first, second = (np.square(each - planted.labels).mean() for each in (before, after))
    assert second < 0.8 * first


def test_a_pipeline_from_signals_to_classes_is_cloned_and_kept_by_joblib(tiny, signals):
    labels = (signals[:, 0].mean(axis=1) > 0).astype(int)
    layers = ECGLayers(tiny, **FORM)
    pipeline = make_pipeline(layers, StandardScaler(), LayerProbe("concat", n_layers=4, **QUICK))
    expected = pipeline.fit(signals, labels).predict_proba(signals)
    again = clone(pipeline).fit(signals, labels)
    assert np.array_equal(again.predict_proba(signals), expected)
    kept = io.BytesIO()
    joblib.dump(pipeline, kept)
    kept.seek(0)
    assert np.array_equal(joblib.load(kept).predict_proba(signals), expected)


def test_a_pipeline_of_tables_tells_the_probe_its_layers(tiny, signals):
    pipeline = make_pipeline(ECGLayers(tiny, **FORM), StandardScaler(), LayerProbe(**QUICK))
    pipeline.set_output(transform="pandas").fit(signals, np.arange(40) % 2)
    assert pipeline[-1].n_layers_ == 4
    assert pipeline[-1].feature_names_in_[[0, 11, 12, 47]].tolist() == [
        "layer00_000", "layer00_011", "layer01_000", "layer03_011",
    ]  # fmt: skip


def test_layers_are_those_of_the_model_whatever_holds_the_signals(tmp_path):
    records = [simulate(0, index, rate=100).record for index in range(3)]
    arrays = np.stack([record.signal for record in records])
    expected = Model.hidden_states(ECGLayers().fit(records).model_, records)
    given = {"rate": 100, "leads": records[0].leads, "unit": "mV"}
    paths = [tmp_path / f"{index}.npy" for index in range(3)]
    for path, signal in zip(paths, arrays, strict=True):
        np.save(path, signal)
    for layers, kind in (
        (ECGLayers(**given, batch_size=2), arrays),
        (ECGLayers(batch_size=1), records),
        (ECGLayers(**given), [str(path) for path in paths]),
        (ECGLayers(**given), pd.Series(paths)),
    ):
        found = layers.fit_transform(kind)
        assert found.dtype == np.float32
        assert found.reshape(3, 9, 96) == pytest.approx(expected, abs=1e-5)
    assert (layers.n_layers_, layers.norm_) == (9, "layer")
    few = ECGLayers(**given | {"leads": records[0].leads[:2]}, only=["I", "II"])
    assert few.fit_transform(arrays[:, :2]).shape == (3, 864)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones((12, 100)), "X of 2 dimensions; give"),
        (np.ones((1, 12, 100)), "an array does not say its rate, leads, unit; give rate=…"),
        ([], "X holds no record"),
        (["lost.csv"], "lost.csv: no such file"),
    ],
)
def test_what_holds_no_signals_is_refused(tiny, given, message):
    with pytest.raises(InputError, match=message):
        ECGLayers(tiny).fit_transform(given)


def test_a_record_that_cannot_be_read_is_named_by_its_index_in_all_of_x(tiny, signals):
    some = signals[:5].copy()
    some[3, 1] = 0
    for size in (1, 2, 64):
        layers = ECGLayers(tiny, **FORM, batch_size=size).fit(some)
        with pytest.raises(InputError, match="record 3, counted from 0: lead .* is constant"):
            layers.transform(some)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size=0: give a whole number of records"),
        ({"batch_size": "8"}, "batch_size='8': give a whole number of records"),
        ({"encoder": None}, "encoder=None: give a name, a folder, a Model"),
    ],
)
def test_wrong_settings_of_layers_are_refused(tiny, signals, changes, message):
    layers = ECGLayers(**{"encoder": tiny} | FORM | changes)
    with pytest.raises(InputError, match=message):
        layers.fit_transform(signals)
