"""A benchmark's file: every trial once, and what is wrong is said before anything is trained."""

import shutil
from itertools import product
from pathlib import Path

import pytest

from myocard.benchmark.reading import read_grid, shipped
from myocard.benchmark.run import benchmark
from myocard.data.store import FILES, Store
from myocard.errors import InputError
from myocard.files.manifest import STORE

GRID = """
[stores.one]
source = "ptbxl-100"
simulate = { records = 100 }

[stores.two]
source = "ptbxl-100"
folder = "$NOWHERE/two"

[[encoders]]
name = "mine"
corpus = [{ store = "one", folds = [1, 2, 3] }]

[probing]
readouts = ["last", "pma"]
optimisation = { epochs = 3 }

[[sweeps]]
store = "one"
tasks = ["ptbxl-all", "ptbxl-rhythm"]
fractions = [0.1, 1.0]
lead_sets = ["12", "II"]
"""
TOKENS = """
[[token_probes]]
store = "one"
tasks = ["ptbxl-all", "ptbxl-rhythm"]
probing = { readouts = ["alf-leads"], seeds = [5] }
"""
AGAIN = """
[[sweeps]]
store = "one"
tasks = ["ptbxl-all"]
encoders = ["mine"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def test_a_sweep_is_every_combination_once(file: Path) -> None:
    trials = read_grid(str(file)).trials(["mine", "random"])
    assert len({trial.name for trial in trials}) == len(trials) == 2**6
    combinations = {
        (t.condition.encoder, t.condition.lead_set, t.recipe.task, t.recipe.fraction,
         *t.recipe.readouts, *t.recipe.heads)
        for t in trials
    }  # fmt: skip
    axes = (
        ("mine", "random"), ("12", "II"), ("ptbxl-all", "ptbxl-rhythm"), (0.1, 1.0),
        ("last", "pma"), ("linear", "mlp"),
    )  # fmt: skip
    assert combinations == set(product(*axes))
    assert {t.recipe.optimisation.epochs for t in trials} == {3}


def test_a_trial_that_two_sweeps_ask_for_is_one(file: Path) -> None:
    once = len(read_grid(str(file)).trials(["mine"]))
    file.write_text(GRID + AGAIN)
    assert len(read_grid(str(file)).trials(["mine"])) == once
    file.write_text(GRID + AGAIN + "probing = { seeds = [7] }")
    with pytest.raises(InputError, match="different settings"):
        read_grid(str(file)).trials(["mine"])


def test_tasks_on_tokens_share_an_encoders_passes(file: Path) -> None:
    file.write_text(GRID + TOKENS)
    trials = read_grid(str(file)).token_trials(["mine", "random"])
    assert [trial.condition.encoder for trial in trials] == ["mine", "random"]
    for trial in trials:
        assert [recipe.task for recipe in trial.recipes] == ["ptbxl-all", "ptbxl-rhythm"]
        assert {(r.readouts, r.seeds) for r in trial.recipes} == {(("alf-leads",), (5,))}
        assert trial.place == Path("one/leads-12/labels-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("probing = {readouts = ['alf']}", "token_probes: readouts.0: input should be"),
        ("store = 'three'", "no store 'three'"),
        ("probing = {split = {train = [1], validation = [2], test = [3]}}", r"leak.*\[2, 3\]"),
    ],
)
def test_what_is_wrong_with_probes_of_tokens_is_named(
    file: Path, change: str, message: str
) -> None:
    lines = [line for line in TOKENS.splitlines() if line.split(" =")[0] not in change[:8]]
    file.write_text(GRID + "\n".join([*lines, change]))
    with pytest.raises(InputError, match=message):
        read_grid(str(file))


def test_a_baseline_that_is_asked_for_twice_is_one(file: Path) -> None:
    asked = """
    [[baselines]]
    store = "two"
    tasks = ["ptbxl-all", "ptbxl-rhythm"]
    fractions = [0.1, 1.0]
    recipe = { model = "vit" }
    """
    file.write_text(GRID + asked + asked)
    found = read_grid(str(file)).baselines
    assert len({baseline.place for baseline in found}) == len(found) == 4
    assert {baseline.recipe.fraction for baseline in found} == {0.1, 1.0}
    (alike, *_) = read_grid(str(file), ["probing.min_positives = 7"]).baselines
    assert alike.recipe.min_positives == 7
    file.write_text(GRID + asked + asked.replace('"vit"', '"vit", size = "small"'))
    with pytest.raises(InputError, match="two baselines for two/baselines/labels-0.1/ptbxl-all/"):
        read_grid(str(file))


def test_changes_go_over_the_file_table_by_table(file: Path) -> None:
    grid = read_grid(str(file), ["probing.optimisation.epochs = 9", "stores.one.simulate.seed = 4"])
    assert grid.sweeps[0][1][0].optimisation.epochs == 9
    assert grid.stores["one"].simulate.seed == 4  # type: ignore[union-attr]
    assert grid.stores["one"].simulate.records == 100  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sweeps = []", "sweeps"),
        ("stores.one.folder = 'x'", "either folder or simulate"),
        ("probing.readouts = ['lats']", "should be 'last'"),
        ("probing.lerning = 1", "unknown key 'lerning'"),
        ("pretraining.depth = 3", "unknown key 'depth'"),
        ("encoders = [{name = 'mine', corpus = [{store = 'three'}]}]", "no store 'three'"),
        ("encoders = [{name = 'mine', corpus = [{store = 'one'}]}]", r"leak.*\[9, 10\]"),
        (
            "encoders = [{name = 'mine', corpus = [{store = 'one', folds = [8, 9]}]}]",
            r"leak.*\[9\]",
        ),
        ("just words", "key = value"),
    ],
)
def test_what_is_wrong_is_named(file: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_grid(str(file), [change])


TRANSFER = """
[[transfers]]
from = "one"
to = "two"
tasks = ["ptbxl-all"]
folds = [10]
"""


def test_what_was_trained_under_all_labels_and_leads_is_transferred(file: Path) -> None:
    file.write_text(GRID + TRANSFER)
    grid = read_grid(str(file))
    trials = grid.trials(["mine", "random"])
    crossings = grid.crossings(trials)
    assert len(crossings) == 2 * 2 * 2  # encoders, readouts, heads
    for trial, transfer in crossings:
        assert (trial.condition.store, transfer.to, transfer.folds) == ("one", "two", (10,))
        assert (trial.condition.lead_set, trial.recipe.fraction) == ("12", 1.0)
        assert trial.recipe.task == "ptbxl-all"
    read = {(c.store, c.lead_set, c.encoder) for c in grid.conditions(trials)}
    assert ("two", "12", "random") in read
    assert ("two", "II", "random") not in read


def test_an_encoder_must_not_meet_what_its_probes_are_transferred_to(file: Path) -> None:
    file.write_text(GRID + TRANSFER)
    corpus = "encoders = [{ name = 'mine', corpus = [{ store = 'two', folds = [9, 10] }] }]"
    with pytest.raises(InputError, match=r"leak: encoder 'mine' .* folds \[10\] of two"):
        read_grid(str(file), [corpus])
    assert read_grid(str(file), [corpus.replace("9, 10", "9")])
    with pytest.raises(InputError, match="no store 'three'"):
        read_grid(str(file), ["transfers = [{ from = 'one', to = 'three', tasks = ['x'] }]"])


def test_transfers_of_a_task_on_different_folds_are_refused(file: Path) -> None:
    file.write_text(GRID + TRANSFER + TRANSFER)
    assert read_grid(str(file))
    file.write_text(GRID + TRANSFER + TRANSFER.replace("[10]", "[9]"))
    with pytest.raises(InputError, match="two transfers of ptbxl-all from one to two with diff"):
        read_grid(str(file))


def test_an_encoder_must_not_meet_what_its_dissected_probes_hold_out(file: Path) -> None:
    file.write_text(GRID + '[[anatomies]]\nstore = "two"\ntask = "ptbxl-all"\n')
    corpus = "encoders = [{ name = 'mine', corpus = [{ store = 'two', folds = [8, 9] }] }]"
    with pytest.raises(InputError, match=r"leak: encoder 'mine' .* folds \[9\] of two"):
        read_grid(str(file), [corpus])


CORPORA = """
[corpora.all]
parts = [{ store = "one", folds = [1, 2, 3] }, { store = "two" }]

