"""Recipes that are shipped: valid, of registered names, and found by their own."""

import tomllib
from pathlib import Path

import pytest

import myocard
from myocard.evaluation.baselines.networks import check_name
from myocard.evaluation.probing import check_names
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import POOLED
from myocard.pretraining.objectives import check_recipe
from myocard.recipe import (
    FinetuneRecipe,
    NetworkRecipe,
    PretrainRecipe,
    ProbeRecipe,
    Settings,
    read_baseline,
    read_recipe,
)
from myocard.tasks.task import TASKS

SHIPPED = Path(myocard.__file__).parent / "recipe" / "shipped"
RECIPES = sorted(SHIPPED.rglob("*.toml"))
KINDS = {"pretrain": PretrainRecipe, "probe": ProbeRecipe, "finetune": FinetuneRecipe}
every_recipe = pytest.mark.parametrize(
    "path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def read(path: Path | str, kind: str) -> Settings:
    return read_baseline(path) if kind == "baseline" else read_recipe(path, KINDS[kind])


def kind_of(path: Path) -> str:
    """The program that a recipe is for."""
    return path.parent.name


def test_there_is_a_recipe_for_every_program():
    assert {path.parent.name for path in RECIPES} == {*KINDS, "baseline"}


@every_recipe
def test_it_is_valid_and_written_out_unchanged(path):
    recipe = read(path, kind_of(path))
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe
    written = tomllib.loads(path.read_text())
    assert recipe.model_dump(mode="json", include=set(written)).keys() == written.keys()


@every_recipe
def test_it_is_found_by_its_name(path):
    assert read(path.stem, kind_of(path)) == read(path, kind_of(path))


@every_recipe
def test_every_name_in_it_is_registered(path):
    recipe = read(path, kind_of(path))
    if isinstance(recipe, PretrainRecipe):
        check_recipe(recipe)
        return
    assert recipe.task in TASKS
    if isinstance(recipe, ProbeRecipe):
        check_names(recipe)
    if isinstance(recipe, NetworkRecipe):
        check_name(recipe)
    if isinstance(recipe, FinetuneRecipe):
        assert recipe.readout in POOLED
        assert recipe.head in HEADS


def test_a_shipped_name_stands_before_a_file_of_the_same_name(tmp_path, monkeypatch):
    (tmp_path / "plain").write_text("nothing")
    monkeypatch.chdir(tmp_path)
    assert read_recipe("plain", PretrainRecipe).name == "plain"
