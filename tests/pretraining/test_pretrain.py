"""Pretraining makes a checkpoint that knows what it has seen."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from myocard.data.batches import Windows
from myocard.data.leaks import seen
from myocard.errors import InputError
from myocard.models.checkpoint import Checkpoint
from myocard.nn.analysis.representation import effective_rank
from myocard.pretraining.pretrain import build, collapsed, describe, pretrain, select
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe
from myocard.training.loop import Diverged

TRAIN = (1, 2, 3, 4, 5, 6, 7, 8)


class Stopped(Exception):
    """As if the power had failed."""


@pytest.fixture(scope="module")
def recipe(store) -> PretrainRecipe:
    """Three steps of the smallest encoder on two leads."""
    return PretrainRecipe(
        name="nano-test",
        corpus=(CorpusPart(store=store.folder, folds=TRAIN),),
        watch=CorpusPart(store=store.folder, folds=(9,)),
        input=InputSettings(leads=("II", "V2")),
        size="nano",
        optimisation=Optimisation(
            epochs=1.5,
            batch=20,
            base_learning_rate=1e-2,
            weight_decay=0.01,
            precision="fp32",
            checkpoint_every=1,
        ),
    )


@pytest.fixture(scope="module")
def folder(recipe, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("encoders") / "made"
    pretrain(recipe, out)
    return out


@pytest.fixture(scope="module")
def made(folder) -> Checkpoint:
    return Checkpoint.load(folder)


def test_the_checkpoint_holds_encoder_decoder_log_and_origin(made, folder):
    assert (made.about["mixture"], made.about["input"]) == ("last", "ecgsoup")
    assert any(name.startswith("decoder.") for name in made.rest)
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]
    assert not folder.with_name("made.run").exists()


def test_plain_and_ipastmem_are_a_pair_if_nothing_else_sets_them_apart(made, recipe, tmp_path):
    def pretraining(name: str, **changes) -> str:
        other = recipe.model_copy(update={"name": name, "mixture": "mean"} | changes)
        return pretrain(other, tmp_path / name).about["pretraining"]

    assert pretraining("twin") == made.about["pretraining"]
    assert pretraining("other", mask_ratio=0.5) != made.about["pretraining"]
    fewer = (recipe.corpus[0].model_copy(update={"folds": TRAIN[1:]}),)
    assert pretraining("fewer", corpus=fewer) != made.about["pretraining"]


def test_its_corpus_is_the_chosen_folds_and_no_record_of_another(made, store):
    flags = seen(made.corpus, store.records)
    assert flags.astype(bool).tolist() == store.records["fold"].isin(TRAIN).tolist()
    assert set(made.corpus["source"]) == {"sim"}


def test_a_stopped_run_goes_on_bit_for_bit(made, recipe, tmp_path):
    def stop(progress) -> None:
        if progress.step == 2:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(recipe, tmp_path / "made", report=stop)
    assert not (tmp_path / "made").exists()
    assert pretrain(recipe, tmp_path / "made").key == made.key


def test_a_second_run_of_an_encoder_is_refused_and_the_first_goes_on(made, recipe, tmp_path):
    def second(progress) -> None:
        with pytest.raises(InputError, match=r"made\.run: another process is writing here"):
            pretrain(recipe, tmp_path / "made")

    assert pretrain(recipe, tmp_path / "made", report=second).key == made.key


def test_an_encoder_appears_with_its_log_and_drawing_or_not_at_all(made, recipe, tmp_path):
    out = tmp_path / "made"

    def spoil(progress) -> None:
        if progress.step == 3:
            (tmp_path / "made.run/log.jsonl").rename(tmp_path / "log.jsonl")

    with pytest.raises(FileNotFoundError):
        pretrain(recipe, out, report=spoil)
    assert {path.name for path in tmp_path.iterdir()} == {"made.run", "log.jsonl"}
    (tmp_path / "log.jsonl").rename(tmp_path / "made.run/log.jsonl")
    assert pretrain(recipe, out).key == made.key
    assert (out / "reconstruction.npz").exists()


def test_a_stopped_run_with_a_slow_copy_goes_on_bit_for_bit(recipe, tmp_path):
    def stop(progress) -> None:
        if progress.step == 2:
            raise Stopped

    four = recipe.optimisation.model_copy(update={"epochs": 0.5, "batch": 6})
    moco = recipe.model_copy(update={"objective": "moco", "optimisation": four})
    whole = pretrain(moco, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain(moco, tmp_path / "halves", report=stop)
    halves = pretrain(moco, tmp_path / "halves")
    assert halves.key == whole.key
    assert whole.rest.keys() == halves.rest.keys() > {"target_encoder.separator"}
    assert all(torch.equal(whole.rest[name], halves.rest[name]) for name in whole.rest)
    assert not torch.equal(whole.rest["target_encoder.separator"], whole.encoder.separator)
    assert not (tmp_path / "whole" / "reconstruction.npz").exists()
    loaded = Checkpoint.load(tmp_path / "whole")
    assert (loaded.key, loaded.about["objective"]) == (whole.key, "moco")
    assert all(torch.equal(loaded.rest[name], value) for name, value in whole.rest.items())


def test_the_checkpoint_and_its_card_tell_how_far_records_are_spread(made, folder, store, recipe):
    rank = made.about["effective_rank"]
    rows = np.flatnonzero(store.records["fold"].isin(TRAIN))
    windows = torch.from_numpy(store.windows(rows, recipe.input.preprocessing()))
    with torch.no_grad():
        states = made.encoder.norm(made.encoder.pooled(windows, ("II", "V2"))[:, -1])
    assert rank["value"] == pytest.approx(effective_rank(states), abs=0.01)
    assert (rank["width"], rank["records"], rank["bound"]) == (96, len(rows), 2.0)
    assert not collapsed(made)
    assert f"{rank['value']:g} of 96; below 2 is a collapse" in (folder / "README.md").read_text()


def test_a_stopped_run_is_not_taken_up_by_another_recipe_or_corpus(recipe, store, tmp_path):
    def stop(progress) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        pretrain(recipe, tmp_path / "made", report=stop)
    fewer = (CorpusPart(store=store.folder, folds=(1, 2, 3, 4, 5)),)
    for changes in ({"mixture": "mean"}, {"mask_ratio": 0.5}, {"corpus": fewer}):
        with pytest.raises(InputError, match=r"settings\.json: a run with other settings"):
            pretrain(recipe.model_copy(update=changes), tmp_path / "made")


def test_a_run_that_diverges_names_step_and_records(recipe, store, tmp_path):
    hot = recipe.optimisation.model_copy(update={"base_learning_rate": 1e38, "warmup_epochs": 0.0})
    with pytest.raises(Diverged, match=r"is (nan|inf) at step [23]; .*\(records ") as caught:
        pretrain(recipe.model_copy(update={"optimisation": hot}), tmp_path / "out")
    named = str(caught.value).split("(records ")[1].rstrip(")").split(", ")
    train = store.records[store.records["fold"].isin(TRAIN)]
    assert len(named) == hot.batch
    assert {*named} <= {*(train["source"] + " " + train["id"])}


def test_training_lowers_the_masked_loss(recipe, store):
    windows = store.windows(range(20), recipe.input.preprocessing())
    signals = torch.from_numpy(windows)
    model = build(recipe, recipe.input.preprocessing())
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    losses = []
    for _ in range(30):
        loss = model(signals, ("II", "V2")).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.95  # standardised patches have variance 1
    assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_no_more_layers_are_averaged_than_there_are(recipe):
    changes = {"mixture": "mean", "mixture_layers": 9}
    with pytest.raises(InputError, match="mixture_layers = 9: 'nano' has 8 blocks"):
        build(recipe.model_copy(update=changes), recipe.input.preprocessing())


def test_a_mean_of_fewer_layers_goes_by_no_published_name(recipe, made):
    windows = Windows([select(part) for part in recipe.corpus], made.preprocessing)
    for layers, name in ((None, "mean"), (2, None)):
        changed = recipe.model_copy(update={"mixture": "mean", "mixture_layers": layers})
        model = build(changed, made.preprocessing)
        assert describe(changed, model, made.preprocessing, windows).about["mixture"] == name


def test_the_weights_are_drawn_by_the_recipes_seed(recipe):
    stated = recipe.input.preprocessing()
    other = recipe.model_copy(
        update={"optimisation": recipe.optimisation.model_copy(update={"seed": 1})}
    )
    one, again, another = (build(r, stated).state_dict() for r in (recipe, recipe, other))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["decoder.mask_token"], another["decoder.mask_token"])


def test_the_reconstruction_shows_a_watched_record_and_keeps_what_was_visible(
    folder, recipe, store
):
    with np.load(folder / "reconstruction.npz") as file:
        drawn = dict(file)
    first = int(np.flatnonzero(store.records["fold"] == 9)[0])
    expected = store.windows([first], recipe.input.preprocessing())[0]
    assert np.array_equal(drawn["original"], expected)
    hidden = np.isnan(drawn["masked"])
    assert hidden.mean() == pytest.approx(0.75)
    assert np.array_equal(drawn["masked"][~hidden], expected[~hidden])
    assert np.array_equal(drawn["reconstruction"][~hidden], expected[~hidden])
    assert np.isfinite(drawn["reconstruction"]).all()
    assert (drawn["rate"], drawn["leads"].tolist()) == (100, ["II", "V2"])


def test_records_are_chosen_by_fold_and_code(store):
    part = select(CorpusPart(store=store.folder, folds=(1, 2), code="scp:SR"))
    chosen = store.records.iloc[part.rows]
    assert set(chosen["fold"]) == {1, 2}
    assert all("scp:SR" in codes for codes in chosen["codes"])
    wanted = store.records["fold"].isin([1, 2]) & store.records["codes"].map(
        lambda c: "scp:SR" in c
    )
    assert len(chosen) == wanted.sum()
    everything = select(CorpusPart(store=store.folder))
    assert len(everything.rows) == len(store.records)


def test_a_choice_of_no_record_is_refused(store):
    with pytest.raises(InputError, match="simulated: no record has folds .* and code scp:WPW"):
        select(CorpusPart(store=store.folder, code="scp:WPW"))


def test_an_existing_folder_is_refused(recipe, tmp_path):
    with pytest.raises(InputError, match="exists already; remove it"):
        pretrain(recipe, tmp_path)


def test_a_store_to_watch_that_is_not_there_is_refused_before_training(recipe, tmp_path):
    lost = recipe.model_copy(update={"watch": CorpusPart(store=tmp_path / "lost")})
    with pytest.raises(InputError, match="lost/store.json: not a readable store"):
        pretrain(lost, tmp_path / "made")
    assert list(tmp_path.iterdir()) == []