[corpora.without-one]
of = "all"
without = ["one"]
"""


def test_an_encoder_is_pretrained_on_a_corpus_by_name(file: Path) -> None:
    file.write_text(GRID + CORPORA)
    grid = read_grid(str(file), ['encoders = [{ name = "mine", corpus = "all" }]'])
    parts = [(str(part.store), part.folds) for part in grid.pretrained[0].corpus]
    assert parts == [("one", (1, 2, 3)), ("two", None)]


def test_a_corpus_without_a_family_has_none_of_its_stores_and_never_meets_them(file: Path) -> None:
    file.write_text(GRID + CORPORA)
    changes = ["encoders = [{ name = 'mine', corpus = 'without-one' }]"]
    grid = read_grid(str(file), changes)
    assert [str(part.store) for part in grid.pretrained[0].corpus] == ["two"]
    assert [(kept.store, kept.folds) for kept in grid.without] == [("one", None)]
    derived = "corpora.derived = { of = 'without-one' }"
    heir = read_grid(str(file), [derived, changes[0].replace("without-one", "derived")])
    assert (heir.without, heir.pretrained) == (grid.without, grid.pretrained)
    with pytest.raises(InputError, match="corpora.without-one: no part is left"):
        read_grid(str(file), [*changes, "stores.two.family = 'one'"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("corpora.all.of = 'none'", r"corpora\.all: no corpus 'none' above"),
        ("corpora.without-one.without = ['three']", "no family 'three'; there are one, two"),
        ("encoders = [{ name = 'mine', corpus = 'some' }]", "no corpus 'some'; there are all, w"),
        ("corpora.all.parts = [{ store = 'one' }, { store = 'two' }]", r"leak.*\[9, 10\]"),
    ],
)
def test_what_is_wrong_in_a_corpus_is_named(file: Path, change: str, message: str) -> None:
    file.write_text(GRID + CORPORA)
    use = "encoders = [{ name = 'mine', corpus = 'all' }]"
    with pytest.raises(InputError, match=message):
        read_grid(str(file), [use, change])


def test_a_copy_of_held_out_records_under_another_name_is_refused_before_training(
    file: Path, store: Store, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name in ("one", "two"):
        shutil.copytree(store.folder, out / "stores" / name)
    two = out / "stores" / "two"
    said = STORE.read(two, FILES)
    copied = store.records.assign(source="two", id="copy of " + store.records["id"])
    copied.assign(patient=copied["id"]).to_parquet(two / "records.parquet")
    STORE.write(two, said, FILES)
    grid = read_grid(str(file), ["encoders = [{ name = 'mine', corpus = [{ store = 'two' }] }]"])
    with pytest.raises(InputError, match="'mine' would be pretrained on 12 records of one that"):
        benchmark(grid, out, lambda what, done, of: None)
    assert not (out / "encoders").exists()


def test_an_unknown_encoder_is_named(file: Path) -> None:
    file.write_text(GRID + AGAIN)
    with pytest.raises(InputError, match="no encoder 'mine'; there are other"):
        read_grid(str(file)).trials(["other"])
    file.write_text(GRID + TOKENS + 'encoders = ["mine"]')
    with pytest.raises(InputError, match="no encoder 'mine'; there are other"):
        read_grid(str(file)).token_trials(["other"])


def test_an_unknown_file_is_told_the_shipped_ones() -> None:
    with pytest.raises(InputError, match="demo, objectives, ood-simulated, paper, ptbxl-local"):
        read_grid("nowhere.toml")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_benchmark_can_be_read(name: str) -> None:
    grid = read_grid(name)
    names = [recipe.name for recipe in grid.pretrained]
    names += [f"random-{names[0]}-{seed}" for seed in grid.random]
    assert grid.trials(names)
    assert len(grid.token_trials(names)) == sum(
        len(names) if sweep.encoders is None else len(sweep.encoders)
        for sweep, _ in grid.token_sweeps
    )
    assert all(records >= 128 for _, records in grid.dissections(names))


@pytest.mark.parametrize("where", ["sweeps", "baselines", "anatomies", "token_probes"])
def test_an_unknown_task_is_named_before_anything_is_made(file: Path, where: str) -> None:
    task = "task = 'ptbxl-al'" if where == "anatomies" else "tasks = ['ptbxl-al']"
    model = ", recipe = { model = 'minirocket' }" if where == "baselines" else ""
    with pytest.raises(InputError, match="unknown task 'ptbxl-al'; the tasks are"):
        read_grid(str(file), [f"{where} = [{{ store = 'one', {task}{model} }}]"])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "[[anatomies]]\nstore = 'one'\ntask = 'ptbxl-all'",
            "a sweep and an anatomy ask for .*layers",
        ),
        (TOKENS + TOKENS.replace("[5]", "[6]"), "two sweeps ask for .*alf-leads-linear with diff"),
    ],
)
def test_what_is_asked_for_twice_with_other_settings_is_refused_before_anything_is_made(
    file: Path, tmp_path: Path, more: str, told: str
) -> None:
    file.write_text(GRID.replace('"last", "pma"', '"layers"') + more)
    grid = read_grid(
        str(file),
        ["sweeps = [{ store = 'one', tasks = ['ptbxl-all'], probing = { seeds = [9] } }]"],
    )
    with pytest.raises(InputError, match=told):
        benchmark(grid, tmp_path / "out", lambda what, done, of: None)
    assert not (tmp_path / "out").exists()
