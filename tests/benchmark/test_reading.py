"""A benchmark's file: every trial once, and what is wrong is said before anything is trained."""

import shutil
from itertools import product
from pathlib import Path

import pytest
import torch

from myocard.benchmark import materials, run
from myocard.benchmark.layout import Layout
from myocard.benchmark.reading import read_benchmark, shipped
from myocard.benchmark.run import run_benchmark
from myocard.data.store import FILES, Store
from myocard.encoders import merl
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.evaluation.probing import Stream
from myocard.files.manifest import STORE
from myocard.files.progress import silent
from myocard.files.step import read_inputs, write_inputs
from myocard.models.checkpoint import load_encoder
from myocard.nn.readouts.registry import TOKENS as TOKEN_READOUTS
from myocard.recipe import ProbeRecipe

GIVEN = """
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
[[sweeps]]
store = "one"
tasks = ["ptbxl-all", "ptbxl-rhythm"]
probing = { readouts = ["alf-leads", "last", "attentive-tokens"], seeds = [5] }
"""
AGAIN = """
[[sweeps]]
store = "one"
tasks = ["ptbxl-all"]
encoders = ["mine"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "benchmark.toml"
    path.write_text(GIVEN)
    return path


def test_a_sweep_is_every_combination_once(file: Path) -> None:
    trials = read_benchmark(str(file)).trials(["mine", "random"])
    assert len({name for trial in trials for name in trial.names}) == len(trials) == 2**6
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
    once = len(read_benchmark(str(file)).trials(["mine"]))
    file.write_text(GIVEN + AGAIN)
    assert len(read_benchmark(str(file)).trials(["mine"])) == once
    file.write_text(GIVEN + AGAIN + "probing = { seeds = [7] }")
    with pytest.raises(InputError, match="different settings"):
        read_benchmark(str(file)).trials(["mine"])


def test_readouts_of_tokens_are_one_trial_a_task_and_others_one_each(file: Path) -> None:
    file.write_text(GIVEN.replace('["last", "pma"]', '["ppa", "pma"]') + TOKENS)
    benchmark = read_benchmark(str(file))
    trials = benchmark.trials(["mine", "random"])
    of_tokens = [trial for trial in trials if trial.of_tokens]
    tasks = ("ptbxl-all", "ptbxl-rhythm")
    found = [(trial.condition.encoder, trial.recipe.task) for trial in of_tokens]
    assert found == [*product(("mine", "random"), tasks)]
    for trial in of_tokens:
        assert (trial.recipe.readouts, trial.recipe.seeds) == (
            ("alf-leads", "attentive-tokens"),
            (5,),
        )
        assert trial.place == Path("one/leads-12/labels-1")
        below = f"one/leads-12/labels-1/{trial.condition.encoder}/{trial.recipe.task}"
        assert trial.names == [
            f"{below}/{readout}-{head}"
            for readout, head in product(("alf-leads", "attentive-tokens"), ("linear", "mlp"))
        ]
    beside = [trial for trial in trials if trial.recipe.seeds == (5,) and not trial.of_tokens]
    assert {trial.recipe.readouts for trial in beside} == {("last",)}
    assert len(beside) == 2 * 2 * 2  # encoders, tasks, heads


def test_trials_on_tokens_of_one_encoder_share_its_stream(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoder: MyocardEncoder,
    store: Store,
) -> None:
    file.write_text(GIVEN.replace('["last", "pma"]', '["ppa", "pma"]') + TOKENS)
    two = {"mine": encoder, "random": encoder.randomised(0)}
    trials = [trial for trial in read_benchmark(str(file)).trials([*two]) if trial.of_tokens]
    asked: list[tuple[Stream, str, Path]] = []

    def noted(stream: Stream, recipe: ProbeRecipe, out: Path, **how: object) -> list[Path]:
        asked.append((stream, recipe.task, out))
        return []

    monkeypatch.setattr(run, "probe", noted)
    layout = Layout(tmp_path)
    run._probe_tokens(trials, {"one": store}, two, layout, silent, test=False)
    assert len({id(stream) for stream, _, _ in asked}) == 2
    assert [(stream.encoder.name, task) for stream, task, _ in asked] == [
        *product((two["mine"].info.name, two["random"].info.name), ("ptbxl-all", "ptbxl-rhythm"))
    ]
    assert {out for _, _, out in asked} == {layout.results / "one/leads-12/labels-1"}


def test_no_states_are_cached_for_readouts_of_tokens(file: Path) -> None:
    alone = "[[sweeps]]\nstore = 'one'\ntasks = ['ptbxl-all']\nlead_sets = ['I']\n"
    file.write_text(GIVEN + alone + "probing = { readouts = ['alf-tokens'] }")
    benchmark = read_benchmark(str(file))
    trials = benchmark.trials(["mine"])
    assert "I" in {trial.condition.lead_set for trial in trials}
    assert {condition.lead_set for condition in benchmark.conditions(trials)} == {"12", "II"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("probing = {readouts = ['alf-token']}", "no readout 'alf-token'; there are last, ppa"),
        ("store = 'three'", "no store 'three'"),
        ("probing = {split = {train = [1], validation = [2], test = [3]}}", r"leak.*\[2, 3\]"),
    ],
)
def test_what_is_wrong_with_probes_of_tokens_is_named(
    file: Path, change: str, message: str
) -> None:
    lines = [line for line in TOKENS.splitlines() if line.split(" =")[0] not in change[:8]]
    file.write_text(GIVEN + "\n".join([*lines, change]))
    with pytest.raises(InputError, match=message):
        read_benchmark(str(file))


def test_a_baseline_that_is_asked_for_twice_is_one(file: Path) -> None:
    asked = """
    [[baselines]]
    store = "two"
    tasks = ["ptbxl-all", "ptbxl-rhythm"]
    fractions = [0.1, 1.0]
    recipe = { model = "vit" }
    """
    file.write_text(GIVEN + asked + asked)
    found = read_benchmark(str(file)).baselines
    assert len({baseline.place for baseline in found}) == len(found) == 4
    assert {baseline.recipe.fraction for baseline in found} == {0.1, 1.0}
    (alike, *_) = read_benchmark(str(file), ["probing.min_positives = 7"]).baselines
    assert alike.recipe.min_positives == 7
    file.write_text(GIVEN + asked + asked.replace('"vit"', '"vit", size = "small"'))
    with pytest.raises(InputError, match="two baselines for two/baselines/labels-0.1/ptbxl-all/"):
        read_benchmark(str(file))


def test_a_baseline_that_there_is_not_is_named(file: Path) -> None:
    file.write_text(GIVEN + "[[baselines]]\nstore = 'two'\ntasks = ['ptbxl-all']\n")
    assert [each.recipe.model for each in read_benchmark(str(file)).baselines] == ["minirocket"]
    file.write_text(file.read_text() + "recipe = { model = 'resnet' }")
    with pytest.raises(InputError, match="no baseline 'resnet'; there are xresnet1d101"):
        read_benchmark(str(file))


def test_changes_go_over_the_file_table_by_table(file: Path) -> None:
    benchmark = read_benchmark(
        str(file), ["probing.optimisation.epochs = 9", "stores.one.simulate.seed = 4"]
    )
    assert benchmark.sweeps[0][1][0].optimisation.epochs == 9
    assert benchmark.stores["one"].simulate.seed == 4  # type: ignore[union-attr]
    assert benchmark.stores["one"].simulate.records == 100  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sweeps = []", "sweeps"),
        ("stores.one.folder = 'x'", "give one of folder, simulate and of"),
        ("stores.three = {of = ['one', 'four']}", "stores.three: no store 'four' above it"),
        ("stores.three = {of = ['one'], source = 'chapman'}", "give a source, unless"),
        ("stores.three = {folder = 'x'}", "give a source, unless"),
        ("stores.three = {of = ['one'], seconds = 5}", "seconds cannot be set beside `of`"),
        (
            "stores = {one = {source = 'ptbxl-100', simulate = {records = 9}}, "
            "four = {of = ['one']}, three = {of = ['four']}}",
            "'four' is joined itself; name its parts",
        ),
        ("sweeps = [{store = 'one', tasks = ['ptbxl-all'], rotate = [3, 4, 3]}]", "once each"),
        ("sweeps = [{store = 'one', tasks = ['ptbxl-all'], rotate = [3]}]", "two folds or more"),
        ("sweeps = [{store = 'one', tasks = ['ptbxl-all'], rotate = [3, 4]}]", r"leak.*\[3\]"),
        (
            "sweeps = [{store = 'one', tasks = ['ptbxl-all'], rotate = [4, 5], "
            "probing = {readouts = ['alf-leads']}}]",
            r"readouts of tokens \(alf-leads\) are not rotated",
        ),
        ("probing.readouts = ['lats']", "no readout 'lats'; there are last, ppa"),
        ("probing.heads = ['deep']", "no head 'deep'; there are linear, ridge, mlp"),
        ("probing.lerning = 1", "unknown key 'lerning'"),
        ("pretraining.depth = 3", "unknown key 'depth'"),
        ("encoders = [{name = 'mine', corpus = [{store = 'three'}]}]", "no store 'three'"),
        ("encoders = [{name = 'mine', corpus = [{folds = [1]}]}]", "no store None; there are one"),
        ("pretraining.objective = 'best'", "no objective 'best'; there are mae"),
        ("pretraining.mixture_layers = 2", "mixture_layers is for mixture"),
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
        read_benchmark(str(file), [change])


TRANSFER = """
[[transfers]]
from = "one"
to = "two"
tasks = ["ptbxl-all"]
folds = [10]
"""


def test_what_was_trained_under_all_labels_and_leads_is_transferred(file: Path) -> None:
    file.write_text(GIVEN + TRANSFER)
    benchmark = read_benchmark(str(file))
    trials = benchmark.trials(["mine", "random"])
    transferred = benchmark.transferred(trials)
    assert len(transferred) == 2 * 2 * 2  # encoders, readouts, heads
    for trial, transfer in transferred:
        assert (trial.condition.store, transfer.to, transfer.folds) == ("one", "two", (10,))
        assert (trial.condition.lead_set, trial.recipe.fraction) == ("12", 1.0)
        assert trial.recipe.task == "ptbxl-all"
    read = {(c.store, c.lead_set, c.encoder) for c in benchmark.conditions(trials)}
    assert ("two", "12", "random") in read
    assert ("two", "II", "random") not in read


def test_an_encoder_is_not_pretrained_on_what_its_probes_are_transferred_to(file: Path) -> None:
    file.write_text(GIVEN + TRANSFER)
    corpus = "encoders = [{ name = 'mine', corpus = [{ store = 'two', folds = [9, 10] }] }]"
    with pytest.raises(InputError, match=r"leak: encoder 'mine' .* folds \[10\] of two"):
        read_benchmark(str(file), [corpus])
    assert read_benchmark(str(file), [corpus.replace("9, 10", "9")])
    with pytest.raises(InputError, match="no store 'three'"):
        read_benchmark(str(file), ["transfers = [{ from = 'one', to = 'three', tasks = ['x'] }]"])


def test_transfers_of_a_task_on_different_folds_are_refused(file: Path) -> None:
    file.write_text(GIVEN + TRANSFER + TRANSFER)
    assert read_benchmark(str(file))
    file.write_text(GIVEN + TRANSFER + TRANSFER.replace("[10]", "[9]"))
    with pytest.raises(InputError, match="two transfers of ptbxl-all from one to two with diff"):
        read_benchmark(str(file))


def test_an_encoder_is_not_pretrained_on_what_its_probes_of_layers_hold_out(file: Path) -> None:
    file.write_text(GIVEN + '[[layers]]\nstore = "two"\ntask = "ptbxl-all"\n')
    corpus = "encoders = [{ name = 'mine', corpus = [{ store = 'two', folds = [8, 9] }] }]"
    with pytest.raises(InputError, match=r"leak: encoder 'mine' .* folds \[9\] of two"):
        read_benchmark(str(file), [corpus])


CORPORA = """
[corpora.all]
parts = [{ store = "one", folds = [1, 2, 3] }, { store = "two" }]

