"""The main job from end to end, small; and the code blocks of the documents, on what it leaves."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from joblib import Parallel, delayed

from myocard.benchmark import run as benchmarking
from myocard.benchmark.estimate import estimate
from myocard.benchmark.reading import read_grid
from myocard.benchmark.run import benchmark
from myocard.benchmark.trials import Grid
from myocard.errors import InputError

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LITTLE = (
    "stores.simulated.simulate.records = 120",
    "pretraining = {optimisation = {epochs = 0.3, warmup_epochs = 0, batch = 8}}",
    "probing.seeds = [0, 1]",
    "probing.penalties = [1e-2]",
    "probing.min_positives = 2",
    "probing.resamples = 50",
    "probing.optimisation = {epochs = 2, batch = 32}",
    "probing.readouts = ['last', 'layers', 'ppa', 'scalar-mix', 'pma']",
    "anatomies = [{store = 'simulated', task = 'ptbxl-all', records = 20}]",
)


def nothing(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def grid() -> Grid:
    return read_grid("demo", LITTLE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, grid: Grid) -> Path:
    """A folder in which ``myocard demo`` was run."""
    folder = tmp_path_factory.mktemp("home")
    benchmark(grid, folder / "demo", nothing, test=True)
    return folder


def _written(home: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in (home / "demo/results").rglob("run.json")}


def test_the_demo_draws_pretrained_and_random_encoders_layer_by_layer(home: Path) -> None:
    curve = pd.read_csv(home / "demo/figures/ptbxl-all-layers-1.csv").query("readout == 'layer'")
    points = curve.groupby("encoder")["layer"].apply(sorted)
    assert len(points) == 2
    assert "random" in points.index[1]
    assert all(layers == list(range(9)) for layers in points)
    assert "<svg" in (home / "demo/report.html").read_text()


def test_the_demo_tells_what_fewer_labels_and_leads_cost(home: Path) -> None:
    labels = pd.read_csv(home / "demo/figures/ptbxl-all-labels-1.csv")
    assert labels.groupby("readout")["fraction"].apply(list).tolist() == [[0.1, 0.25, 1.0]] * 4
    leads = pd.read_csv(home / "demo/tables/ptbxl-all-leads.csv")
    assert set(leads["leads"]) == {"I-II-V2", "I"}
    assert (leads["low"] <= leads["difference"]).all()


def test_the_demo_tells_what_every_layer_is_like(home: Path) -> None:
    ranks = pd.read_csv(home / "demo/figures/anatomy-1.csv").query("measure == 'effective_rank'")
    layers = ranks.groupby("encoder")["layer"].apply(list)
    assert layers.tolist() == [list(range(9))] * 2


def test_a_demo_that_was_run_is_not_run_again(home: Path, grid: Grid) -> None:
    before = _written(home)
    benchmark(grid, home / "demo", nothing, test=True)
    assert before == _written(home)


def test_probes_have_workers_of_their_own() -> None:
    prepared = Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(8))
    probed: list[str] = []
    calls = [delayed(os.getpid)() for _ in range(8)]
    benchmarking._side_by_side("probe", calls, lambda what, *_: probed.append(what), 2)
    assert {f"probe, {pid}" for pid in prepared}.isdisjoint(probed)


def test_what_a_stop_left_out_is_made_and_no_more(home: Path, grid: Grid) -> None:
    before = _written(home)
    lost = next(path for path in before if path.parent.name == "ppa-linear")
    shutil.rmtree(lost.parent)
    benchmark(grid, home / "demo", nothing, test=True, jobs=2)
    after = _written(home)
    assert after.keys() == before.keys()
    assert {path for path in before if before[path] != after[path]} == {lost}


def test_a_finished_demo_costs_nothing_more_and_a_fresh_one_does(home: Path, grid: Grid) -> None:
    assert {piece.seconds for piece in estimate(grid, home / "demo")} == {0}
    fresh = estimate(grid, home / "elsewhere")
    assert all(piece.seconds > 0 for piece in fresh)
    assert not (home / "elsewhere").exists()


def test_an_encoder_of_another_recipe_is_refused(home: Path) -> None:
    other = read_grid("demo", [*LITTLE, "pretraining.mask_ratio = 0.5"])
    with pytest.raises(InputError, match="another recipe"):
        benchmark(other, home / "demo", nothing, test=True)


def _blocks(document: Path) -> list[tuple[str, str]]:
    """The fenced blocks that promise to run: ``sh`` and ``python``, not ``console`` or ``py``."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", document.read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_code_blocks_of_a_document_run(document: Path, home: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    for language, code in _blocks(document):
        command = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
