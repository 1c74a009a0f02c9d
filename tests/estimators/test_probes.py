"""Probes against scikit-learn's own solutions and against the runs of ``probe``."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from myocard import LayerMixture, LayerProbe, LayerProbeRegressor, Run, load_runs, probe
from myocard.estimators.fitting import Certificate, split
from myocard.evaluation.embeddings import import_embeddings
from myocard.evaluation.probing.mixtures import GAP
from myocard.nn.readouts.registry import POOLED
from myocard.recipe import ProbeRecipe

FOLDS = np.arange(120) // 2 % 10 + 1
TRAIN, VALIDATION, TEST = (np.isin(FOLDS, own) for own in ([*range(1, 9)], [9], [10]))
PENALTIES = (0.01, 1.0)
OF_EACH_KIND = ("last", "ppa-normed", "scalar-mix", "class-mix", "loes", "alf")
"""Readouts of each way to fit one."""
# A gate of so few records goes on improving, which is told, and does not matter here.
ACCEPTED = "ignore::sklearn.exceptions.ConvergenceWarning"


def objective(logits: np.ndarray, classes: np.ndarray, weights: np.ndarray, penalty: float):
    """Mean cross-entropy of logits ``(records, classes)``, and half of the squared weights."""
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return -logs[np.arange(len(logits)), classes].mean() + penalty * np.square(weights).sum() / 2


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_the_last_layer_is_scikit_learns_logistic_regression(planted, penalty, several):
    last = StandardScaler().fit_transform(planted.states[:, -1])
    labels = np.digitize(planted.states[:, 2, 0], [-2, 2]) if several else planted.labels
    given = LogisticRegression(C=1 / (penalty * len(last)), tol=1e-8, max_iter=1000)
    theirs = given.fit(last, labels)
    ours = LayerProbe(penalty=penalty).fit(planted.states, labels)
    assert ours.predict_proba(planted.states) == pytest.approx(theirs.predict_proba(last), abs=1e-3)
    found = []
    for model, states in ((ours, planted.states), (theirs, last)):
        logits = model.decision_function(states).reshape(len(last), -1)
        logits = logits if several else np.hstack([0 * logits, logits])
        weights = model.coef_ * (planted.states[:, -1].std(axis=0) if model is ours else 1)
        found.append(objective(logits, labels, weights, penalty))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert ours.certificate_.gap < 1e-6
    features = planted.states[:, -1] @ ours.coef_.T + ours.intercept_
    assert features.squeeze() == pytest.approx(ours.decision_function(planted.states), abs=1e-9)


def test_each_label_of_several_is_a_regression_of_its_own(planted):
    labels = np.stack([planted.labels, planted.states[:, 2, 0] > 1], axis=1).astype(int)
    together = LayerProbe(penalty=0.01).fit(planted.states, labels)
    for k, own in enumerate(labels.T):
        alone = LayerProbe(penalty=0.01).fit(planted.states, own)
        told = together.predict_proba(planted.states)[:, k]
        assert told == pytest.approx(alone.predict_proba(planted.states)[:, 1], abs=1e-3)


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor_of_the_last_layer_is_scikit_learns_ridge(planted, outputs):
    last = StandardScaler().fit_transform(planted.states[:, -1])
    numbers = 50 + 10 * planted.states[:, 2, :outputs].squeeze() ** 2
    theirs = Ridge(alpha=0.1 * len(last)).fit(last, numbers).predict(last)
    ours = LayerProbeRegressor(penalty=0.1).fit(planted.states, numbers)
    found = ours.predict(planted.states)
    assert found == pytest.approx(theirs, abs=1e-3 * numbers.std())
    features = planted.states[:, -1] @ ours.coef_.T + ours.intercept_
    assert features.squeeze() == pytest.approx(found, abs=1e-6)


@pytest.fixture(scope="module")
def runs(planted, tmp_path_factory) -> dict[str | int, Path]:
    """Runs of ``probe`` on the same states, by readout or layer."""
    home = tmp_path_factory.mktemp("probed")
    np.save(home / "states.npy", planted.states.astype(np.float32))
    codes = np.where(planted.labels == 1, "scp:IMI", "scp:NORM")
    ids = [f"r{k:03d}" for k in range(120)]
    about = {"id": ids, "patient": planted.patients, "fold": FOLDS, "codes": codes}
    pd.DataFrame(about).to_csv(home / "records.csv", index=False)
    (features,) = import_embeddings(home / "states.npy", home).features
    recipe = ProbeRecipe(
        task="ptbxl-superdiagnostic",
        readouts=(*OF_EACH_KIND, "layers"),
        heads=("linear",),
        seeds=(0,),
        penalties=PENALTIES,
        resamples=10,
    )
    folders = probe(features, recipe, home / "runs", test=True)
    return dict(zip([*OF_EACH_KIND, *range(3)], folders, strict=True))


@pytest.mark.filterwarnings(ACCEPTED)
@pytest.mark.parametrize("readout", [*OF_EACH_KIND, 1])
def test_a_readout_is_that_of_the_command_on_the_same_split(planted, runs, readout):
    parts = [(np.flatnonzero(TRAIN[~TEST]), np.flatnonzero(VALIDATION[~TEST]))]
    labels = np.stack([planted.labels, 1 - planted.labels], axis=1)[~TEST]
    given = LayerProbe(
        readout, penalty=PENALTIES, validation=parts, refit=False, layer_curve=readout == 1
    )
    # A cohort names the source, too, and folds of cross-validation go by the order of names.
    patients = np.array([f"own {patient}" for patient in planted.patients])[~TEST]
    ours = given.fit(planted.states[~TEST], labels, patients)
    (run,) = load_runs(runs[readout])
    assert run.info.classes == ("MI", "NORM")
    scores = run.predictions("test").scores[0]
    assert ours.predict_proba(planted.states[TEST]) == pytest.approx(scores, abs=1e-4)
    assert ours.penalty_ == run.info.chosen[0].penalty
    if readout == 1:
        areas = [Run.read(runs[layer]).validation.main.macro.value for layer in range(3)]
        assert ours.layer_curve_ == pytest.approx(areas, abs=1e-3)


@pytest.mark.filterwarnings(ACCEPTED)
@pytest.mark.parametrize("readout", sorted({*POOLED} - {*OF_EACH_KIND, "pma"}))
def test_every_other_readout_fits_and_tells_its_shares(planted, readout):
    model = LayerProbe(readout, penalty=0.1, norm="layer", layer_curve=False)
    model.fit(planted.states, planted.labels)
    shares = model.layer_weights(planted.states)
    assert shares.sum(axis=1) == pytest.approx(np.ones(120), abs=1e-6)
    assert model.layer_weights_ == pytest.approx(shares.mean(axis=0), abs=1e-5)
    assert model.score(planted.states, planted.labels) > 0.5


@pytest.mark.parametrize(("readout", "of_normed"), [("last", "last"), ("ppa-normed", "ppa")])
def test_a_norms_own_weights_do_not_matter_under_a_head_that_standardises(
    planted, generator, readout, of_normed
):
    norm = torch.nn.LayerNorm(8)
    norm.weight.data = 0.5 + torch.rand(8, generator=generator)
    norm.bias.data = torch.randn(8, generator=generator)
    normed = norm(torch.tensor(planted.states).float()).detach().numpy()
    found = [
        LayerProbe(name, norm=kind, penalty=0.1, layer_curve=False)
        .fit(states, planted.labels)
        .predict_proba(states)
        for name, kind, states in (
            (readout, "layer", planted.states),
            (of_normed, "identity", normed),
        )
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-3)


def test_a_solved_mixture_finds_the_layer_that_tells_and_certifies_it(planted):
    model = LayerMixture(penalty=0.1, layer_curve=False)
    model.fit(planted.states, planted.labels, planted.patients)
    assert np.argmax(model.layer_weights_) == 1
    assert model.certificate_.mixture.folds == 5
    assert model.certificate_.gap <= GAP
    assert model.certificate_.fault == ""


def test_a_gate_that_was_still_improving_is_told(planted):
    model = LayerProbe("pma", penalty=0.1, layer_curve=False)
    with pytest.warns(ConvergenceWarning, match="LayerProbe: the readout was still improving in"):
        model.fit(planted.states, planted.labels)
    assert not model.certificate_.stop.settled
    assert np.argmax(model.layer_weights_) == 1
    assert (
        Certificate(gap=0.002).fault == "the penalised loss could be lower by 0.002 nats a record"
    )


def test_no_patient_trains_and_chooses_and_classes_are_alike_in_both_parts(planted):
    train, held = split(planted.labels, planted.patients, 5, 0)
    assert not set(planted.patients[train]) & set(planted.patients[held])
    assert sorted([*train, *held]) == list(range(120))
    train, held = split(np.repeat([0, 1], [150, 50]), None, 5, 0)
    assert (len(held), (held >= 150).sum()) == (40, 10)
