"""The main job from end to end, small."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from myocard.benchmark.estimate import estimate
from myocard.benchmark.reading import read_benchmark
from myocard.benchmark.run import run_benchmark
from myocard.benchmark.trials import Benchmark
from myocard.errors import InputError

LITTLE = (
    "stores.simulated.simulate.records = 120",
    "probing.seeds = [0, 1]",
    "probing.penalties = [1e-2]",
    "probing.min_positives = 2",
    "probing.resamples = 50",
    "probing.optimisation = {epochs = 2, batch = 32}",
    "probing.readouts = ['last', 'layers', 'ppa', 'scalar-mix', 'pma']",
    "layers = [{store = 'simulated', task = 'ptbxl-all', records = 20}]",
)
PRETRAINING = (
    *LITTLE,
    "pretraining.optimisation = {epochs = 0.3, warmup_epochs = 0, batch = 8}",
    "probing.readouts = ['last', 'layers']",
)


@pytest.fixture(scope="module")
def demo() -> Benchmark:
    return read_benchmark("demo", LITTLE)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, demo: Benchmark) -> Path:
    """A folder in which ``myocard demo`` was run."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    run_benchmark(demo, folder, test=True, jobs=2)
    return folder


def _written(done: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (done / "results").rglob("run.json")}


def test_pretrained_and_random_encoders_are_drawn_layer_by_layer(done: Path) -> None:
    curve = pd.read_csv(done / "report/figures/ptbxl-all-layers-1.csv").query("readout == 'layer'")
    points = curve.groupby("encoder")["layer"].apply(sorted)
    assert len(points) == 2
    assert "random" in points.index[1]
    assert all(layers == list(range(9)) for layers in points)
    assert "<svg" in (done / "report/report.html").read_text()


def test_the_report_tells_what_fewer_labels_and_leads_cost(done: Path) -> None:
    labels = pd.read_csv(done / "report/figures/ptbxl-all-labels-1.csv")
    assert labels.groupby("readout")["fraction"].apply(list).tolist() == [[0.1, 0.25, 1.0]] * 3
    leads = pd.read_csv(done / "report/tables/ptbxl-all-leads.csv")
    assert set(leads["leads"]) == {"I-II-V2", "I"}
    assert (leads["low"] <= leads["difference"]).all()


def test_the_report_tells_what_every_layer_is_like(done: Path) -> None:
    measures = pd.read_csv(done / "report/figures/layer-measures-1.csv")
    ranks = measures.query("measure == 'effective_rank'")
    assert ranks.groupby("encoder")["layer"].apply(list).tolist() == [list(range(9))] * 2


def test_a_demo_that_was_run_is_kept(done: Path, demo: Benchmark) -> None:
    before = _written(done)
    run_benchmark(demo, done, test=True)
    assert _written(done) == before


def test_only_a_missing_run_is_made_again(done: Path, demo: Benchmark) -> None:
    before = _written(done)
    lost = next(path for path in before if path.parent.name == "ppa-linear")
    shutil.rmtree(lost.parent)
    run_benchmark(demo, done, test=True)
    after = _written(done)
    assert after.keys() == before.keys()
    assert {path for path in before if before[path] != after[path]} == {lost}


def test_a_dry_run_finds_a_finished_demo(done: Path, demo: Benchmark) -> None:
    finished = [piece for piece in estimate(demo, done, test=True) if piece.name != "report"]
    assert {piece.state for piece in finished} == {"there"}


def test_a_demo_may_pretrain_its_own_encoder_which_is_kept_or_refused(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    page = run_benchmark(read_benchmark("demo-pretraining", PRETRAINING), out, test=True)
    assert "Is the pretraining worth it?" in page.read_text()
    other = read_benchmark("demo-pretraining", [*PRETRAINING, "pretraining.mask_ratio = 0.5"])
    with pytest.raises(InputError, match=r"mask_ratio is 0\.75, not 0\.5"):
        run_benchmark(other, out, test=True)
    refused = [piece for piece in estimate(other, out, test=True) if piece.state == "refused"]
    assert "encoder demo" in [piece.name for piece in refused]
    assert all("0.75, not 0.5" in p.reason for p in refused if p.name == "encoder demo")
