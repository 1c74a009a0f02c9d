"""Attribution against what is known without it; neighbours, layers and pages of a folder."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.signal import Preprocessing
from myocard.data.steps import Resample
from myocard.data.steps import Window as WindowStep
from myocard.data.window import Stated, span_read
from myocard.errors import InputError
from myocard.evaluation.explaining import attribution, explain
from myocard.evaluation.explaining.attribution import (
    Squares,
    answer_of,
    attribute,
    gradients,
    occlusion,
)
from myocard.evaluation.explaining.neighbours import NEAREST, TrainingRecords
from myocard.evaluation.explaining.writing import ENTRIES, INDEX, Question, write_page, write_pages
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.leads import LEADS
from myocard.models.checkpoint import Checkpoint
from myocard.models.opening import decided_model, from_pretrained
from myocard.models.saving import save
from myocard.recipe import Optimisation, ProbeRecipe, Split
from myocard.record import Record
from myocard.results.explanation import pairs_of
from myocard.simulation import entries
from myocard.simulation import write as simulate
from myocard.tasks.task import TASKS

SQUARES = Squares.of(100, 100)


@pytest.fixture
def window() -> torch.Tensor:
    return torch.randn(12, 100, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def beat() -> Record:
    """A simulated record, 10 s at 100 Hz."""
    entry = next(iter(entries(1, 5, rate=100.0)))
    return entry.read()


def test_squares_are_even_and_flattened_to_lines_between_their_ends(window):
    assert Squares.of(1000, 100).bounds.tolist() == list(range(0, 1001, 20))
    uneven = np.diff(Squares.of(562, 250).bounds)
    assert len(uneven) == 12
    assert set(uneven.tolist()) <= {46, 47}
    flat = SQUARES.flattened(window).numpy()
    for start, stop in pairwise(SQUARES.bounds):
        first, last = window[:, start].numpy(), window[:, stop - 1].numpy()
        assert np.allclose(flat[:, start:stop], np.linspace(first, last, stop - start).T, atol=1e-6)


def test_both_methods_are_exact_for_a_linear_answer(window):
    weights = torch.randn(2, 12, 100, generator=torch.Generator().manual_seed(5))
    flat = SQUARES.flattened(window)

    def answer(signals: torch.Tensor) -> torch.Tensor:
        return torch.einsum("blt,olt->bo", signals, weights)

    per_sample = (weights * (window - flat)).double().numpy()
    wanted = np.add.reduceat(per_sample, SQUARES.bounds[:-1], axis=2)
    found = gradients(answer, window, flat, SQUARES, (0, 1))
    assert np.allclose(found, wanted, atol=1e-5)
    assert np.allclose(occlusion(answer, window, flat, SQUARES), pairs_of(wanted), atol=1e-4)


def test_gradients_account_for_what_the_record_changes(decided, window, monkeypatch):
    monkeypatch.setattr(attribution, "STEPS", 100)
    found = attribute(decided, window)
    change = found.answers - found.flattened
    assert np.allclose(found.gradients.sum(axis=(1, 2)), change, rtol=0.02, atol=2e-3)
    assert (found.incompleteness < 0.05).all()
    assert found.answers.tolist() == sorted(found.answers, reverse=True)


def test_a_lead_without_a_shape_counts_for_nothing(decided, window):
    window[3] = 0.7
    found = attribute(decided, window)
    assert np.abs(found.occlusion[:, 3]).max() < 1e-5
    assert np.abs(found.gradients[:, 3]).max() < 1e-5
    assert np.abs(found.occlusion[:, 4]).max() > 1e-4


def test_random_weights_give_another_map(decided, window):
    found = attribute(decided, window)
    assert abs(found.likeness) < 0.9
    assert not np.allclose(found.randomised, found.gradients[0], rtol=0.1)
    again = attribute(replace(decided, encoder=decided.encoder.randomised(0)), window)
    own = again.outputs.index(found.outputs[0])
    assert np.allclose(again.gradients[own], found.randomised, atol=1e-6)


@pytest.mark.parametrize("outcome", ["any", "one"])
def test_an_answer_is_the_log_odds_of_what_the_model_says(decided, window, outcome):
    shape = decided.shape.model_copy(update={"outcome": outcome})
    decision = decided.decision.model_copy(update={"outcome": outcome})
    model = replace(decided, shape=shape, decision=decision)
    said = decision.calibrated(model.read(window[None].numpy()).scores)
    answer = answer_of(model.encoder, model.classifier, shape, decision)
    assert np.allclose(answer(window[None]).detach().sigmoid(), said, atol=1e-5)


def test_the_part_that_is_read_is_found_again_for_every_way_to_cut():
    ramp = np.arange(3000, dtype=np.float32)[None]
    for expected in (
        Preprocessing(100, 400, ("II",), steps=(Resample(100, "linear"), WindowStep(400))),
        Preprocessing(500, 1200, ("II",), steps=(WindowStep(1200, 7),)),
        Preprocessing(250, 1000, ("II",), steps=(Resample(250, "linear"), WindowStep(1000))),
    ):
        values = expected(ramp, 500.0)[0]
        start, stop = span_read(3000, 500.0, expected)
        assert abs(values[0] - start) <= 6
        assert abs(values[-1] - stop) <= 6
    assert span_read(3000, 500.0, Preprocessing(100, 400)) == (500, 2500)
    assert span_read(3000, 500.0, Preprocessing(100, 500, steps=(WindowStep(2500, 0),))) == (
        0,
        2500,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, store) -> Path:
    """A folder with an encoder, its features, and runs of a gate and of every layer."""
    from myocard.encoders.ours import MyocardEncoder, Origin
    from myocard.nn.encoder import Encoder, EncoderShape

    place = tmp_path_factory.mktemp("trained")
    torch.manual_seed(1)
    network = Encoder(EncoderShape(samples=1000, patch=50, width=12, depth=3, heads=3)).eval()
    nothing = store.records.iloc[:0][list(CORPUS_COLUMNS)]
    known = PretrainedOn(nothing, ())
    encoder = MyocardEncoder("tiny", network, Preprocessing(100, 1000), known, Origin(preset="t"))
    Checkpoint(encoder, {}).save(place / "encoder")
    recipe = ProbeRecipe(
        task="superdiagnostic",
        split=Split(train=(1, 2, 3, 4), validation=(5, 6, 7), test=(8, 9, 10)),
        min_positives=1,
        resamples=10,
        readouts=("pma", "layers"),
        heads=("linear",),
        seeds=(1, 0),
        penalties=(1e-2,),
        optimisation=Optimisation(epochs=1, batch=12, base_learning_rate=0.05, weight_decay=0.0),
    )
    runs = probe(extract(encoder, store, place / "features"), recipe, place / "runs")
    (place / "results").symlink_to(runs[0].parent)
    return place


def test_what_each_layer_says_is_what_its_own_model_says(trained, beat):
    run = trained / "results" / "pma-linear"
    model = from_pretrained(trained / "encoder", run).decided(run).compared(run)
    found = explain(model, beat)
    assert found.single.shape == (4, len(model.classes_))
    for layer in range(4):
        alone = decided_model(
            trained / "encoder", trained / "results" / f"layer-{layer:02d}-linear"
        )
        said = alone.decision.calibrated(alone.predict_proba([beat]))
        assert np.allclose(found.single[layer], said[0], atol=1e-5)
    assert found.disagreement == pytest.approx(found.single[1:].std(axis=0).max())
    assert np.allclose(found.weights, model.layer_weights(beat), atol=1e-6)
    weights = run / "weights.parquet"
    import pandas as pd

    table = pd.read_parquet(weights).query("split == 'validation' and seed == 1")
    median = table.filter(like="layer:").median().to_numpy()
    assert np.allclose(found.reference.weights.shares[2], median)
    assert found.reference.weights.records == len(table)


def test_a_saved_model_explains_as_its_run_does(trained, beat, tmp_path):
    run = trained / "results" / "pma-linear"
    save(trained / "encoder", run, tmp_path / "model")
    back = from_pretrained(tmp_path / "model")
    one, other = (
        explain(model, beat)
        for model in (back, decided_model(trained / "encoder", run).compared(run))
    )
    assert np.array_equal(one.single, other.single)
    assert one.reference == other.reference
    back.save_pretrained(tmp_path / "again")
    for file in ("reference.json", "single-layers.safetensors"):
        copies = [(tmp_path / name / file).read_bytes() for name in ("model", "again")]
        assert copies[0] == copies[1]
    altered = tmp_path / "again" / "reference.json"
    altered.write_text(altered.read_text().replace("auroc", "mae"))
    with pytest.raises(InputError, match=r"reference\.json: not the file that was written"):
        from_pretrained(tmp_path / "again")


def test_the_nearest_are_those_of_training_by_standardised_cosine(trained, beat, store):
    from myocard.evaluation.features import Features

    run = trained / "results" / "pma-linear"
    model, features = decided_model(trained / "encoder", run), Features.open(trained / "features")
    found = explain(model, beat, training=TrainingRecords(model, features), layer=2).neighbours
    labelled = TASKS["superdiagnostic"].label(store.records)
    rows = np.flatnonzero(labelled.kept & (store.records["fold"].to_numpy() <= 4))
    known = features.states[rows, 2].astype(float)
    own = (model.hidden_states(beat)[2] - known.mean(0)) / known.std(0)
    others = (known - known.mean(0)) / known.std(0)
    cosine = [own @ each / np.sqrt((own @ own) * (each @ each)) for each in others]
    best = np.argsort(cosine)[::-1][:NEAREST]
    assert found.records == len(rows)
    assert [each.similarity for each in found.nearest] == pytest.approx(
        [cosine[k] for k in best], abs=1e-5
    )
    assert all(each.id is None for each in found.nearest)
    named = TrainingRecords(model, features, names=True).near(model.hidden_states([beat]), 2)
    assert [each.id for each in named.nearest] == [store.records["id"].iloc[rows[k]] for k in best]
    classes = np.array(TASKS["superdiagnostic"].classes)
    for each, k in zip(named.nearest, best, strict=True):
        assert each.labels == ", ".join(classes[labelled.targets[rows[k]] == 1])
    with pytest.raises(InputError, match="layer 9: the encoder has layers 0 to 3"):
        TrainingRecords(model, features).near(model.hidden_states([beat]), 9)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two records, and a file that is none."""
    simulate(tmp_path / "simulated", "ptbxl", count=2)
    records = (tmp_path / "simulated" / "records100").rename(tmp_path / "records")
    (records / "broken.npy").write_bytes(b"nothing")
    return records


