"""Pretraining makes a checkpoint that knows the records that it was trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from myocard.data.batches import Windows
from myocard.data.store import Store
from myocard.encoders.protocol import pooled_states
from myocard.errors import InputError
from myocard.files.atomic import work_folder
from myocard.files.manifest import altered
from myocard.models.checkpoint import Checkpoint
from myocard.nn.analysis.representation import effective_rank
from myocard.pretraining.pretrain import build, describe, pretrain, select, select_all
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe
from myocard.training.loop import Diverged

TRAIN = (1, 2, 3, 4, 5, 6, 7, 8)


class Stopped(Exception):
    """A power failure."""


def stop_at(step: int):
    def report(what: str, done: int, total: int) -> None:
        if done == step:
            raise Stopped

    return report


@pytest.fixture(scope="module")
def recipe() -> PretrainRecipe:
    """Three steps of the smallest encoder on two leads."""
    return PretrainRecipe(
        name="nano-test",
        corpus=(CorpusPart(folds=TRAIN),),
        watch=CorpusPart(folds=(9,)),
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
def stores(store) -> dict[str, Store]:
    return {"some": store}


@pytest.fixture(scope="module")
def folder(recipe, stores, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("encoders") / "made"
    pretrain(recipe, stores, out)
    return out


@pytest.fixture(scope="module")
def made(folder) -> Checkpoint:
    return Checkpoint.load(folder)


def changed(recipe: PretrainRecipe, **changes) -> PretrainRecipe:
    """The recipe with other settings; those of the optimisation by their own names."""
    own = {k: v for k, v in changes.items() if k in Optimisation.model_fields}
    others = {k: v for k, v in changes.items() if k not in own}
    optimisation = recipe.optimisation.model_copy(update=own)
    return recipe.model_copy(update=others | {"optimisation": optimisation})


def test_the_checkpoint_holds_encoder_decoder_log_and_origin(made, folder, recipe, store):
    origin = made.encoder.origin
    assert (origin.mixture, origin.preset, origin.seed) == ("last", "ecgsoup", 0)
    assert (origin.recipe, origin.random) == (recipe, False)
    assert origin.stores == {str(store.folder): store.key}
    assert any(name.startswith("decoder.") for name in made.rest)
    assert made.classifier is None
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]
    assert [path.name for path in folder.parent.iterdir()] == ["made"]


@pytest.mark.parametrize("name", ["log.jsonl", "reconstruction.npz", "inputs.json"])
def test_an_altered_file_beside_the_encoder_is_noticed(folder, name):
    assert altered(folder) == []
    kept = (folder / name).read_bytes()
    (folder / name).write_bytes(kept + b" ")
    (told,) = altered(folder)
    (folder / name).write_bytes(kept)
    assert f"{name}: not the file that was written" in told


def test_progress_tells_every_step(recipe, stores, tmp_path):
    told = []
    pretrain(recipe, stores, tmp_path / "out", progress=lambda *step: told.append(step))
    assert told == [("pretrain nano-test", step, 3) for step in (1, 2, 3)]


def test_plain_and_ipastmem_are_a_pair_if_nothing_else_sets_them_apart(
    made, recipe, stores, tmp_path
):
    def pretraining(name: str, **changes) -> str:
        other = changed(recipe, **{"name": name, "mixture": "mean"} | changes)
        return pretrain(other, stores, tmp_path / name).encoder.info.pretraining

    own = made.encoder.info.pretraining
    assert pretraining("twin") == own
    assert pretraining("other", mask_ratio=0.5) != own
    fewer = (recipe.corpus[0].model_copy(update={"folds": TRAIN[1:]}),)
    assert pretraining("fewer", corpus=fewer) != own


def test_its_corpus_is_the_chosen_folds_and_no_record_of_another(made, store):
    pretrained_on = made.encoder.pretrained_on
    known = pretrained_on.known(store.records)
    assert known.astype(bool).tolist() == store.records["fold"].isin(TRAIN).tolist()
    assert (pretrained_on.datasets, pretrained_on.leak_check) == (("sim",), "records")
    assert made.encoder.info.sources == {"sim": len(pretrained_on.records)}


def test_a_stopped_run_goes_on_bit_for_bit(made, recipe, stores, tmp_path):
    with pytest.raises(Stopped):
        pretrain(recipe, stores, tmp_path / "made", progress=stop_at(2))
    assert not (tmp_path / "made").exists()
    told = []
    again = pretrain(
        recipe, stores, tmp_path / "made", progress=lambda what, done, total: told.append(done)
    )
    assert told == [3]
    assert again.encoder.info.hash == made.encoder.info.hash


def test_a_second_run_of_an_encoder_is_refused_and_the_first_goes_on(
    made, recipe, stores, tmp_path
):
    def second(what: str, done: int, total: int) -> None:
        with pytest.raises(InputError, match=r"made: another process is writing here"):
            pretrain(recipe, stores, tmp_path / "made")

    first = pretrain(recipe, stores, tmp_path / "made", progress=second)
    assert first.encoder.info.hash == made.encoder.info.hash


def test_an_encoder_appears_with_its_log_and_drawing_or_not_at_all(made, recipe, stores, tmp_path):
    out, log = tmp_path / "made", work_folder(tmp_path / "made") / "log.jsonl"

    def spoil(what: str, done: int, total: int) -> None:
        if done == 3:
            log.rename(tmp_path / "log.jsonl")

    with pytest.raises(FileNotFoundError):
        pretrain(recipe, stores, out, progress=spoil)
    assert {path.name for path in tmp_path.iterdir()} == {work_folder(out).name, "log.jsonl"}
    (tmp_path / "log.jsonl").rename(log)
    assert pretrain(recipe, stores, out).encoder.info.hash == made.encoder.info.hash
    assert (out / "reconstruction.npz").exists()


def test_a_stopped_run_with_a_slow_copy_goes_on_bit_for_bit(recipe, stores, tmp_path):
    moco = changed(recipe, objective="moco", epochs=0.5, batch=6)
    whole = pretrain(moco, stores, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain(moco, stores, tmp_path / "halves", progress=stop_at(2))
    halves = pretrain(moco, stores, tmp_path / "halves")
    assert halves.encoder.info.hash == whole.encoder.info.hash
    assert whole.rest.keys() == halves.rest.keys() > {"target_encoder.separator"}
    assert all(torch.equal(whole.rest[name], halves.rest[name]) for name in whole.rest)
    separator = whole.encoder.network.separator
    assert not torch.equal(whole.rest["target_encoder.separator"], separator)
    assert not (tmp_path / "whole" / "reconstruction.npz").exists()
    loaded = Checkpoint.load(tmp_path / "whole")
    assert loaded.encoder.info == whole.encoder.info
    assert loaded.encoder.origin.recipe.objective == "moco"
    assert loaded.encoder.info.mixture is None
    assert all(torch.equal(loaded.rest[name], value) for name, value in whole.rest.items())


def test_the_checkpoint_and_its_card_tell_how_far_records_are_spread(made, folder, store, recipe):
    rank = made.encoder.origin.effective_rank
    rows = np.flatnonzero(store.records["fold"].isin(TRAIN))
    windows = torch.from_numpy(store.windows(rows, recipe.input.preprocessing()))
    with torch.no_grad():
        states = made.encoder.norm(pooled_states(made.encoder, windows)[:, -1])
    assert rank.value == pytest.approx(effective_rank(states), abs=0.01)
    assert (rank.width, rank.records, rank.bound) == (96, len(rows), 2.0)
    assert not rank.collapsed
    assert rank.model_copy(update={"value": 1.9}).collapsed
    assert f"{rank.value:g} of 96; below 2 is a collapse" in (folder / "README.md").read_text()


FEWER = (CorpusPart(folds=(1, 2, 3, 4, 5)),)
OTHERS = [
    ({"mixture": "mean"}, 'recipe.mixture is "last", not "mean"'),
    ({"mask_ratio": 0.5}, "recipe.mask_ratio is 0.75, not 0.5"),
    ({"name": "other"}, 'recipe.name is "nano-test", not "other"'),
    ({"corpus": FEWER}, "corpus is .*, not "),
    ({"epochs": 2.0}, "recipe.optimisation.epochs is 1.5, not 2.0"),
    ({"seed": 1}, "recipe.optimisation.seed is 0, not 1"),
    ({"weight_decay": 0.02}, "recipe.optimisation.weight_decay is 0.01, not 0.02"),
    ({"base_learning_rate": 0.5}, "recipe.optimisation.base_learning_rate is 0.01, not 0.5"),
]


@pytest.mark.parametrize(("changes", "told"), OTHERS, ids=[str([*c]) for c, _ in OTHERS])
def test_an_encoder_by_another_recipe_or_of_another_corpus_is_refused(
    folder, recipe, stores, changes, told
):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(InputError, match=f"made: made from other inputs: {told}.*; choose another"):
        pretrain(changed(recipe, **changes), stores, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_stopped_run_is_not_taken_up_by_another_recipe_or_corpus(recipe, stores, tmp_path):
    with pytest.raises(Stopped):
        pretrain(recipe, stores, tmp_path / "made", progress=stop_at(1))
    for changes, told in OTHERS:
        with pytest.raises(InputError, match=f"{told}.*; it is what a stopped job left; remove"):
            pretrain(changed(recipe, **changes), stores, tmp_path / "made")


def test_an_encoder_of_records_that_were_prepared_otherwise_is_refused(folder, recipe, store):
    other = replace(store, records=store.records.assign(site="elsewhere"))
    with pytest.raises(InputError, match="made: made from other inputs: corpus is"):
        pretrain(recipe, {"some": other}, folder)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"workers": 2},
        {"checkpoint_every": 7},
        {"watch": None},
        {"watch": CorpusPart(folds=(10,))},
        {"corpus": (CorpusPart(store="again", folds=TRAIN),)},
    ],
    ids=str,
)
def test_an_encoder_by_the_same_recipe_is_kept_whatever_the_pace_and_names(
    made, folder, recipe, store, changes
):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    told = []
    again = pretrain(
        changed(recipe, **changes), {"again": store}, folder, progress=lambda *s: told.append(s)
    )
    assert again.encoder.info == made.encoder.info
    assert told == []
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_run_that_diverges_names_step_and_records(recipe, store, stores, tmp_path):
    hot = changed(recipe, base_learning_rate=1e38, warmup_epochs=0.0)
    with pytest.raises(Diverged, match=r"is (nan|inf) at step [23]; .*\(records ") as caught:
        pretrain(hot, stores, tmp_path / "out")
    named = str(caught.value).split("(records ")[1].rstrip(")").split(", ")
    train = store.records[store.records["fold"].isin(TRAIN)]
    assert len(named) == hot.optimisation.batch
    assert {*named} <= {*(train["source"] + " " + train["id"])}


def test_training_lowers_the_masked_loss(recipe, store):
    windows = store.windows(range(20), recipe.input.preprocessing())
    signals = torch.from_numpy(windows)
    model = build(recipe)
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


def test_settings_that_do_not_go_together_are_refused_before_anything_is_made(
    recipe, stores, tmp_path
):
    for changes, told in (
        ({"mixture": "mean", "mixture_layers": 9}, "mixture_layers = 9: 'nano' has 8 blocks"),
        ({"objective": "best"}, "no objective 'best'; there are mae, mtae"),
    ):
        with pytest.raises(InputError, match=told):
            pretrain(changed(recipe, **changes), stores, tmp_path / "made")
    assert not [*tmp_path.iterdir()]


def test_a_mean_of_fewer_layers_goes_by_no_published_name(recipe, stores):
    windows = Windows(
        [part for _, part in select_all(recipe.corpus, stores)], recipe.input.preprocessing()
    )
    for layers, name in ((None, "mean"), (2, None)):
        other = changed(recipe, mixture="mean", mixture_layers=layers)
        assert describe(other, build(other), windows).encoder.info.mixture == name


def test_the_weights_are_drawn_by_the_recipes_seed_and_by_no_other_number(recipe):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    one, again, another = (build(r).state_dict() for r in (recipe, recipe, changed(recipe, seed=1)))
    assert torch.equal(torch.rand(3), expected)
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
    part = select(CorpusPart(folds=(1, 2), code="scp:SR"), store)
    chosen = store.records.iloc[part.rows]
    assert set(chosen["fold"]) == {1, 2}
    assert all("scp:SR" in codes for codes in chosen["codes"])
    wanted = store.records["fold"].isin([1, 2]) & store.records["codes"].map(
        lambda c: "scp:SR" in c
    )
    assert len(chosen) == wanted.sum()
    everything = select(CorpusPart(), store)
    assert len(everything.rows) == len(store.records)


def test_a_choice_of_no_record_is_refused(store):
    with pytest.raises(InputError, match="simulated: no record has folds .* and code scp:WPW"):
        select(CorpusPart(code="scp:WPW"), store)


def test_a_part_that_names_a_store_is_of_it_and_one_that_names_none_is_of_all(store):
    two = {"one": store, "other": replace(store)}
    named, unnamed = CorpusPart(store="other", folds=(1,)), CorpusPart(folds=(2,))
    found = [(part, records.store) for part, records in select_all([named, unnamed], two)]
    assert found == [(named, two["other"]), (unnamed, two["one"]), (unnamed, two["other"])]


@pytest.mark.parametrize("place", ["corpus", "watch"])
def test_a_store_that_is_not_given_is_named_before_training(recipe, stores, tmp_path, place):
    lost = CorpusPart(store="lost")
    other = changed(recipe, **{place: (lost,) if place == "corpus" else lost})
    told = "names a store 'lost', and given are some; add --store lost=FOLDER"
    with pytest.raises(InputError, match=told):
        pretrain(other, stores, tmp_path / "made", progress=stop_at(1))
    assert not [*tmp_path.iterdir()]


def test_a_recipe_for_any_store_wants_one(recipe, tmp_path):
    with pytest.raises(InputError, match="no store is given to pretrain on; add --store FOLDER"):
        pretrain(recipe, {}, tmp_path / "made")


def test_a_store_that_does_not_give_what_the_encoder_expects_is_refused(recipe, stores, tmp_path):
    other = changed(recipe, input=InputSettings(preset="stmem"))
    with pytest.raises(InputError, match="does not meet the encoder's input: the rate is 100 Hz"):
        pretrain(other, stores, tmp_path / "made")
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_does_not_say_how_it_was_made_is_refused(recipe, stores, tmp_path):
    with pytest.raises(InputError, match="exists already and does not say from what it was made"):
        pretrain(recipe, stores, tmp_path)
    assert not [*tmp_path.iterdir()]
