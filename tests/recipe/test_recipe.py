"""Recipes: what is wrong is named with its file, its key and the choices."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import myocard
from myocard.errors import InputError
from myocard.nn.objectives.masked import MIXTURES
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import READOUTS
from myocard.nn.sizes import DECODERS, encoder_shape
from myocard.pretraining.objectives import OBJECTIVES
from myocard.recipe import (
    PRESETS,
    BaselineName,
    CorpusPart,
    FinetuneRecipe,
    HeadName,
    InputSettings,
    ObjectiveName,
    Optimisation,
    PresetName,
    PretrainRecipe,
    ProbeRecipe,
    ReadoutName,
    RocketRecipe,
    Settings,
    SizeName,
    Split,
    read_baseline,
    read_recipe,
)

SOURCE = Path(myocard.__file__).parent
RECIPES = Path(__file__).parents[2] / "recipes"
KINDS = {
    "pretrain": PretrainRecipe,
    "finetune": FinetuneRecipe,
    "baseline": RocketRecipe,
}
PRETRAIN = 'name = "x"\n[[corpus]]\nstore = "a"\n'


@pytest.fixture
def read(tmp_path):
    def reading(kind, text: str):
        (tmp_path / "some.toml").write_text(text)
        return read_recipe(tmp_path / "some.toml", kind)

    return reading


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("readout = 'pma'", r"unknown key 'readout'; the keys are task, readouts"),
        ("readouts = ['lats']", r"readouts.0: input should be 'last', .* or 'layers'$"),
        ("resamples = 'many'", r"resamples: .* valid integer"),
        ("seeds = []", r"seeds: .* at least 1 item"),
        ("seeds = [0, 0]", r"seeds: each may be given once"),
        ("penalties = [-1.0]", r"penalties.0: .* greater than or equal to 0"),
        ("[optimisation]\nepochs = inf", r"optimisation.epochs: .* finite number"),
        ("optimisation.weight_decay = 0.1", r"optimisation: weight_decay must be 0; use penalties"),
        ("[split]\ntrain = [9]", r"split: a fold may serve one purpose only"),
        ("task =", r"not a readable TOML recipe"),
    ],
)
def test_what_is_wrong_with_a_probe_is_named(read, text, message):
    with pytest.raises(InputError, match=rf"some\.toml: {message}"):
        read(ProbeRecipe, f"task = 'x'\n{text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold = [1]", r"unknown key 'corpus.0.fold'; .* store, folds, code"),
        ("[watch]\nstore = 'a'\nday = 1", r"unknown key 'watch.day'; .* store, folds, code"),
        ("[optimisation]\nlr = 1", r"unknown key 'optimisation.lr'; .* epochs, warmup_epochs"),
        ("[input]\nleads = ['aVX']", r"input: unknown lead 'aVX'; the leads are I, II"),
        ("[input]\nlowpass = 60", r"input: a low-pass at 60 Hz .* below 50 Hz"),
        ("[input]\npreset = 'x'", r"input.preset: input should be 'stmem' or 'ecgsoup'"),
    ],
)
def test_what_is_wrong_with_a_pretraining_is_named(read, text, message):
    with pytest.raises(InputError, match=rf"some\.toml: {message}"):
        read(PretrainRecipe, PRETRAIN + text)


def test_layers_of_a_mean_are_for_a_mean(read):
    text = "mixture_layers = 3\n" + PRETRAIN
    with pytest.raises(InputError, match=r'mixture_layers is for mixture = "mean"'):
        read(PretrainRecipe, text)
    assert read(PretrainRecipe, 'mixture = "mean"\n' + text).mixture_layers == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = 'lstm'", r"model: input should be 'minirocket', .* or 'vit'$"),
        ("features = 84\nmodel = 's4d'", r"unknown key 'features'; the keys are task, model, size"),
        ("crops = 2", r"unknown key 'crops'; the keys are task, model, features"),
    ],
)
def test_what_is_wrong_with_a_baseline_is_named(tmp_path, text, message):
    (tmp_path / "some.toml").write_text(f"task = 'x'\n{text}")
    with pytest.raises(InputError, match=rf"some\.toml: {message}"):
        read_baseline(tmp_path / "some.toml")


def test_a_baselines_model_says_what_its_recipe_is(tmp_path):
    for name in get_args(BaselineName):
        (tmp_path / "some.toml").write_text(f"task = 'x'\nmodel = '{name}'")
        found = read_baseline(tmp_path / "some.toml")
        assert found.model == name
        assert isinstance(found, RocketRecipe) == (name == "minirocket")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'objective = "simclr"\nmixture = "mean"',
            "mixture is for a decoder, which 'simclr' has not",
        ),
        ('objective = "cmlc"\ninput = {leads = ["II"]}', "cmlc needs two leads or more"),
        ('objective = "mlae"\ninput = {leads = ["II"]}', "mlae needs two leads or more"),
        *(
            (f'objective = "{name}"\noptimisation = {{accumulate = 2}}', f"must be 1 for {name}: ")
            for name in ("simclr", "moco", "jepa")
        ),
        ('objective = "mlae"\ndecoder = "hidden"', 'decoder = "hidden" is for mae and mtae'),
        ('objective = "mea"', r"objective: input should be 'mae', .* or 'jepa'"),
    ],
)
def test_what_an_objective_cannot_do_is_named(read, text, message):
    with pytest.raises(InputError, match=message):
        read(PretrainRecipe, f"{text}\n{PRETRAIN}")


def test_what_is_missing_is_named(read):
    with pytest.raises(InputError, match=r"some\.toml: task: field required"):
        read(ProbeRecipe, "")
    with pytest.raises(InputError, match=r"corpus: .* at least 1 item"):
        read(PretrainRecipe, "name = 'x'\ncorpus = []")


def test_a_name_that_leads_out_of_its_folder_is_refused(read):
    with pytest.raises(InputError, match=r"name: string should match pattern '\^\[A-Za"):
        read(PretrainRecipe, PRETRAIN.replace("x", "../x"))


def test_every_problem_is_named_once(read):
    with pytest.raises(InputError) as error:
        read(ProbeRecipe, "heads = ['x']\ncolour = 1")
    _, *problems = str(error.value).split(": ", 1)
    named = [key for key in ("heads.0: ", "'colour'", "task: ") if key in problems[0]]
    assert len(named) == 3
    assert problems[0].count("heads") == 2  # the wrong one, and as a choice for colour


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: not a readable TOML recipe"):
        read_recipe(tmp_path / "none.toml", ProbeRecipe)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml: not a readable TOML recipe"):
        read_recipe(tmp_path / "binary.toml", ProbeRecipe)


def test_a_table_names_only_what_differs_from_the_default(read):
    found = read(PretrainRecipe, PRETRAIN + "[optimisation]\nepochs = 3").optimisation
    default = PretrainRecipe.model_fields["optimisation"].default
    assert found == default.model_copy(update={"epochs": 3.0})
    assert found.betas == (0.9, 0.95)
    probe = read(ProbeRecipe, "task = 'x'\n[optimisation]\nepochs = 3").optimisation
    assert (probe.precision, probe.weight_decay) == ("fp32", 0.0)


def test_the_defaults_of_pretraining_are_the_papers():
    found = PretrainRecipe(name="x", corpus=(CorpusPart(store=Path("a")),))
    how = found.optimisation
    assert (how.epochs, how.warmup_epochs, how.betas) == (800, 40, (0.9, 0.95))
    assert (how.weight_decay, how.base_learning_rate, found.mask_ratio) == (0.01, 1.5e-4, 0.75)
    assert how.model_copy(update={"batch": 2048}).learning_rate == pytest.approx(1.2e-3)


@given(st.permutations(range(1, 11)), st.integers(1, 3), st.integers(4, 6))
def test_folds_that_do_not_meet_are_a_split(folds, one, two):
    split = Split(
        train=tuple(folds[two:]), validation=tuple(folds[:one]), test=tuple(folds[one:two])
    )
    assert {*split.train, *split.validation, *split.test} == set(range(1, 11))


def test_names_in_recipes_are_those_of_the_parts():
    assert set(get_args(ReadoutName)) == set(READOUTS)
    assert set(get_args(HeadName)) == set(HEADS)
    assert set(get_args(PresetName)) == set(PRESETS)
    assert set(get_args(SizeName)) == set(DECODERS)
    assert set(get_args(ObjectiveName)) == set(OBJECTIVES)
    assert set(get_args(PretrainRecipe.model_fields["mixture"].annotation)) == set(MIXTURES)
    for size in get_args(SizeName):
        assert encoder_shape(size, samples=1000, patch=50).samples == 1000


def test_an_input_is_its_preset_and_what_differs(read):
    made = InputSettings(preset="stmem", lowpass=100.0, leads=("v1", "II"))
    stated = made.preprocessing()
    assert (stated.rate, stated.samples, made.patch, stated.standardise) == (
        250,
        2250,
        75,
        "record",
    )
    assert (stated.band.highpass, stated.band.lowpass, stated.leads) == (0.67, 100.0, ("V1", "II"))


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_valid_and_written_out_unchanged(path):
    kind = KINDS.get(path.name.split("-")[0], ProbeRecipe)
    recipe = read_recipe(path, kind)
    assert kind.model_validate_json(recipe.model_dump_json()) == recipe
    written = tomllib.loads(path.read_text())
    assert recipe.model_dump(mode="json", include=set(written)).keys() == written.keys()


def test_there_are_shipped_recipes():
    assert list(RECIPES.rglob("pretrain-*.toml"))


def settings_classes() -> list[type[Settings]]:
    return [Settings, *Settings.__subclasses__()]


def test_every_field_is_read_somewhere():
    texts = [path.read_text() for path in SOURCE.rglob("*.py")]
    unread = [
        f"{kind.__name__}.{name}"
        for kind in settings_classes()
        for name in kind.model_fields
        if not any(re.search(rf"\.{name}\b", text) for text in texts)
    ]
    assert unread == []


def test_settings_cannot_be_changed():
    how = Optimisation(epochs=1, base_learning_rate=1, weight_decay=0)
    with pytest.raises(ValueError, match="frozen"):
        how.epochs = 2
