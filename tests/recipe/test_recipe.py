"""Recipes: what is wrong is named with its file, its key and the choices."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import myocard
from myocard.errors import InputError
from myocard.nn.encoder import EncoderShape
from myocard.nn.sizes import SIZES
from myocard.recipe import (
    PRESETS,
    CorpusPart,
    FinetuneRecipe,
    InputSettings,
    NetworkRecipe,
    Optimisation,
    PretrainRecipe,
    ProbeRecipe,
    RocketRecipe,
    Settings,
    Split,
    read_baseline,
    read_input,
    read_recipe,
    without_pace,
)
from myocard.recipe.settings import merged

SOURCE = Path(myocard.__file__).parent
PRETRAIN = 'name = "x"\n[[corpus]]\nstore = "a"\n'


@pytest.fixture
def read(tmp_path):
    def reading(kind, text: str, changes=()):
        (tmp_path / "some.toml").write_text(text)
        return read_recipe(tmp_path / "some.toml", kind, changes)

    return reading


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("readout = 'pma'", r"unknown key 'readout'; the keys are task, .*readouts"),
        (
            "batch = 2",
            r"unknown key 'batch'; optimisation\.batch is one; the keys are task, .*readouts",
        ),
        ("readouts = []", r"readouts: .* at least 1 item"),
        ("readouts = ['last', 'last']", r"readouts: each may be given once"),
        ("resamples = 'many'", r"resamples: .* valid integer"),
        ("seeds = []", r"seeds: .* at least 1 item"),
        ("seeds = [0, 0]", r"seeds: each may be given once"),
        ("penalties = [-1.0]", r"penalties.0: .* greater than or equal to 0"),
        ("fraction = 0", r"fraction: .* greater than 0"),
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
        ("[input]\npreset = 'x'", r"input.preset: no 'x'; there are stmem, ecgsoup$"),
    ],
)
def test_what_is_wrong_with_a_pretraining_is_named(read, text, message):
    with pytest.raises(InputError, match=rf"some\.toml: {message}"):
        read(PretrainRecipe, PRETRAIN + text)


def test_an_unknown_size_lists_the_choices(read):
    with pytest.raises(InputError, match=r"some\.toml: size: no 'huge'; there are nano, tiny, "):
        read(PretrainRecipe, 'size = "huge"\n' + PRETRAIN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("features = 84\nmodel = 's4d'", r"unknown key 'features'; the keys are task, .*model, si"),
        ("crops = 2", r"unknown key 'crops'; the keys are task, .*model, features"),
        ("features = 83", r"features: .* greater than or equal to 84"),
    ],
)
def test_what_is_wrong_with_a_baseline_is_named(tmp_path, text, message):
    (tmp_path / "some.toml").write_text(f"task = 'x'\n{text}")
    with pytest.raises(InputError, match=rf"some\.toml: {message}"):
        read_baseline(tmp_path / "some.toml")


@pytest.mark.parametrize("name", ["minirocket", "s4d", "vit", "xresnet1d101"])
def test_a_baselines_model_says_what_its_recipe_is(tmp_path, name):
    (tmp_path / "some.toml").write_text(f"task = 'x'\nmodel = '{name}'")
    found = read_baseline(tmp_path / "some.toml")
    assert found.model == name
    assert type(found) is (RocketRecipe if name == "minirocket" else NetworkRecipe)


def test_a_baseline_that_names_no_model_is_minirocket(tmp_path):
    (tmp_path / "some.toml").write_text("task = 'x'")
    assert read_baseline(tmp_path / "some.toml") == RocketRecipe(task="x")


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
        read(ProbeRecipe, "heads = [1]\ncolour = 1")
    _, *problems = str(error.value).split(": ", 1)
    named = [key for key in ("heads.0: ", "'colour'", "task: ") if key in problems[0]]
    assert len(named) == 3
    assert problems[0].count("heads") == 2  # the wrong one, and as a choice for colour


def test_a_missing_recipe_lists_those_that_are_shipped(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such recipe; shipped are all, rhythms, "):
        read_recipe(tmp_path / "none.toml", ProbeRecipe)
    with pytest.raises(InputError, match=r"none: no such recipe; shipped are ipastmem, .*plain$"):
        read_recipe("none", PretrainRecipe)
    with pytest.raises(InputError, match=r"none: no such recipe; shipped are minirocket$"):
        read_baseline("none")


def test_the_folder_of_a_task_is_a_recipe_of_probes_alone(tmp_path):
    told = rf"a folder; name a recipe \(superclasses, .*--set 'task = \"{tmp_path}\"'"
    with pytest.raises(InputError, match=told):
        read_recipe(tmp_path, FinetuneRecipe)
    with pytest.raises(InputError, match=r"a folder; name a recipe \(minirocket, or a file\), and"):
        read_baseline(tmp_path)


def test_a_binary_file_is_named(tmp_path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml: not a readable TOML recipe"):
        read_recipe(tmp_path / "binary.toml", ProbeRecipe)


def test_changes_are_put_over_what_the_file_says(read):
    text = "task = 'x'\nseeds = [4]\n[optimisation]\nepochs = 3"
    found = read(ProbeRecipe, text, ["optimisation.batch = 8", "task = 'y'", "seeds=[1, 2]"])
    assert (found.task, found.seeds) == ("y", (1, 2))
    assert (found.optimisation.epochs, found.optimisation.batch) == (3, 8)


def test_a_change_of_another_form_is_named(read):
    with pytest.raises(InputError, match=r"'epochs': not of the form key = value in TOML"):
        read(ProbeRecipe, "task = 'x'", ["epochs"])
    with pytest.raises(
        InputError, match=r"some\.toml with --set 'colour = 1': unknown key 'colour'"
    ):
        read(ProbeRecipe, "task = 'x'", ["colour = 1"])


def test_tables_are_merged_key_by_key_and_neither_is_changed():
    base, over = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}, {"a": {"c": {"f": 4}}, "e": {"g": 5}}
    assert merged(base, over) == {"a": {"b": 1, "c": {"d": 2, "f": 4}}, "e": {"g": 5}}
    assert base == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    assert over == {"a": {"c": {"f": 4}}, "e": {"g": 5}}


def test_a_table_names_only_what_differs_from_the_default(read):
    found = read(PretrainRecipe, PRETRAIN + "[optimisation]\nepochs = 3").optimisation
    default = PretrainRecipe.model_fields["optimisation"].default
    assert found == default.model_copy(update={"epochs": 3.0})
    assert found.betas == (0.9, 0.95)
    probe = read(ProbeRecipe, "task = 'x'\n[optimisation]\nepochs = 3").optimisation
    assert (probe.precision, probe.weight_decay) == ("fp32", 0.0)


def test_the_defaults_of_pretraining_are_the_papers():
    found = PretrainRecipe(name="x", corpus=(CorpusPart(),))
    how = found.optimisation
    assert (how.epochs, how.warmup_epochs, how.betas) == (800, 40, (0.9, 0.95))
    assert (how.weight_decay, how.base_learning_rate, found.mask_ratio) == (0.01, 1.5e-4, 0.75)
    assert how.model_copy(update={"batch": 2048}).learning_rate == pytest.approx(1.2e-3)


def test_forward_passes_of_one_step_count_together_for_the_learning_rate():
    how = Optimisation(epochs=1, base_learning_rate=1e-3, weight_decay=0, batch=64, accumulate=8)
    assert how.learning_rate == pytest.approx(2e-3)


@given(st.permutations(range(1, 11)), st.integers(1, 3), st.integers(4, 6))
def test_folds_that_are_disjoint_are_a_split(folds, one, two):
    split = Split(
        train=tuple(folds[two:]), validation=tuple(folds[:one]), test=tuple(folds[one:two])
    )
    assert {*split.train, *split.validation, *split.test} == set(range(1, 11))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_size_is_an_encoder_of_every_preset(size, preset):
    recipe = PretrainRecipe(
        name="x", corpus=(CorpusPart(),), size=size, input=InputSettings(preset=preset)
    )
    stated = recipe.input.preprocessing()
    shape = EncoderShape.of_size(size, samples=stated.samples, patch=recipe.input.patch)
    assert shape.samples % shape.patch == 0
    assert shape.width % shape.heads == 0


def test_an_input_is_its_preset_and_what_differs():
    made = InputSettings(preset="stmem", lowpass=100.0, leads=("v1", "II"))
    stated = made.preprocessing()
    assert (stated.rate, stated.samples, made.patch, stated.standardise) == (
        250,
        2250,
        75,
        "record",
    )
    assert (stated.band.highpass, stated.band.lowpass, stated.leads) == (0.67, 100.0, ("V1", "II"))


def test_the_input_of_an_encoder_is_read_from_its_recipe(tmp_path):
    path = tmp_path / "some.toml"
    path.write_text(PRETRAIN + "[input]\npreset = 'stmem'\nleads = ['II']")
    assert read_input(path) == InputSettings(preset="stmem", leads=("II",)).preprocessing()
    path.write_text(PRETRAIN)
    assert read_input(path) == InputSettings().preprocessing()
    path.write_text(PRETRAIN + "[input]\npreset = 'x'")
    with pytest.raises(InputError, match=r"some\.toml: input: preset: no 'x'; there are stmem"):
        read_input(path)
    with pytest.raises(InputError, match="give the folder of a checkpoint, or a recipe"):
        read_input(tmp_path)


def test_settings_that_change_no_number_are_no_inputs():
    base = ProbeRecipe(task="x")
    settings = without_pace(base.model_dump(mode="json"))
    pace = {"checkpoint_every": 7, "workers": 3}
    hurried = base.model_copy(
        update={"optimisation": base.optimisation.model_copy(update=pace)}
    ).model_dump(mode="json")
    assert without_pace(hurried) == settings
    slower = base.model_copy(
        update={"optimisation": base.optimisation.model_copy(update={"batch": 7})}
    ).model_dump(mode="json")
    assert without_pace(slower) != settings
    rocket = RocketRecipe(task="x").model_dump(mode="json")
    assert without_pace(rocket) == rocket


def test_the_recipe_of_one_readout_under_one_head_has_all_else_of_the_whole():
    whole = ProbeRecipe(task="x", seeds=(7,), fraction=0.1)
    alone = whole.alone("pma", "mlp")
    assert (alone.readouts, alone.heads) == (("pma",), ("mlp",))
    same = {"readouts", "heads"}
    assert alone.model_dump(exclude=same) == whole.model_dump(exclude=same)


def settings_classes(kind: type[Settings] = Settings) -> Iterator[type[Settings]]:
    yield kind
    for each in kind.__subclasses__():
        yield from settings_classes(each)


def test_every_field_is_read_somewhere():
    texts = [path.read_text() for path in SOURCE.rglob("*.py")]
    kinds = set(settings_classes())
    assert {PretrainRecipe, FinetuneRecipe, ProbeRecipe, RocketRecipe, NetworkRecipe} <= kinds
    unread = [
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name in kind.model_fields
        if not any(re.search(rf"\.{name}\b", text) for text in texts)
    ]
    assert unread == []


def test_settings_cannot_be_changed():
    how = Optimisation(epochs=1, base_learning_rate=1, weight_decay=0)
    with pytest.raises(ValueError, match="frozen"):
        how.epochs = 2


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path):
    (tmp_path / "r.toml").write_text(PRETRAIN, encoding="utf-8-sig")
    assert read_recipe(tmp_path / "r.toml", PretrainRecipe).name == "x"


@pytest.mark.parametrize(
    ("records", "batch"), [(1, 64), (1_624, 64), (1_625, 65), (12_799, 511), (1_000_000, 512)]
)
def test_a_batch_of_pooled_states_leaves_25_steps_an_epoch(records, batch):
    settings = ProbeRecipe(task="any").optimisation_of(records)
    assert settings.batch == batch
    assert settings.learning_rate == pytest.approx(2e-3 * (batch / 64) ** 0.5)


def test_a_step_of_several_passes_leaves_25_steps_an_epoch():
    how = ProbeRecipe(task="any").optimisation.model_copy(update={"accumulate": 4})
    assert ProbeRecipe(task="any", optimisation=how).optimisation_of(10_000).batch == 100
    assert ProbeRecipe(task="any", optimisation=how).optimisation_of(1_000_000).batch == 128


def test_a_batch_that_was_stated_is_not_made_smaller():
    how = ProbeRecipe(task="any").optimisation.model_copy(update={"batch": 1024})
    assert ProbeRecipe(task="any", optimisation=how).optimisation_of(100).batch == 1024
