"""A folder holds all of a model: saved, copied, loaded, it is the same and knows what it is."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import myocard
from myocard import Model, from_pretrained
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.preparation import prepare_folder
from myocard.encoders.merl import ViT
from myocard.encoders.published import PublishedEncoder
from myocard.encoders.vit import StackShape
from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.evaluation.finetune import finetune
from myocard.evaluation.prediction import predict
from myocard.evaluation.probing import probe
from myocard.files.manifest import altered
from myocard.models.card import model_card
from myocard.models.checkpoint import Checkpoint, load_encoder
from myocard.models.saving import save
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.simulation import write

VALUES = ("thresholds", "yes_from", "no_to")
"""Values that a decision has for each class."""
SPLIT = Split(train=(1, 2, 3, 4), validation=(5, 6, 7), test=(8, 9, 10))
HOW = {"task": "superdiagnostic", "split": SPLIT, "min_positives": 1, "resamples": 10}
QUICK = Optimisation(epochs=1, batch=12, base_learning_rate=0.05, weight_decay=0.0)
RECIPE = ProbeRecipe(
    **HOW, readouts=("pma",), heads=("linear",), seeds=(1, 0), penalties=(1e-2,), optimisation=QUICK
)


@pytest.fixture
def run(encoder, store, tmp_path) -> Path:
    """The run of a probe of the encoder in the folder ``encoder``, which saw none of its splits."""
    corpus = store.records.loc[:0, list(CORPUS_COLUMNS)]
    unseen = replace(encoder, pretrained_on=PretrainedOn(corpus.iloc[:0], ()))
    Checkpoint(unseen, {}).save(tmp_path / "encoder")
    return probed(unseen, store, tmp_path, test=True)


def probed(encoder, store, place: Path, *, test: bool = False) -> Path:
    features = extract(encoder, store, place / "features")
    return probe(features, RECIPE, place / "runs", test=test)[0].rename(place / "run")


def test_a_probes_model_is_saved_with_what_its_validation_says(run, store, tmp_path):
    saved = save(tmp_path / "encoder", run, tmp_path / "model", coverage=0.5)
    back = from_pretrained(tmp_path / "model")
    assert back.decision == saved.decision
    assert (back.shape, back.encoder.info) == (saved.shape, saved.encoder.info)
    windows = torch.randn(5, 12, 100).numpy()
    for one, other in zip(back.read(windows), saved.read(windows), strict=True):
        assert np.array_equal(one, other)
    assert altered(tmp_path / "model") == []
    table = pd.read_parquet(run / "predictions.parquet").query("split == 'validation'")
    assert back.decision.basis.splits["validation"].records == table["id"].nunique()


def test_its_card_says_of_what_and_whom_it_was_made(run, tmp_path):
    decision = save(tmp_path / "encoder", run, tmp_path / "model", coverage=0.5).decision
    card = (tmp_path / "model" / "README.md").read_text()
    train = decision.basis.splits["train"]
    for part in (
        "# superdiagnostic from tiny",
        f"sim: {train.records} records of {train.patients} patients to train",
        f"AUROC {decision.basis.score.value:.3f} [",
        "the best F1 on validation",
        "Sets hold the truth for a share 0.5",
        *(f"| {k} | {v:.4g} |" for k, v in zip(decision.classes, decision.thresholds, strict=True)),
    ):
        assert part in card
    assert "{" not in card
    about = (tmp_path / "encoder" / "README.md").read_text()
    assert (tmp_path / "model" / "encoder.md").read_text() == about


def test_a_saved_model_that_is_saved_again_is_the_same(run, tmp_path):
    save(tmp_path / "encoder", run, tmp_path / "model", sensitivity=0.9)
    from_pretrained(tmp_path / "model").save_pretrained(tmp_path / "again")
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("model", "again")
    )
    assert one.pop("inputs.json")
    assert one == other
    # As an encoder it serves as the one that it holds.
    assert load_encoder(tmp_path / "again").info == load_encoder(tmp_path / "encoder").info


def test_saving_keeps_what_is_there_and_refuses_other_settings(run, tmp_path, caplog):
    out = tmp_path / "model"
    save(tmp_path / "encoder", run, out)
    with caplog.at_level("INFO"):
        save(tmp_path / "encoder", run, out)
    assert "is there, made from the same inputs; kept" in caplog.text
    with pytest.raises(InputError, match=r"sensitivity is null, not 0\.9"):
        save(tmp_path / "encoder", run, out, sensitivity=0.9)


def test_a_decision_that_was_altered_or_lost_is_found(run, tmp_path):
    save(tmp_path / "encoder", run, tmp_path / "model")
    file = tmp_path / "model" / "decision.json"
    file.write_text(file.read_text().replace("0.", "0.0", 1))
    with pytest.raises(InputError, match=r"decision\.json: not the file that was written"):
        from_pretrained(tmp_path / "model")
    file.unlink()
    with pytest.raises(InputError, match=r"decision\.json: not a readable checkpoint"):
        from_pretrained(tmp_path / "model")


def test_decisions_of_another_models_run_are_refused(run, encoder, store, decided, tmp_path):
    with pytest.raises(InputError, match="run: a run of another model; give the folder of its own"):
        decided.decided(run)
    with pytest.raises(InputError, match="an encoder without a readout"):
        Model(encoder).decided(run)


def test_the_card_names_the_kind_of_task(decided):
    first = {name: getattr(decided.decision, name)[:1] for name in ("classes", *VALUES)}
    one = decided.decision.model_copy(update=first)
    assert "the task superdiagnostic: yes or no." in model_card("tiny", decided.shape, one, "")
    several = model_card("tiny", decided.shape, decided.decision, "")
    assert "the task superdiagnostic: any number of classes." in several


def test_a_fine_tuned_model_is_saved_with_its_run(run, store, tmp_path):
    encoder = load_encoder(tmp_path / "encoder")
    recipe = FinetuneRecipe(**HOW, head="linear", optimisation=QUICK)
    tuned = finetune(recipe, encoder, store, tmp_path / "tuned")
    save(tuned / "model", tuned, tmp_path / "model")
    windows = torch.randn(3, 12, 100).numpy()
    back, before = from_pretrained(tmp_path / "model"), from_pretrained(tuned / "model")
    assert np.array_equal(back.read(windows).scores, before.read(windows).scores)
    assert back.decision.basis.score is None
    assert "It was not scored on test records." in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(InputError, match="tiny is an encoder without a readout"):
        save(tmp_path / "encoder", tuned, tmp_path / "other")
    crops = recipe.model_copy(update={"crops": 2})
    several = finetune(crops, encoder, store, tmp_path / "several")
    with pytest.raises(InputError, match="means over windows of a record.*; train with crops = 1"):
        save(several / "model", several, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Path:
    """A folder with a published encoder's file, its probe's ``run``, and records."""
    place = tmp_path_factory.mktemp("theirs")
    torch.manual_seed(0)
    torch.save(ViT(StackShape(64, 2, 1, 128), 50, 4).state_dict(), place / "merl.pth")
    write(place / "simulated", "ptbxl", count=40)
    store = prepare_folder("ptbxl-500", place / "simulated", place / "raw", None, jobs=1)
    probed(load_encoder(place / "merl.pth"), store, place)
    return place


@pytest.fixture
def published(theirs, tmp_path) -> Path:
    """The file, with the probe's ``run`` beside it."""
    shutil.copytree(theirs / "run", tmp_path / "run")
    return Path(shutil.copy(theirs / "merl.pth", tmp_path))


