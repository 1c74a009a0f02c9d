"""A dry run lists what a benchmark would do, and about how long each piece takes."""

import shutil
import time
from pathlib import Path

import pytest
import torch

from myocard.benchmark import materials
from myocard.benchmark.estimate import Piece, estimate
from myocard.benchmark.layout import Layout
from myocard.benchmark.reading import read_benchmark
from myocard.benchmark.run import run_benchmark
from myocard.benchmark.sample import Sample, Timed
from myocard.benchmark.trials import Benchmark, Condition
from myocard.data.corpora import trained_on_nothing
from myocard.encoders.ours import MyocardEncoder
from myocard.evaluation.features import extract
from myocard.files.step import read_inputs, write_inputs
from myocard.models.checkpoint import Checkpoint
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import InputSettings
from myocard.results.layers import LayerMeasures

TINY = """
[stores.one]
source = "ptbxl-100"
simulate = { records = 120 }

[stores.two]
source = "ptbxl-100"
simulate = { records = 60, site = "B", seed = 1 }

[stores.both]
of = ["one", "two"]

[pretraining]
size = "nano"
input = { leads = ["II", "V2"] }
optimisation = { epochs = 0.3, batch = 8, base_learning_rate = 1e-2, weight_decay = 0.0 }

[[encoders]]
name = "mine"
corpus = [{ store = "one", folds = [1, 2, 3] }]

[input]
leads = ["II", "V2"]

[probing]
readouts = ["last", "pma"]
heads = ["linear"]
penalties = [1e-2]
seeds = [0]
resamples = 20
optimisation = { epochs = 2, batch = 32 }

[[sweeps]]
store = "one"
tasks = ["superdiagnostic"]

[[sweeps]]
store = "one"
tasks = ["superdiagnostic"]
encoders = ["mine"]
probing = { readouts = ["alf-leads"] }

[[sweeps]]
store = "both"
tasks = ["superdiagnostic"]
encoders = ["mine"]
rotate = [8, 9, 10]
probing = { readouts = ["last", "ppa"] }

[[transfers]]
from = "one"
to = "two"
tasks = ["superdiagnostic"]

[[layers]]
store = "one"
task = "superdiagnostic"
encoders = ["mine"]
records = 20

[[baselines]]
store = "one"
tasks = ["superdiagnostic"]
recipe = { model = "minirocket", features = 84 }
"""
TRIAL = "one/leads-12/labels-1/mine/superdiagnostic"
ROTATED = "both/cross-fitted/leads-12/labels-1/mine/superdiagnostic"


def read(folder: Path, *changes: str) -> Benchmark:
    (folder / "tiny.toml").write_text(TINY)
    return read_benchmark(str(folder / "tiny.toml"), changes)