def told(entries) -> str:
    return "\n".join(f"{each.name} {each.page} {each.error}" for each in entries)


def test_a_folders_pages_go_on_where_a_stopped_job_left_them(decided, folder, tmp_path):
    out, asked = tmp_path / "pages", []

    def page(explanation) -> str:
        asked.append(explanation.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return f"page of {explanation.name}"

    question = Question(decided)
    with pytest.raises(KeyboardInterrupt):
        write_pages(question, folder, out, page, lambda rows, title: told(rows))
    assert not out.exists()
    failed = write_pages(question, folder, out, page, lambda rows, title: told(rows))
    assert failed == 1
    assert asked == ["00001_lr", "00002_lr", "00002_lr"]
    lines = (out / INDEX).read_text().splitlines()
    assert lines[0] == "00001_lr 0001-00001_lr.html None"
    assert lines[2].startswith("broken None")
    assert "broken.npy" in lines[2]
    assert (out / "0002-00002_lr.html").read_text() == "page of 00002_lr"
    names = {path.name for path in out.iterdir()}
    assert names == {
        "0001-00001_lr.html", "0002-00002_lr.html", INDEX, ENTRIES, "inputs.json"
    }  # fmt: skip
    assert write_pages(question, folder, out, page, lambda rows, title: "") == 1
    assert len(asked) == 3


def test_a_record_gets_its_page_whatever_its_file_is_called(decided, beat, tmp_path):
    names = ["<b>ö\n.npy", "bad\udcff.npy", "x" * 250 + ".npy"]
    (tmp_path / "records").mkdir()
    np.save(tmp_path / "a.npy", beat.signal.astype(np.float32))
    for name in names:
        shutil.copyfile(tmp_path / "a.npy", tmp_path / "records" / name)
    (tmp_path / "records" / "worse\udcff.npy").write_bytes(b"nothing")
    question = Question(decided, stated=Stated(100, LEADS, "mV"))
    out, shown = tmp_path / "pages", lambda explanation: f"page of {explanation.name}"
    assert write_pages(question, tmp_path / "records", out, shown, lambda rows, _: told(rows)) == 1
    assert {path.name for path in out.iterdir() if path.name[0] == "0"} == {
        "0001--b-.html", "0002-bad-.html", f"0004-{'x' * 100}.html"
    }  # fmt: skip
    assert (out / "0002-bad-.html").read_text() == r"page of bad\udcff"
    assert r"worse\udcff None" in (out / INDEX).read_text()


def test_a_page_is_refused_for_what_is_no_record_or_no_page(decided, folder, tmp_path):
    with pytest.raises(
        InputError, match=r"page\.txt: the page of one file; end its name in \.html"
    ):
        write_page(Question(decided), folder / "broken.npy", tmp_path / "page.txt", str)
    with pytest.raises(InputError, match=r"broken\.npy"):
        write_page(Question(decided), folder / "broken.npy", tmp_path / "page.html", str)
    assert not (tmp_path / "page.html").exists()
    with pytest.raises(InputError, match="without thresholds"):
        explain(
            replace(decided, decision=None), Record.from_array(np.eye(12, 300), 100, LEADS, "mV")
        )