def test_a_model_on_a_published_encoder_carries_its_file_and_licence(published, theirs, tmp_path):
    records = theirs / "simulated" / "records500" / "00000" / "00001_hr.hea"
    saved = save(published, tmp_path / "run", tmp_path / "model")
    predict(tmp_path / "model", [records], tmp_path / "one.csv", jobs=1)
    predict(published, [records], tmp_path / "two.csv", probe=tmp_path / "run", jobs=1)
    copy = tmp_path / "model" / "encoder" / "merl.pth"
    assert copy.read_bytes() == published.read_bytes()
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Licence of the code: MIT; of the weights: not stated apart from the code's" in card
    published.unlink()
    shutil.rmtree(tmp_path / "run")
    shutil.move(tmp_path / "model", tmp_path / "moved")
    predict(tmp_path / "moved", [records], tmp_path / "three.csv", jobs=1)
    contents = {(tmp_path / f"{name}.csv").read_bytes() for name in ("one", "two", "three")}
    assert len(contents) == 1
    back = from_pretrained(tmp_path / "moved")
    assert isinstance(back.encoder, PublishedEncoder)
    assert (back.encoder.info, back.decision) == (saved.encoder.info, saved.decision)
    assert load_encoder(tmp_path / "moved").info == saved.encoder.info
    back.save_pretrained(tmp_path / "again")
    assert from_pretrained(tmp_path / "again").decision == saved.decision


def test_a_published_encoder_of_other_weights_in_the_folder_is_refused(published, tmp_path):
    save(published, tmp_path / "run", tmp_path / "model")
    torch.save(ViT(StackShape(64, 2, 1, 128), 50, 4).state_dict(), published)
    shutil.copy(published, tmp_path / "model" / "encoder")
    with pytest.raises(InputError, match="model: holds another encoder than it was made with; sav"):
        from_pretrained(tmp_path / "model")
    stated = json.loads((tmp_path / "model" / "model.json").read_text())
    (tmp_path / "model" / "model.json").write_text(json.dumps(stated | {"encoder": "0"}))
    with pytest.raises(InputError, match=r"model\.json: not the file that was written"):
        from_pretrained(tmp_path / "model")


def test_a_file_that_changed_since_it_was_opened_is_not_saved(published, tmp_path):
    model = from_pretrained(published, probe=tmp_path / "run")
    torch.save(ViT(StackShape(64, 2, 1, 128), 50, 4).state_dict(), published)
    with pytest.raises(InputError, match="holds another encoder than it was made with"):
        model.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_encoder_of_which_there_is_no_file_is_not_saved(published, tmp_path):
    model = from_pretrained(published, probe=tmp_path / "run")
    with pytest.raises(InputError, match="merl-vit: was made by code and not read from a file"):
        replace(model, place=None).save_pretrained(tmp_path / "model")


def test_a_folder_of_something_else_is_not_written_over(decided, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="other: exists and is no checkpoint; choose another"):
        decided.save_pretrained(tmp_path / "other")
    decided.save_pretrained(tmp_path / "model")
    myocard.from_pretrained().save_pretrained(tmp_path / "model")
    assert from_pretrained(tmp_path / "model").decision is None