[corpora.without-one]
of = "all"
without = ["one"]
"""


def test_an_encoder_is_pretrained_on_a_corpus_by_name(file: Path) -> None:
    file.write_text(GIVEN + CORPORA)
    benchmark = read_benchmark(str(file), ['encoders = [{ name = "mine", corpus = "all" }]'])
    parts = [(str(part.store), part.folds) for part in benchmark.pretrained[0].corpus]
    assert parts == [("one", (1, 2, 3)), ("two", None)]


def test_a_corpus_without_a_family_has_none_of_its_stores_and_keeps_encoders_from_them(
    file: Path,
) -> None:
    file.write_text(GIVEN + CORPORA)
    changes = ["encoders = [{ name = 'mine', corpus = 'without-one' }]"]
    benchmark = read_benchmark(str(file), changes)
    assert [str(part.store) for part in benchmark.pretrained[0].corpus] == ["two"]
    assert [(kept.store, kept.folds) for kept in benchmark.without] == [("one", None)]
    derived = "corpora.derived = { of = 'without-one' }"
    heir = read_benchmark(str(file), [derived, changes[0].replace("without-one", "derived")])
    assert (heir.without, heir.pretrained) == (benchmark.without, benchmark.pretrained)
    with pytest.raises(InputError, match="corpora.without-one: no part is left"):
        read_benchmark(str(file), [*changes, "stores.two.family = 'one'"])


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
    file.write_text(GIVEN + CORPORA)
    use = "encoders = [{ name = 'mine', corpus = 'all' }]"
    with pytest.raises(InputError, match=message):
        read_benchmark(str(file), [use, change])


def test_a_copy_of_held_out_records_under_another_name_is_refused_before_training(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOWHERE", str(tmp_path / "vendors"))
    changes = [
        "stores.one = { simulate = { records = 40 }, seconds = 2.5 }",
        "stores.two.seconds = 2.5",
        "encoders = [{ name = 'mine', corpus = [{ store = 'two' }] }]",
    ]
    benchmark, out = read_benchmark(str(file), changes), tmp_path / "out"
    one = materials.store("one", benchmark, Layout(out))
    held_out = one.records["fold"].isin([9, 10]).sum()
    assert held_out
    two = Path(shutil.copytree(one.folder, Layout(out).store("two")))
    stated = STORE.read(two, FILES)
    copied = one.records.assign(source="ptbxl", id="copy of " + one.records["id"])
    copied.assign(patient=copied["id"]).to_parquet(two / "records.parquet")
    STORE.write(two, stated, FILES)
    write_inputs(two, read_inputs(two) | {"source": "ptbxl"})
    told = f"'mine' would be pretrained on {held_out} records of one that must be held out"
    with pytest.raises(InputError, match=told):
        run_benchmark(benchmark, out)
    assert not (out / "encoders").exists()


def test_an_encoder_that_may_have_seen_what_it_is_tested_on_is_refused_where_that_is_asked(
    file: Path, tmp_path: Path
) -> None:
    file.write_text(GIVEN.replace('folder = "$NOWHERE/two"', "simulate = { records = 20 }"))
    torch.save(merl.ResNet(4, (1, 1, 1, 1)).state_dict(), tmp_path / "merl.pth")
    changes = [
        f"checkpoints = ['{tmp_path / 'merl.pth'}']",
        "stores.one = { simulate = { records = 20 }, dataset = 'mimic-iv-ecg' }",
        "encoders = []",
    ]

    def refuse(store: str) -> None:
        sweep = f"sweeps = [{{ store = '{store}', tasks = ['ptbxl-all'] }}]"
        benchmark, layout = read_benchmark(str(file), [*changes, sweep]), Layout(tmp_path / "out")
        encoders = {encoder.info.name: encoder for encoder in materials.untrained(benchmark)}
        assert list(encoders) == ["merl-resnet", "random-merl-resnet-0"]
        conditions = benchmark.conditions(benchmark.trials(list(encoders)))
        materials.refuse_seen(conditions, encoders, materials.stores(benchmark, layout))

    refuse("two")
    told = "leak: encoder 'merl-resnet' on one: pretrained on mimic-iv-ecg: has seen the records of"
    with pytest.raises(InputError, match=told):
        refuse("one")
    with pytest.raises(InputError, match=told):
        run_benchmark(read_benchmark(str(file), [*changes, "refuse_seen = true"]), tmp_path / "out")
    assert not (tmp_path / "out" / "features").exists()


def test_rotated_sweeps_without_a_test_leave_nothing_to_report(file: Path, tmp_path: Path) -> None:
    file.write_text(GIVEN.replace('folder = "$NOWHERE/two"', "simulate = { records = 20 }"))
    changes = [
        "checkpoints = ['ecg-nano']",
        *("encoders = []", "random = []", "probing.readouts = ['last']"),
        "stores.one.simulate = { records = 20 }",
        "sweeps = [{ store = 'one', tasks = ['ptbxl-all'], rotate = [1, 2] }]",
    ]
    with pytest.raises(InputError, match="out: nothing was probed; name encoders, and give --test"):
        run_benchmark(read_benchmark(str(file), changes), tmp_path / "out")


def test_checkpoints_of_one_model_are_named_after_their_files(file: Path, tmp_path: Path) -> None:
    for place, width in (("small", 4), ("large", 8)):
        torch.save(merl.ResNet(width, (1, 1, 1, 1)).state_dict(), tmp_path / f"{place}.pth")

    def names(*places: str) -> list[str]:
        stated = f"checkpoints = {[str(tmp_path / place) for place in places]}"
        benchmark = read_benchmark(str(file), [stated, "encoders = []"])
        return [encoder.info.name for encoder in materials.untrained(benchmark)]

    both = [
        f"{random}merl-resnet-{place}{seed}"
        for random, seed in (("", ""), ("random-", "-0"))
        for place in ("small", "large")
    ]
    assert sorted(names("small.pth", "large.pth")) == sorted(both)
    with pytest.raises(InputError, match="2 encoders are named 'merl-resnet-small'; rename a file"):
        names("small.pth", "small.pth")


def test_a_store_is_opened_without_the_records_that_it_was_made_of(
    file: Path, tmp_path: Path
) -> None:
    simulate = "stores.one = { simulate = { records = 20 }, seconds = 2.5 }"
    layout = Layout(tmp_path / "out")
    made = materials.store("one", read_benchmark(str(file), [simulate]), layout)
    shutil.rmtree(layout.records("one"))
    again = materials.store("one", read_benchmark(str(file), [simulate]), layout)
    assert again.key == made.key
    assert not layout.records("one").exists()
    for other, told in (
        (simulate.replace("20", "30"), "records is 20, not 30"),
        (simulate.replace("2.5", "5.0"), r"seconds is 2\.5, not 5\.0"),
        (simulate.replace("20", "20, seed = 4"), "source is .*seed 0.*, not .*seed 4"),
    ):
        with pytest.raises(InputError, match=f"stores/one: made from other inputs: {told}"):
            materials.store("one", read_benchmark(str(file), [other]), layout)
        assert not layout.records("one").exists()


def test_an_unknown_encoder_is_named(file: Path) -> None:
    file.write_text(GIVEN + AGAIN)
    with pytest.raises(InputError, match="no encoder 'mine'; there are other"):
        read_benchmark(str(file)).trials(["other"])
    file.write_text(GIVEN + TOKENS + 'encoders = ["mine"]')
    with pytest.raises(InputError, match="no encoder 'mine'; there are other"):
        read_benchmark(str(file)).trials(["other"])
    file.write_text(GIVEN + "[[layers]]\nstore = 'one'\ntask = 'ptbxl-all'\nencoders = ['mine']")
    with pytest.raises(InputError, match="no encoder 'mine'; there are other"):
        read_benchmark(str(file)).layer_trials(["other"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("two.source = 'ptb'", r"stores\.two\.source: no 'ptb'; there are ptbxl-100, ptbxl-500"),
        ("two.allow = ['flat']", r"stores\.two\.allow\.0: no 'flat'; there are flat_lead"),
        ("one.simulate.layout = 'ptb'", r"simulate\.layout: no 'ptb'; there are ptbxl, chapman"),
        ("one.simulate.site = 'C'", r"simulate\.site: no 'C'; there are A, B"),
    ],
)
def test_what_is_wrong_in_a_store_is_named_before_anything_is_made(
    file: Path, change: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_benchmark(str(file), [f"stores.{change}"])


def test_an_unknown_file_is_told_the_shipped_ones() -> None:
    listed = "demo, demo-pretraining, encoders, objectives, ood-simulated, paper, ptbxl-local"
    with pytest.raises(InputError, match=listed):
        read_benchmark("nowhere.toml")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_benchmark_can_be_read(name: str) -> None:
    benchmark = read_benchmark(name)
    names = [recipe.name for recipe in benchmark.pretrained]
    names += [load_encoder(folder).name for folder in benchmark.checkpoints]
    names += [f"random-{names[0]}-{seed}" for seed in benchmark.random]
    trials = benchmark.trials(names)
    assert trials
    of_tokens = {
        (encoder, sweep.store, recipe.task)
        for sweep, recipes in benchmark.sweeps
        for recipe in recipes
        if recipe.readouts[0] in TOKEN_READOUTS
        for encoder in sweep.encoders or names
    }
    found = [(t.condition.encoder, t.condition.store, t.recipe.task) for t in trials if t.of_tokens]
    assert sorted(found) == sorted(of_tokens)
    assert all(records >= 128 for _, records in benchmark.layer_trials(names))


@pytest.mark.parametrize("where", ["sweeps", "baselines", "layers", "transfers", "tokens"])
def test_an_unknown_task_is_named_before_anything_is_made(file: Path, where: str) -> None:
    stated = {
        "sweeps": "sweeps = [{ store = 'one', tasks = ['ptbxl-al'] }]",
        "baselines": "baselines = [{ store = 'one', tasks = ['ptbxl-al'] }]",
        "layers": "layers = [{ store = 'one', task = 'ptbxl-al' }]",
        "transfers": "transfers = [{ from = 'one', to = 'two', tasks = ['ptbxl-al'] }]",
        "tokens": "sweeps = [{ store = 'one', tasks = ['ptbxl-al'], "
        "probing = { readouts = ['alf-leads'] } }]",
    }
    with pytest.raises(InputError, match="unknown task 'ptbxl-al'; the tasks are"):
        read_benchmark(str(file), [stated[where]])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "[[layers]]\nstore = 'one'\ntask = 'ptbxl-all'",
            r"a sweep and \[\[layers\]\] ask for .*layers-linear with different settings",
        ),
        (
            TOKENS.replace('"last", ', "") + TOKENS.replace('"last", ', "").replace("[5]", "[6]"),
            "two sweeps ask for .*alf-leads-linear with different settings",
        ),
    ],
)
def test_what_is_asked_for_twice_with_other_settings_is_refused_before_anything_is_made(
    file: Path, tmp_path: Path, more: str, told: str
) -> None:
    again = "\n[[sweeps]]\nstore = 'one'\ntasks = ['ptbxl-all']\nprobing = { seeds = [9] }\n"
    (stores, _) = GIVEN.replace('"last", "pma"', '"layers"').split("[[sweeps]]")
    file.write_text(stores + again + more)
    benchmark = read_benchmark(str(file))
    with pytest.raises(InputError, match=told):
        run_benchmark(benchmark, tmp_path / "out")
    assert not (tmp_path / "out").exists()
