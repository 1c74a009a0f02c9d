"""One record asked alone gets the states and scores that it has among all."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import myocard
from myocard import Model, Record, load
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Band, Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract
from myocard.evaluation.finetune import finetune
from myocard.evaluation.probing import probe
from myocard.leads import LEADS
from myocard.models.checkpoint import CORPUS_COLUMNS, Checkpoint
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.simulation import entries, simulate

SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
BAND = Band(highpass=0.5, lowpass=40.0)
STATED = Preprocessing(100, 500, LEADS, BAND)
HOW = {"base_learning_rate": 0.05, "weight_decay": 0.0, "precision": "fp32"}


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
    encoder = Encoder(EncoderShape(samples=500, patch=50, width=12, depth=3, heads=3)).eval()
    corpus = filtered.records.query("fold == 1").loc[:, list(CORPUS_COLUMNS)]
    made = Checkpoint("tiny", encoder, STATED, corpus)
    made.save(out / "encoder")
    cached = extract(made, filtered, out / "cached")
    given = ProbeRecipe(
        task="ptbxl-all",
        readouts=("pma",),
        heads=("linear",),
        split=SPLIT,
        seeds=(0, 1),
        penalties=(1e-3,),
        resamples=20,
        optimisation=Optimisation(epochs=2, batch=12, **HOW),
    )
    (run,) = probe(cached, given, out / "probes", test=True)
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
    return load(home / "encoder", probe=str(home / "probed"))


def record(index: int, rate: float = 500.0) -> Record:
    return simulate(0, index, rate=rate).record


def scores_of(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet").query("seed == 0").set_index("id")


@pytest.mark.parametrize("index", [0, 17, 59])
def test_states_of_a_record_are_the_cached_ones(model, home, index):
    cached = Features.open(home / "cached").states[index].astype(np.float32)
    found = model.states(record(index))
    assert found.shape == (4, 12)
    # float16 in the cache, int16 in the store.
    assert np.allclose(found, cached, atol=3e-3)


def test_lead_order_unit_and_rate_of_a_record_do_not_matter(model):
    given = record(3)
    expected = model.states(given)
    turned = given.select(LEADS[::-1])
    microvolts = Record.from_array(given.signal * 1000, 500, LEADS, "uV")
    assert np.allclose(model.states(turned), expected, atol=1e-5)
    assert np.allclose(model.states(microvolts), expected, atol=1e-3)
    spread = np.abs(expected - model.states(record(4))).max()
    for rate in (100.0, 250.0, 1000.0):
        assert np.abs(model.states(record(3, rate)) - expected).max() < 0.2 * spread


def test_weights_are_shares_of_layers(model):
    weights = model.weights(record(2))
    assert weights.shape == (4,)
    assert weights[0] == 0
    assert (weights[1:] > 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-6)


def test_scores_are_the_probes_own(model, home):
    table = scores_of(home / "probed")
    classes = [name.removeprefix("score:") for name in table.filter(like="score:")]
    for index in (6, 7, 18, 29):
        name = f"A{index:06d}"
        found = model.scores(record(index))
        assert list(found) == classes
        assert all(0 <= score <= 1 for score in found.values())
        if name in table.index:
            expected = table.loc[name].filter(like="score:").astype(float)
            assert np.allclose(list(found.values()), expected, atol=5e-3)
    assert {"A000006", "A000007", "A000018", "A000029"} & set(table.index)


def test_scores_of_a_fine_tuned_model_are_its_predictions(home):
    tuned = load(str(home / "tuned" / "model"))
    table = scores_of(home / "tuned")
    for name in table.index[:4]:
        found = tuned.scores(record(int(name[1:])))
        expected = table.loc[name].filter(like="score:").astype(float)
        assert np.allclose(list(found.values()), expected, atol=2e-3)
        assert sum(found.values()) == pytest.approx(1, abs=1e-6)  # classes exclude each other


def test_some_leads_can_be_read_by_name_in_any_case_and_order(model, filtered, home):
    given = record(5)
    expected = model.states(given, ("II", "V2"))
    assert np.allclose(model.states(given.select(("V2", "II")), ["v2", "ii"]), expected, atol=1e-5)
    assert not np.allclose(expected, model.states(given), atol=1e-3)
    few = replace(model.checkpoint, preprocessing=replace(STATED, leads=("II", "V2")))
    cached = extract(few, filtered, home / "two-leads")
    assert np.allclose(expected, cached.states[5].astype(np.float32), atol=3e-3)
    assert model.weights(given, ("II", "V2")).sum() == pytest.approx(1, abs=1e-6)
    assert set(model.scores(given, ("II", "V2"))) == set(model.scores(given))


def broken(lead: str, value: float, samples: slice = slice(None)) -> Record:
    signal = record(1).signal.copy()
    signal[LEADS.index(lead), samples] = value
    return Record.from_array(signal, 500, LEADS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (broken("V3", np.nan, slice(7, 8)), "lead V3 holds values that are not finite; fix it"),
        (broken("aVL", np.inf, slice(7, 8)), "lead aVL holds values that are not finite"),
        (broken("V6", 0.25), "lead V6 is constant; name the other leads with `leads`"),
        (record(1).select(LEADS[:11]), "the record has no lead V6; it has I, II"),
        (Record(record(1).signal[:, :2490], 500, LEADS), "a record of 4.98 s is shorter than"),
        (Record(record(1).signal[:, :3], 500, LEADS), "shorter than the encoder's window of 5 s"),
        (Record(record(1).signal[:, :0], 500, LEADS), "a record of 0 s is shorter"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(model, given, message):
    for ask in (model.states, model.weights, model.scores):
        with pytest.raises(InputError, match=message):
            ask(given)


def test_a_broken_lead_can_be_left_out(model):
    rest = LEADS[:8] + LEADS[9:]
    expected = model.states(record(1), rest)
    assert np.allclose(model.states(broken("V3", np.nan), rest), expected, atol=1e-6)


@pytest.mark.parametrize("leads", [("X",), (), ("II", "ii")])
def test_leads_that_make_no_sense_are_refused(model, leads):
    with pytest.raises(InputError, match="lead"):
        model.states(record(1), leads)


def test_a_lead_that_the_encoder_never_saw_is_refused(model):
    few = replace(
        model,
        checkpoint=replace(model.checkpoint, preprocessing=Preprocessing(100, 500, ("II", "V1"))),
    )
    assert few.states(record(1)).shape == (4, 12)
    with pytest.raises(InputError, match="leads V5: tiny reads II, V1; name some of these"):
        few.states(record(1), ("V5",))


def test_an_encoder_alone_has_states_but_no_scores(home):
    alone = load(home / "encoder")
    assert alone.states(record(0)).shape == (4, 12)
    for ask in (alone.scores, alone.weights):
        with pytest.raises(InputError, match="tiny is an encoder without a readout: load it with"):
            ask(record(0))


def test_a_probe_of_another_encoder_is_refused(home):
    Checkpoint.load(home / "encoder").randomised(2).save(home / "random")
    with pytest.raises(InputError, match="probed: a probe of another encoder than random-tiny-2"):
        load(home / "random", probe=home / "probed")


def test_a_folder_that_is_no_probes_run_is_refused(home, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere", home / "tuned"):
        with pytest.raises(InputError, match=f"{folder.name}: not the run folder of a probe"):
            load(home / "encoder", probe=folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "deep"}, r"run\.json: readout 'pma' or head 'deep' is unknown"),
        ({"classes": 3}, r"run\.json: states no readout and head"),
        ({"classes": ["A"]}, r"classifier\.safetensors: the weights do not fit the model"),
        ({"readout": "ppa"}, r"classifier\.safetensors: the weights do not fit the model"),
        ({"encoder": None}, "not the run folder of a probe"),
    ],
)
def test_a_run_that_was_altered_is_refused(home, tmp_path, changes, message):
    folder = Path(shutil.copytree(home / "probed", tmp_path / "altered"))
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | changes))
    with pytest.raises(InputError, match=message):
        load(home / "encoder", probe=folder)


def test_importing_the_package_waits_for_no_torch_and_warns_of_nothing():
    code = (
        "import sys, myocard; assert 'torch' not in sys.modules;"
        "import myocard.cli; assert 'torch' not in sys.modules;"
        "from myocard import Model, load; assert myocard.load is load; import myocard.models.model"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_prediction_waits_for_no_package_that_trains_scores_or_draws():
    code = (
        "import sys, myocard.models.model;"
        "print({'lightning_fabric', 'sklearn', 'matplotlib', 'joblib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_loading_an_encoder_draws_no_number_and_leaves_nothing_undrawn(home):
    before = torch.get_rng_state()
    encoder = load(home / "encoder").checkpoint.encoder
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(x.is_meta for x in (*encoder.parameters(), *encoder.buffers()))
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_the_package_names_what_is_public_and_nothing_else():
    assert all(hasattr(myocard, name) for name in myocard.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = myocard.nothing
