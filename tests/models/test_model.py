"""One record asked alone gets the states and probabilities that it has among all."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import myocard
from myocard import Model, Record, from_pretrained
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Band, Preprocessing
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract
from myocard.evaluation.finetune import finetune
from myocard.evaluation.probing import Stream, probe
from myocard.leads import LEADS
from myocard.models import model as asking
from myocard.models.checkpoint import Checkpoint, load_encoder
from myocard.models.classifier import read_classifiers, read_probe
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.simulation import entries, simulate

SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
BAND = Band(highpass=0.5, lowpass=40.0)
STATED = Preprocessing(100, 500, LEADS, BAND)
HOW = {"base_learning_rate": 0.05, "weight_decay": 0.0, "precision": "fp32"}
PROBE = ProbeRecipe(
    task="ptbxl-all",
    readouts=("pma",),
    heads=("linear",),
    split=SPLIT,
    seeds=(0, 1),
    penalties=(1e-3,),
    resamples=20,
    optimisation=Optimisation(epochs=2, batch=12, **HOW),
)


@pytest.fixture(scope="module")
def filtered(tmp_path_factory) -> Store:
    """Sixty simulated records of 500 Hz, resampled and filtered."""
    out = tmp_path_factory.mktemp("stores") / "filtered"
    return prepare(entries(60, 0), out, Wanted(100, 10.0, LEADS, BAND), source="sim", jobs=1)


@pytest.fixture(scope="module")
def home(filtered, tmp_path_factory) -> Path:
    """``encoder``, its features ``cached``, a probe ``probed`` and a fine-tuned model ``tuned``."""
    out = tmp_path_factory.mktemp("home")
    torch.manual_seed(1)
    network = Encoder(EncoderShape(samples=500, patch=50, width=12, depth=3, heads=3)).eval()
    corpus = filtered.records.query("fold == 1").loc[:, list(CORPUS_COLUMNS)]
    made = MyocardEncoder("tiny", network, STATED, PretrainedOn(corpus, ("sim",)))
    Checkpoint(made, {}).save(out / "encoder")
    cached = extract(made, filtered, out / "cached")
    (run,) = probe(cached, PROBE, out / "probes", test=True)
    run.rename(out / "probed")
    shorter = FinetuneRecipe(
        task="stmem-single-label",
        head="linear",
        split=SPLIT,
        resamples=20,
        optimisation=Optimisation(epochs=1, batch=12, **HOW),
    )
    finetune(shorter, made, filtered, out / "tuned", test=True)
    return out


@pytest.fixture(scope="module")
def model(home) -> Model:
    return from_pretrained(home / "encoder", probe=str(home / "probed"))


def record(index: int, rate: float = 500.0) -> Record:
    return simulate(0, index, rate=rate).record


def predictions(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet").query("seed == 0").set_index("id")


def questions(model: Model) -> list[Callable[..., np.ndarray]]:
    return [model.hidden_states, model.layer_weights, model.predict_proba]


@pytest.mark.parametrize("index", [0, 17, 59])
def test_states_of_a_record_are_the_cached_ones(model, home, index):
    cached = Features.open(home / "cached").states[index].astype(np.float32)
    found = model.hidden_states(record(index))
    assert found.shape == (4, 12)
    # float16 in the cache, int16 in the store.
    assert np.allclose(found, cached, atol=3e-3)


def test_lead_order_unit_and_rate_of_a_record_do_not_matter(model):
    given = record(3)
    expected = model.hidden_states(given)
    turned = given.select(LEADS[::-1])
    microvolts = Record.from_array(given.signal * 1000, 500, LEADS, "uV")
    assert np.allclose(model.hidden_states(turned), expected, atol=1e-5)
    assert np.allclose(model.hidden_states(microvolts), expected, atol=1e-3)
    spread = np.abs(expected - model.hidden_states(record(4))).max()
    for rate in (100.0, 250.0, 1000.0):
        assert np.abs(model.hidden_states(record(3, rate)) - expected).max() < 0.2 * spread


def test_many_records_get_what_each_gets_alone_with_the_records_as_first_axis(model, monkeypatch):
    monkeypatch.setattr(asking, "_BATCH", 2)
    rates = [500.0, 100.0, 250.0, 500.0, 1000.0]
    given = [record(index, rate) for index, rate in enumerate(rates)]
    for ask, shape in zip(questions(model), [(4, 12), (4,), (len(model.classes_),)], strict=True):
        together = ask(given)
        assert together.shape == (5, *shape)
        assert together.dtype == np.float32
        for each, one in zip(given, together, strict=True):
            assert ask(each).shape == shape
            assert np.allclose(ask(each), one, atol=1e-5)
        assert np.array_equal(ask(tuple(given)), together)
        assert ask(given[:1]).shape == (1, *shape)


def test_arrays_are_asked_as_the_records_that_they_hold(model):
    given = [record(index) for index in range(3)]
    names = LEADS[::-1]
    arrays = np.stack([each.select(names).signal for each in given]) * 1000
    how = {"rate": 500, "leads": names, "unit": "uV"}
    for ask in questions(model):
        expected = ask(given)
        assert np.allclose(ask(arrays, **how), expected, atol=1e-4)
        assert np.allclose(ask(list(arrays), **how), expected, atol=1e-4)
        assert np.allclose(ask(torch.from_numpy(arrays), **how), expected, atol=1e-4)
        assert np.allclose(ask(arrays.tolist(), **how), expected, atol=1e-4)
        assert np.allclose(ask(arrays[1], **how), expected[1], atol=1e-4)


ARRAY = np.zeros((2, 12, 3000))


@pytest.mark.parametrize(
    ("given", "how", "message"),
    [
        (ARRAY, {}, "does not say its rate, leads, unit; give rate=…, leads=…, unit=…"),
        (ARRAY, {"rate": 500}, "does not say its leads, unit; give leads=…, unit=…"),
        (ARRAY, {"leads": LEADS, "unit": "mV"}, "does not say its rate; give rate=…"),
        (
            ARRAY[0, 0],
            {"rate": 500, "leads": LEADS, "unit": "mV"},
            r"shape \(3000,\); give \(leads, samples\)",
        ),
        (
            ARRAY[None],
            {"rate": 500, "leads": LEADS, "unit": "mV"},
            r"shape \(1, 2, 12, 3000\); give",
        ),
        (ARRAY[:0], {"rate": 500, "leads": LEADS, "unit": "mV"}, r"shape \(0, 12, 3000\); give"),
        ([], {}, "no record is given"),
        ([], {"rate": 500, "leads": LEADS, "unit": "mV"}, "no record is given"),
        (
            [ARRAY[0], ARRAY[0, :, :9]],
            {"rate": 500, "leads": LEADS, "unit": "mV"},
            "of one shape, or a list of",
        ),
        (ARRAY, {"rate": 500, "leads": LEADS[:11], "unit": "mV"}, "does not fit 11 leads"),
        (ARRAY, {"rate": 0, "leads": LEADS, "unit": "mV"}, "a rate of 0 Hz"),
        (ARRAY, {"rate": 500, "leads": LEADS, "unit": "kg"}, "unknown unit 'kg'"),
    ],
)
def test_arrays_that_cannot_be_records_are_refused(model, given, how, message):
    for ask in questions(model):
        with pytest.raises(InputError, match=message):
            ask(given, **how)


def test_what_an_array_or_a_path_does_not_say_is_asked_for(model):
    one = record(3)
    with pytest.raises(InputError, match="does not say its unit; give unit=…"):
        model.hidden_states(one.signal, rate=one.rate, leads=one.leads)
    with pytest.raises(InputError, match=r"ecg\.hea: a path, not a record; give myocard\.read"):
        model.hidden_states("ecg.hea")


def test_layer_weights_are_shares_of_layers(model):
    weights = model.layer_weights([record(2), record(5)])
    assert weights.shape == (2, 4)
    assert not weights[:, 0].any()
    assert (weights[:, 1:] > 0).all()
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_probabilities_are_the_probes_own(model, home):
    table = predictions(home / "probed")
    names = [name.removeprefix("score:") for name in table.filter(like="score:")]
    assert model.classes_ == tuple(names)
    compared = 0
    for index in (6, 7, 18, 29):
        found = model.predict_proba(record(index))
        assert ((found >= 0) & (found <= 1)).all()
        if f"A{index:06d}" in table.index:
            expected = table.loc[f"A{index:06d}"].filter(like="score:").astype(float)
            assert np.allclose(found, expected, atol=5e-3)
            compared += 1
    assert compared


def test_probabilities_of_a_fine_tuned_model_are_its_predictions(home):
    tuned = from_pretrained(str(home / "tuned" / "model"))
    table = predictions(home / "tuned")
    chosen = table.index[:4]
    found = tuned.predict_proba([record(int(name[1:])) for name in chosen])
    expected = table.loc[chosen].filter(like="score:").astype(float)
    assert [f"score:{name}" for name in tuned.classes_] == [*expected]
    assert np.allclose(found, expected, atol=2e-3)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)  # classes exclude each other


def test_some_leads_can_be_read_by_name_in_any_case_and_order(model, filtered, home):
    given = record(5)
    expected = model.hidden_states(given, only=("II", "V2"))
    lower = model.hidden_states(given.select(("V2", "II")), only=["v2", "ii"])
    assert np.allclose(lower, expected, atol=1e-5)
    assert not np.allclose(expected, model.hidden_states(given), atol=1e-3)
    cached = extract(model.encoder.with_leads(("II", "V2")), filtered, home / "two-leads")
    assert np.allclose(expected, cached.states[5].astype(np.float32), atol=3e-3)
    assert model.layer_weights(given, only=("II", "V2")).sum() == pytest.approx(1, abs=1e-6)
    assert model.predict_proba([given], only=("II", "V2")).shape == (1, len(model.classes_))
    array, names = given.select(("V2", "II")).signal, ("V2", "II")
    read = model.hidden_states(array, rate=500, leads=names, unit="mV", only=("II", "V2"))
    assert np.allclose(read, expected, atol=1e-5)


def broken(lead: str, value: float, samples: slice = slice(None)) -> Record:
    signal = record(1).signal.copy()
    signal[LEADS.index(lead), samples] = value
    return Record.from_array(signal, 500, LEADS, "mV")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (broken("V3", np.nan, slice(7, 8)), "lead V3 holds values that are not finite; fix it"),
        (broken("aVL", np.inf, slice(7, 8)), "lead aVL holds values that are not finite"),
        (broken("V6", 0.25), "lead V6 is constant; fix it, or name other leads with `only`"),
        (record(1).select(LEADS[:11]), "the record has no lead V6; it has I, II"),
        (Record(record(1).signal[:, :2490], 500, LEADS), "a record of 4.98 s is shorter than"),
        (Record(record(1).signal[:, :3], 500, LEADS), "shorter than the encoder's window of 5 s"),
        (Record(record(1).signal[:, :0], 500, LEADS), "a record of 0 s is shorter"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused_alone_and_among_others(model, given, message):
    for ask in questions(model):
        for asked in (given, [record(2), given]):
            with pytest.raises(InputError, match=message):
                ask(asked)


def test_of_several_records_the_one_that_cannot_be_read_is_named(model):
    given = [record(2), record(3), broken("V6", 0.25)]
    with pytest.raises(InputError, match="record 2, counted from 0: lead V6 is constant"):
        model.hidden_states(given)


def test_a_broken_lead_can_be_left_out(model):
    rest = LEADS[:8] + LEADS[9:]
    expected = model.hidden_states(record(1), only=rest)
    found = model.hidden_states(broken("V3", np.nan), only=rest)
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("leads", [("X",), (), ("II", "ii")])
def test_leads_that_make_no_sense_are_refused(model, leads):
    with pytest.raises(InputError, match="lead"):
        model.hidden_states(record(1), only=leads)


def test_a_lead_that_the_encoder_was_never_fed_is_refused(model):
    few = replace(model, encoder=model.encoder.with_leads(("II", "V1")))
    assert few.hidden_states(record(1)).shape == (4, 12)
    with pytest.raises(InputError, match="leads V5: tiny reads II, V1; name some of these"):
        few.hidden_states(record(1), only=("V5",))


def test_an_encoder_alone_has_states_but_no_probabilities(home):
    alone = from_pretrained(home / "encoder")
    assert alone.hidden_states(record(0)).shape == (4, 12)
    told = "tiny is an encoder without a readout: load it with"
    for ask in (alone.predict_proba, alone.layer_weights):
        with pytest.raises(InputError, match=told):
            ask(record(0))
    with pytest.raises(InputError, match=told):
        _ = alone.classes_


def test_a_probe_of_another_encoder_is_refused(home):
    Checkpoint(load_encoder(home / "encoder").randomised(2), {}).save(home / "random")
    with pytest.raises(InputError, match="probed: a probe of another encoder than random-tiny-2"):
        from_pretrained(home / "random", probe=home / "probed")


def test_a_folder_that_is_no_probes_run_is_refused(home, tmp_path):
    for folder, told in (
        (tmp_path, r"no run\.json there; give the folder"),
        (tmp_path / "nowhere", "no such folder; give the folder of a run"),
        (home / "encoder", r"no run\.json there; give the folder"),
    ):
        with pytest.raises(InputError, match=f"{folder.name}: {told}"):
            from_pretrained(home / "encoder", probe=folder)
    with pytest.raises(InputError, match=r"tuned/run\.json: a finetune, not a probe; give the run"):
        from_pretrained(home / "encoder", probe=home / "tuned")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "deep"}, r"classifier\.safetensors: readout 'pma' or head 'deep' is unknown"),
        ({"readout": "best"}, r"readout 'best' or head 'linear' is unknown"),
        ({"readout": "layer", "layer": 4}, r"layer 4 or head 'linear' is unknown"),
        ({"readout": "layer", "layer": -1}, r"layer -1 or head 'linear' is unknown"),
        ({"layer": 2}, r"run\.json: .* holds a number for the readout"),
        (
            {"classes": 3},
            r"run\.json: classes: .*; give the folder of a run, or run its program again",
        ),
        ({"classes": ["A"]}, r"classifier\.safetensors: the weights do not fit the model"),
        ({"readout": "ppa"}, r"classifier\.safetensors: the weights do not fit the model"),
        ({"encoder": None}, r"run\.json: encoder: "),
        ({"schema": 1}, r"run\.json: schema: "),
        ({"colour": 1}, r"run\.json: colour: "),
    ],
)
def test_a_run_that_was_altered_is_refused(home, tmp_path, changes, message):
    folder = Path(shutil.copytree(home / "probed", tmp_path / "altered"))
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | changes))
    with pytest.raises(InputError, match=message):
        from_pretrained(home / "encoder", probe=folder)


def test_a_probe_of_tokens_is_refused_since_a_model_reads_pooled_states(home, filtered, tmp_path):
    encoder = load_encoder(home / "encoder")
    of_tokens = PROBE.model_copy(update={"readouts": ("attentive-tokens",), "seeds": (0,)})
    (run,) = probe(Stream(encoder, filtered), of_tokens, tmp_path)
    with pytest.raises(InputError, match="attentive-tokens.* reads tokens; give a probe of pooled"):
        from_pretrained(home / "encoder", probe=run)


def test_the_classifiers_of_all_seeds_come_back_and_the_first_is_the_probes(home, model):
    encoder = load_encoder(home / "encoder")
    run, first = read_probe(home / "probed", encoder)
    assert (run.seeds, run.shape) == ((0, 1), model.shape)
    both = read_classifiers(home / "probed", encoder.norm, encoder.layers)
    assert len(both) == 2
    states = torch.from_numpy(model.hidden_states([record(6), record(7)]))
    with torch.no_grad():
        one, other = (classifier(states) for classifier in both)
        assert torch.equal(one, first(states))
        assert not torch.allclose(one, other)
    second = home / "probed" / "classifier-2.safetensors"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(InputError, match=r"classifier-2\.safetensors: no readable safetensors"):
        read_classifiers(home / "probed", encoder.norm, encoder.layers)
    second.write_bytes(kept)


def test_importing_the_package_waits_for_no_torch_and_warns_of_nothing():
    code = (
        "import sys, myocard; assert 'torch' not in sys.modules;"
        "import myocard.cli; assert 'torch' not in sys.modules;"
        "from myocard import Model, from_pretrained;"
        "assert myocard.from_pretrained is from_pretrained; import myocard.models.model"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_package_names_what_is_public_and_nothing_else():
    assert all(hasattr(myocard, name) for name in myocard.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = myocard.nothing