def content(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def by_name(benchmark: Benchmark, out: Path, *, test: bool = True) -> dict[str, Piece]:
    """Every piece but the report, which is always drawn."""
    pieces = {piece.name: piece for piece in estimate(benchmark, out, test=test)}
    assert pieces.pop("report").state == "missing"
    return pieces


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def fresh(place: Path) -> dict[str, Piece]:
    """Every piece of the tiny benchmark before any is made, each kind really tried."""
    return by_name(read(place), place / "fresh" / "out")


@pytest.fixture(scope="module")
def taken(place: Path, fresh: dict[str, Piece]) -> dict[str, float]:
    """The seconds that a store and its features really took to make."""
    benchmark, layout = read(place), Layout(place / "out")
    _, random = materials.untrained(benchmark)
    condition = Condition("one", "12", random.info.name)
    began = time.perf_counter()
    store = materials.store("one", benchmark, layout)
    prepared = time.perf_counter()
    extract(random, store, layout.features(condition))
    extracted = time.perf_counter()
    name = f"features one, leads 12, {random.info.name}"
    return {"store one": prepared - began, name: extracted - prepared}


@pytest.fixture(scope="module")
def done(place: Path, taken: dict[str, float]) -> Path:
    """A folder in which the tiny benchmark was run, test folds and all."""
    run_benchmark(read(place), place / "out", test=True)
    return place / "out"


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try no piece: each is said to take a second."""
    monkeypatch.setattr(Sample, "timed", lambda self, kind, *of: Timed(seconds=1.0))


def test_a_fresh_folder_misses_every_piece_at_a_cost_and_is_not_made(
    place: Path, fresh: dict[str, Piece]
) -> None:
    assert not (place / "fresh").exists()
    assert {piece.state for piece in fresh.values()} == {"missing"}
    assert all(piece.seconds > 0 for piece in fresh.values())
    assert not any(piece.reason for piece in fresh.values())


def test_seconds_are_about_those_that_a_piece_really_takes(
    fresh: dict[str, Piece], taken: dict[str, float]
) -> None:
    for name, seconds in taken.items():
        assert fresh[name].seconds / 5 < seconds < fresh[name].seconds * 5, name


def test_a_finished_benchmark_has_every_piece_and_stays_as_it_was(
    fresh: dict[str, Piece], done: Path, tmp_path: Path
) -> None:
    before = content(done)
    finished = by_name(read(tmp_path), done)
    assert finished.keys() == fresh.keys()
    assert {(piece.state, piece.seconds) for piece in finished.values()} == {("there", 0)}
    assert content(done) == before


def test_every_kind_of_piece_is_listed(fresh: dict[str, Piece]) -> None:
    random = TRIAL.replace("/mine/", "/random-mine-0/")
    assert list(fresh) == [
        "store one",
        "store two",
        "encoder mine",
        "features one, leads 12, mine",
        "features one, leads 12, random-mine-0",
        "features both, leads 12, mine",
        "features two, leads 12, mine",
        "features two, leads 12, random-mine-0",
        f"{TRIAL}/last-linear",
        f"{TRIAL}/pma-linear",
        f"{random}/last-linear",
        f"{random}/pma-linear",
        f"{TRIAL}/alf-leads-linear",
        f"{ROTATED}/last-linear",
        f"{ROTATED}/ppa-linear",
        "layers mine, superdiagnostic",
        "baseline one/baselines/labels-1/superdiagnostic/minirocket",
        f"transfer to two: {TRIAL}/last-linear",
        f"transfer to two: {TRIAL}/pma-linear",
        f"transfer to two: {random}/last-linear",
        f"transfer to two: {random}/pma-linear",
    ]


@pytest.mark.parametrize(
    ("lost", "names"),
    [
        ("stores/two", {"store two"}),
        ("encoders/mine", {"encoder mine"}),
        ("features/one/12/mine", {"features one, leads 12, mine"}),
        (f"results/{TRIAL}/pma-linear", {f"{TRIAL}/pma-linear"}),
        (f"results/{TRIAL}/alf-leads-linear", {f"{TRIAL}/alf-leads-linear"}),
        ("results/one/layers/mine/superdiagnostic", {"layers mine, superdiagnostic"}),
        (
            "results/one/baselines/labels-1/superdiagnostic/minirocket",
            {"baseline one/baselines/labels-1/superdiagnostic/minirocket"},
        ),
        (
            "results/two/from-one/mine/superdiagnostic/last-linear",
            {f"transfer to two: {TRIAL}/last-linear"},
        ),
        (f"results/{ROTATED}/ppa-linear", {f"{ROTATED}/ppa-linear"}),
        ("records/one", set()),
    ],
)
def test_a_piece_that_was_lost_is_missing_and_no_other(
    done: Path, tmp_path: Path, lost: str, names: set[str], untimed: None
) -> None:
    (done / lost).rename(tmp_path / "kept")
    try:
        before = content(done)
        found = by_name(read(tmp_path), done)
        assert {name for name, piece in found.items() if piece.state == "missing"} == names
        assert {piece.state for piece in found.values()} <= {"there", "missing"}
        assert content(done) == before
    finally:
        (tmp_path / "kept").rename(done / lost)


@pytest.mark.parametrize(
    ("change", "names", "key"),
    [
        (
            "stores.two.simulate.records = 70",
            {"store two"},
            "records/two: made from other inputs: records is 60, not 70",
        ),
        ("stores.two.seconds = 12.0", {"store two"}, "seconds is 10.0, not 12.0"),
        (
            "encoders = [{ name = 'mine', corpus = [{ store = 'one', folds = [1, 2] }] }]",
            {"encoder mine"},
            "encoders/mine: made from other inputs: corpus is",
        ),
        (
            "pretraining.optimisation.seed = 4",
            {"encoder mine"},
            "recipe.optimisation.seed is 0, not 4",
        ),
        (
            "baselines = [{ store = 'one', tasks = ['superdiagnostic'], "
            "recipe = { model = 'minirocket', features = 168 } }]",
            {"baseline one/baselines/labels-1/superdiagnostic/minirocket"},
            "recipe.features is 84, not 168",
        ),
        (
            "layers = [{ store = 'one', task = 'superdiagnostic', encoders = ['mine'], "
            "records = 30 }]",
            {"layers mine, superdiagnostic"},
            "records is 20, not 30",
        ),
    ],
)
def test_a_piece_that_was_made_from_other_inputs_is_refused_with_the_key(
    done: Path, tmp_path: Path, change: str, names: set[str], key: str, untimed: None
) -> None:
    before = content(done)
    found = by_name(read(tmp_path, change), done)
    refused = {name: piece for name, piece in found.items() if piece.state == "refused"}
    assert refused.keys() == names
    assert all(key in piece.reason and piece.seconds == 0 for piece in refused.values())
    assert content(done) == before


def test_every_probe_with_other_settings_is_refused_with_the_key(
    done: Path, tmp_path: Path, untimed: None
) -> None:
    found = by_name(read(tmp_path, "probing.penalties = [1e-1]"), done)
    refused = {name: piece for name, piece in found.items() if piece.state == "refused"}
    probes = {name for name in found if name.startswith(("one/", "both/"))}
    assert refused.keys() == probes | {"layers mine, superdiagnostic"}
    for name, piece in refused.items():
        prefix = "probes" if name.startswith("layers") else "recipe"
        changed = "rotations" if name.startswith("both/") else f"{prefix}.penalties is [0.01]"
        assert changed in piece.reason


def test_features_of_another_encoder_under_the_same_name_are_refused(
    done: Path, tmp_path: Path, untimed: None
) -> None:
    folder = done / "features/one/12/mine"
    stated = read_inputs(folder)
    write_inputs(folder, stated | {"encoder": "0123"})
    try:
        piece = by_name(read(tmp_path), done)["features one, leads 12, mine"]
        assert piece.state == "refused"
        assert 'encoder is "0123", not ' in piece.reason
    finally:
        write_inputs(folder, stated)


def test_runs_that_have_not_scored_the_test_folds_are_missing_once_these_are_asked_for(
    done: Path, tmp_path: Path, untimed: None
) -> None:
    for name in ("stores", "encoders", "features"):
        shutil.copytree(done / name, tmp_path / "out" / name)
    baseline = "one/baselines/labels-1/superdiagnostic/minirocket"
    few = (
        "transfers = []",
        "layers = []",
        "sweeps = [{ store = 'one', tasks = ['superdiagnostic'], encoders = ['mine'], "
        "probing = { readouts = ['last', 'alf-leads'] } }]",
    )
    benchmark = read(tmp_path, *few)
    run_benchmark(benchmark, tmp_path / "out")
    assert {p.state for p in by_name(benchmark, tmp_path / "out", test=False).values()} == {"there"}
    found = by_name(benchmark, tmp_path / "out")
    assert {name for name, piece in found.items() if piece.state == "missing"} == {
        f"{TRIAL}/last-linear",
        f"{TRIAL}/alf-leads-linear",
        f"baseline {baseline}",
    }


def test_measures_of_layers_on_validation_are_missing_once_the_test_folds_are_asked_for(
    done: Path, tmp_path: Path, untimed: None
) -> None:
    folder = done / "results/one/layers/mine/superdiagnostic"
    measures = LayerMeasures.read(folder)
    measures.model_copy(update={"split": "validation"}).write(folder)
    try:
        for test, state in ((False, "there"), (True, "missing")):
            found = by_name(read(tmp_path), done, test=test)
            assert found["layers mine, superdiagnostic"].state == state
    finally:
        measures.write(folder)


def test_features_of_a_given_checkpoint_are_told_from_those_of_another(
    tmp_path: Path, untimed: None
) -> None:
    """Make a benchmark of a checkpoint, and put another encoder's in its place."""
    expected = InputSettings(leads=("II", "V2")).preprocessing()

    def save(seed: int) -> MyocardEncoder:
        torch.manual_seed(seed)
        network = Encoder(EncoderShape(samples=1000, patch=50, width=12, depth=1, heads=1)).eval()
        encoder = MyocardEncoder("mine", network, expected, trained_on_nothing())
        Checkpoint(encoder, {}).save(tmp_path / "checkpoint")
        return encoder

    benchmark = read(
        tmp_path,
        "stores = { one = { source = 'ptbxl-100', simulate = { records = 20 } } }",
        f"checkpoints = ['{tmp_path / 'checkpoint'}']",
        *("encoders = []", "random = []", "transfers = []", "layers = []", "baselines = []"),
    )
    layout = Layout(tmp_path / "out")
    encoder = save(0)
    extract(encoder, materials.store("one", benchmark, layout), layout.out / "features/one/12/mine")
    name = "features one, leads 12, mine"
    assert by_name(benchmark, layout.out)[name].state == "there"
    save(1)
    assert by_name(benchmark, layout.out)[name].state == "refused"


TRAINED = """
[[baselines]]
store = "one"
tasks = ["superdiagnostic"]
recipe = { model = "s4d", size = "nano", optimisation = { batch = 4 } }
"""


def test_baselines_are_listed_with_what_they_cost_until_they_are_there(
    done: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(TINY + TRAINED)
    found = by_name(read_benchmark(str(tmp_path / "tiny.toml")), done)
    there, missing = [piece for name, piece in found.items() if name.startswith("baseline")]
    assert (Path(there.name).name, there.state, there.seconds) == ("minirocket", "there", 0)
    assert (Path(missing.name).name, missing.state) == ("s4d", "missing")
    assert missing.seconds > 0


def test_a_store_made_with_other_settings_is_refused_also_without_its_records(
    done: Path, tmp_path: Path, untimed: None
) -> None:
    out = tmp_path / "out"
    shutil.copytree(done / "stores", out / "stores")
    refused = by_name(read(tmp_path, "stores.two.seconds = 12.0"), out)["store two"]
    assert refused.state == "refused"
    assert "seconds is 10.0, not 12.0" in refused.reason
    assert [path.name for path in out.iterdir()] == ["stores"]
