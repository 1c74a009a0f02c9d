"""Fine-tuning trains everything, from where it was told to start, and says what it was shown."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from myocard.data.batches import Part, Windows
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.leaks import known_as
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.evaluation.finetune import finetune
from myocard.evaluation.probing import probe
from myocard.evaluation.supervised import SignalClassifier, predict
from myocard.models.checkpoint import Checkpoint, load_encoder
from myocard.models.classifier import build_classifier, classifiers_hash, read_probe
from myocard.nn.readouts.classifier import Classifier
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.report import write_report
from myocard.results.classifier import ClassifierShape
from myocard.results.run import Run

TASK = "ptbxl-all"
SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
STILL = {"base_learning_rate": 1e-12, "weight_decay": 0.0}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class Stopped(Exception):
    """A stop as if the power had failed."""


def recipe(**changes) -> FinetuneRecipe:
    """A recipe of three steps of twelve records."""
    how = {"epochs": 1, "batch": 12, "base_learning_rate": 1e-2, "weight_decay": 0.01}
    how |= {"precision": "fp32", "checkpoint_every": 1} | changes.pop("how", {})
    given = {"task": TASK, "head": "linear", "split": SPLIT, "resamples": 20}
    return FinetuneRecipe(**given | {"optimisation": Optimisation(**how)} | changes)


@pytest.fixture
def probed(clean, store, tmp_path) -> Path:
    """The run of a PMA with a linear head on the cached states."""
    how = Optimisation(
        epochs=2, batch=12, base_learning_rate=0.05, weight_decay=0.0, precision="fp32"
    )
    given = ProbeRecipe(
        task=TASK,
        readouts=("pma",),
        heads=("linear",),
        split=SPLIT,
        seeds=(0,),
        penalties=(1e-3,),
        resamples=20,
        optimisation=how,
    )
    return probe(extract(clean, store, tmp_path / "features"), given, tmp_path / "probes")[0]


def pretrained_on(records: pd.DataFrame) -> PretrainedOn:
    return PretrainedOn(records.loc[:, list(CORPUS_COLUMNS)], ("sim",))


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def scores_of(folder: Path, split: str = "validation") -> np.ndarray:
    table = pd.read_parquet(folder / "predictions.parquet").query("split == @split")
    return table.filter(like="score:").to_numpy()


def classifier_on(encoder: MyocardEncoder, classes, readout: str, head: str) -> Classifier:
    """A classifier as seed 0 draws it."""
    torch.manual_seed(0)
    shape = ClassifierShape(task=TASK, classes=tuple(classes), readout=readout, head=head)
    return build_classifier(shape, encoder.norm, encoder.layers)


def drawn(encoder: MyocardEncoder, classes, readout: str, head: str) -> dict[str, torch.Tensor]:
    """All weights before training with seed 0."""
    network = {f"encoder.{k}": v for k, v in encoder.network.state_dict().items()}
    return network | classifier_on(encoder, classes, readout, head).state_dict()


@pytest.mark.parametrize("readout", ["pma", "scalar-mix", "concat", "alf"])
def test_one_step_moves_encoder_readout_and_head(clean, store, tmp_path, readout):
    one_step = recipe(readout=readout, head="mlp", how={"epochs": 0.01})
    out = finetune(one_step, clean, store, tmp_path / "out")
    after = weights_of(out)
    before = drawn(clean, Run.read(out).classes, readout, "mlp")
    assert after.keys() == before.keys()
    still = [name for name in after if torch.equal(after[name], before[name])]
    assert still == []


def test_a_frozen_gate_stays_while_the_norm_in_the_same_readout_moves(clean, store, tmp_path):
    out = finetune(recipe(readout="pma-frozen-gate"), clean, store, tmp_path / "out")
    after = weights_of(out)
    before = drawn(clean, Run.read(out).classes, "pma-frozen-gate", "linear")
    gate = [name for name in after if name.startswith("readout.gate")]
    assert len(gate) == 8
    assert all(torch.equal(after[name], before[name]) for name in gate)
    assert not torch.equal(after["readout.norm.weight"], before["readout.norm.weight"])


def test_encoder_and_readout_share_the_final_norm(clean, store, tmp_path):
    after = weights_of(finetune(recipe(), clean, store, tmp_path / "out"))
    for name in ("weight", "bias"):
        assert torch.equal(after[f"readout.norm.{name}"], after[f"encoder.norm.{name}"])


def test_the_encoder_that_was_given_is_left_alone(clean, store, tmp_path):
    before = clean.info.hash
    finetune(recipe(), clean, store, tmp_path / "out")
    assert replace(clean).info.hash == before
    assert not clean.network.training


def test_a_probe_hands_over_its_weights(clean, store, probed, tmp_path):
    out = finetune(recipe(how=STILL), clean, store, tmp_path / "out", probe=probed)
    after, before = weights_of(out), load_file(probed / "classifier.safetensors")
    for name in before.keys() - {f"head.0.{each}" for each in STATISTICS}:
        assert torch.allclose(after[name], before[name], atol=1e-6), name


def test_before_training_the_scores_are_the_probes(clean, store, probed):
    _, classifier = read_probe(probed, clean)
    model = SignalClassifier(clean, classifier).eval()
    rows = np.flatnonzero(store.records["fold"].isin(SPLIT.validation))
    windows = Windows([Part(store, rows)], clean.input)
    found = predict(model, windows, crops=1, batch=12, outcome="any")
    assert np.allclose(found, scores_of(probed), atol=2e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "ppa"}, "a probe of readout pma, not ppa; choose another"),
        ({"head": "mlp"}, "a probe of head linear, not mlp"),
        ({"min_positives": 3}, "a probe of classes "),
        ({"task": "ptbxl-rhythm"}, "a probe of task ptbxl-all, not ptbxl-rhythm; classes "),
    ],
)
def test_a_probe_of_something_else_is_refused(clean, store, probed, tmp_path, changes, message):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=f"pma-linear: {message}"):
        finetune(recipe(**changes), clean, store, tmp_path / "out", probe=probed)
    assert sorted(tmp_path.iterdir()) == before


def test_a_probe_of_another_encoder_is_refused(clean, store, probed, tmp_path):
    with pytest.raises(InputError, match="a probe of another encoder than random-tiny-4"):
        finetune(recipe(), clean.randomised(4), store, tmp_path / "out", probe=probed)


def test_from_scratch_the_encoder_is_drawn_anew_and_may_be_scored_on_what_the_old_one_saw(
    clean, store, tmp_path
):
    leaky = replace(clean, pretrained_on=pretrained_on(store.records))
    with pytest.raises(InputError, match="leak: the encoder was trained on 12 records of valid"):
        finetune(recipe(), leaky, store, tmp_path / "leak", test=True)
    finetune(recipe(start="scratch", how=STILL), leaky, store, tmp_path / "out", test=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    made = load_encoder(tmp_path / "out" / "model")
    for name, value in clean.randomised(0).network.state_dict().items():
        assert torch.allclose(made.network.state_dict()[name], value, atol=1e-6)
    assert not torch.equal(made.network.separator, clean.network.separator)
    known = known_as(made.pretrained_on.records, store.records).astype(bool)
    assert known.tolist() == store.records["fold"].isin(SPLIT.train).tolist()
    run = Run.read(tmp_path / "out")
    assert (run.encoder.random, run.encoder.name) == (True, "scratch-tiny")


def test_from_scratch_no_probe_can_be_taken_up(clean, store, probed, tmp_path):
    with pytest.raises(InputError, match='pma-linear: .*leave out start = "scratch"'):
        finetune(recipe(start="scratch"), clean, store, tmp_path / "out", probe=probed)


def test_a_probe_that_was_trained_on_other_folds_is_refused(clean, store, probed, tmp_path):
    other = SPLIT.model_copy(update={"validation": SPLIT.test, "test": SPLIT.validation})
    with pytest.raises(InputError, match="a probe of another store, split or labels"):
        finetune(recipe(split=other), clean, store, tmp_path / "out", probe=probed)


def test_a_probe_of_other_labels_of_the_same_name_is_refused(clean, store, probed, tmp_path):
    other = shutil.copytree(probed, tmp_path / probed.name)
    Run.read(probed).model_copy(update={"labels": "others"}).write(other)
    with pytest.raises(InputError, match="a probe of another store, split or labels"):
        finetune(recipe(), clean, store, tmp_path / "out", probe=other)


def test_scores_of_several_crops_are_the_mean_over_windows(clean, store):
    model = SignalClassifier(clean, classifier_on(clean, "AB", "pma", "linear")).eval()
    rows = np.array([4, 0, 7])
    windows = Windows([Part(store, rows)], clean.input)
    # The middles of the three thirds of 901 places.
    with torch.inference_mode():
        each = [
            model(torch.from_numpy(store.windows(rows, clean.input, start))).sigmoid()
            for start in (150, 450, 750)
        ]
    found = predict(model, windows, crops=3, batch=2, outcome="any")
    assert np.allclose(found, torch.stack(each).mean(dim=0), atol=1e-6)
    middle = predict(model, windows, crops=1, batch=2, outcome="any")
    assert np.allclose(middle, each[1], atol=1e-6)
    assert not np.allclose(middle, found, atol=1e-6)


def test_test_folds_are_not_touched_before_they_may_be(clean, store, tmp_path):
    finetune(recipe(), clean, store, tmp_path / "first")
    assert Run.read(tmp_path / "first").test is None
    assert len(scores_of(tmp_path / "first", "test")) == 0
    finetune(recipe(), clean, store, tmp_path / "second", test=True)
    assert Run.read(tmp_path / "second").test.records == 12
    assert np.array_equal(scores_of(tmp_path / "first"), scores_of(tmp_path / "second"))


def test_a_finished_run_is_kept_until_test_folds_are_asked_for(clean, store, tmp_path):
    out, told = tmp_path / "out", []
    finetune(recipe(), clean, store, out)
    before = Run.read(out)
    slower = recipe(how={"checkpoint_every": 7})
    finetune(slower, clean, store, out, progress=lambda *said: told.append(said))
    assert (told, Run.read(out)) == ([], before)
    finetune(recipe(), clean, store, out, test=True)
    scored = Run.read(out)
    assert (scored.test.records, scored.validation) == (12, before.validation)
    finetune(recipe(), clean, store, out)
    assert Run.read(out) == scored


def test_a_run_of_another_recipe_encoder_store_or_start_is_refused(clean, store, probed, tmp_path):
    out = finetune(recipe(), clean, store, tmp_path / "out")
    before = Run.read(out)
    other = replace(store, records=store.records.assign(sha256="other " + store.records["id"]))
    for given, encoder, store_, start, key in (
        (recipe(readout="ppa"), clean, store, None, r"recipe\.readout"),
        (recipe(), clean.randomised(2), store, None, "encoder"),
        (recipe(), clean, other, None, "store"),
        (recipe(), clean, store, probed, "probe"),
    ):
        with pytest.raises(InputError, match=f"out: made from other inputs: {key} is .*, not "):
            finetune(given, encoder, store_, out, probe=start)
    assert Run.read(out) == before


def test_a_stopped_run_goes_on_bit_for_bit(clean, store, tmp_path):
    given = recipe(seeds=(3, 5))
    finetune(given, clean, store, tmp_path / "whole")
    told = []

    def stop(*said) -> None:
        told.append(said)
        if len(told) == 5:  # the second step of the second seed
            raise Stopped

    with pytest.raises(Stopped):
        finetune(given, clean, store, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out").exists()
    finetune(given, clean, store, tmp_path / "out", progress=lambda *said: told.append(said))
    assert told == [
        (f"fine-tune tiny, seed {seed}", step, 3) for seed in (3, 5) for step in (1, 2, 3)
    ]
    one, other = weights_of(tmp_path / "whole"), weights_of(tmp_path / "out")
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert np.array_equal(scores_of(tmp_path / "whole"), scores_of(tmp_path / "out"))
    assert classifiers_hash(tmp_path / "whole") == classifiers_hash(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


def stop_at_once(what: str, done: int, total: int) -> None:
    raise Stopped


def test_a_stopped_run_is_not_taken_up_by_one_of_other_origin(clean, store, probed, tmp_path):
    with pytest.raises(Stopped):
        finetune(recipe(), clean, store, tmp_path / "out", progress=stop_at_once)
    other = replace(store, records=store.records.assign(sha256="other " + store.records["id"]))
    for given, encoder, store_, start, key in (
        (recipe(start="scratch"), clean, store, None, r"recipe\.start"),
        (recipe(), clean.randomised(2), store, None, "encoder"),
        (recipe(), clean, other, None, "store"),
        (recipe(), clean, store, probed, "probe"),
    ):
        message = f"out: made from other inputs: {key} is .*; it is what a stopped job left"
        with pytest.raises(InputError, match=message):
            finetune(given, encoder, store_, tmp_path / "out", probe=start)


def test_a_start_is_the_same_by_its_weights_and_not_by_its_path(clean, store, probed, tmp_path):
    start = shutil.copytree(probed, tmp_path / "start")
    with pytest.raises(Stopped):
        finetune(recipe(), clean, store, tmp_path / "out", probe=start, progress=stop_at_once)
    weights = start / "classifier.safetensors"
    save_file({k: 0 * v for k, v in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="out: made from other inputs: probe is "):
        finetune(recipe(), clean, store, tmp_path / "out", probe=start)
    finetune(recipe(), clean, store, tmp_path / "out", probe=probed)
    assert Run.read(tmp_path / "out").hashes.probe == classifiers_hash(probed)


def test_the_classifier_of_every_seed_is_kept_and_the_firsts_is_in_the_model(
    clean, store, tmp_path
):
    out = finetune(recipe(seeds=(3, 5)), clean, store, tmp_path / "out")
    first, second = (
        load_file(out / name) for name in ("classifier.safetensors", "classifier-2.safetensors")
    )
    made = Checkpoint.load(out / "model")
    assert all(torch.equal(first[name], value) for name, value in made.rest.items())
    assert first.keys() == made.rest.keys() == second.keys()
    assert not torch.equal(first["head.1.weight"], second["head.1.weight"])
    assert made.classifier == Run.read(out).shape


def test_the_model_knows_what_it_was_trained_on(clean, store, tmp_path):
    before = store.records[store.records["fold"] == 1].assign(source="elsewhere")
    less = replace(clean, pretrained_on=pretrained_on(before))
    finetune(recipe(), less, store, tmp_path / "out")
    made = load_encoder(tmp_path / "out" / "model")
    assert set(made.pretrained_on.records["source"]) == {"elsewhere", "sim"}
    known = made.pretrained_on.known(store.records).astype(bool)
    assert known.tolist() == store.records["fold"].isin(SPLIT.train).tolist()
    assert (made.origin.start, made.origin.recipe) == ("tiny", recipe())


def test_its_run_can_be_reported(clean, store, probed, tmp_path):
    finetune(recipe(), clean, store, tmp_path / "out", probe=probed, test=True)
    page = write_report([tmp_path / "out"], tmp_path / "report")
    assert "pma" in page.read_text()


def test_a_folder_of_something_else_an_unfit_store_or_an_unknown_name_is_refused(
    clean, store, tmp_path
):
    with pytest.raises(InputError, match="exists already and does not say from what it was made"):
        finetune(recipe(), clean, store, tmp_path)
    faster = replace(clean, input=Preprocessing(500, 100))
    with pytest.raises(InputError, match="the rate is 100 Hz, not 500 Hz"):
        finetune(recipe(), faster, store, tmp_path / "out")
    for wrong, message in (
        ({"readout": "alf-tokens"}, "no readout 'alf-tokens'; there are last, ppa, "),
        ({"head": "svm"}, "no head 'svm'; there are linear, mlp"),
    ):
        with pytest.raises(InputError, match=message):
            finetune(recipe(**wrong), clean, store, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_lower_layers_learn_at_lower_rates(clean, store, tmp_path):
    """With a decay of a tenth, AdamW's first step moves every layer a tenth of the next one."""
    one = recipe(
        layer_decay=0.1,
        readout="last",
        how={"epochs": 0.01, "base_learning_rate": 1.0, "weight_decay": 0.0},
    )
    finetune(one, clean, store, tmp_path / "tuned")
    tuned = load_encoder(tmp_path / "tuned" / "model").network.state_dict()
    moved = {
        name: (tuned[name] - before).abs().max().item()
        for name, before in clean.network.state_dict().items()
    }
    rate = one.optimisation.learning_rate
    for block in range(3):
        name = f"blocks.{block}.mlp.0.weight"
        assert moved[name] == pytest.approx(rate * 0.1 ** (3 - block), rel=0.01)
    assert moved["norm.weight"] == pytest.approx(rate, rel=0.01)
    assert moved["patch_embedding.linear.weight"] == pytest.approx(rate * 0.1**4, rel=0.01)
