"""The main job from end to end, small; and the code blocks of the documents, on what it leaves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from myocard.demo import Plan, run
from myocard.recipe import Optimisation, ProbeRecipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = Plan(
    records=120,
    pretraining=Optimisation(epochs=0.3, batch=8, base_learning_rate=1e-2, weight_decay=0.01),
    probing=ProbeRecipe(
        task="ptbxl-all",
        readouts=("last", "layers", "ppa", "scalar-mix", "pma"),
        heads=("linear",),
        seeds=(0, 1),
        penalties=(1e-2,),
        min_positives=2,
        resamples=50,
        optimisation=Optimisation(
            epochs=2, batch=32, base_learning_rate=8e-3, weight_decay=0.0, precision="fp32"
        ),
    ),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``myocard demo`` was run."""
    folder = tmp_path_factory.mktemp("home")
    run(folder / "demo", lambda what, done, total: None, SMALL)
    return folder


def test_the_demo_draws_pretrained_and_random_encoders_layer_by_layer(home: Path) -> None:
    curve = pd.read_csv(home / "demo/figures/ptbxl-all-layers-1.csv").query("readout == 'layer'")
    points = curve.groupby("encoder")["layer"].apply(sorted)
    assert len(points) == 2
    assert "random" in points.index[1]
    assert all(layers == list(range(9)) for layers in points)
    assert "<svg" in (home / "demo/report.html").read_text()


def test_a_demo_that_was_run_is_not_run_again(home: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (home / "demo/results").rglob("run.json")}
    seen: list[str] = []
    run(home / "demo", lambda what, done, total: seen.append(what), SMALL)
    assert seen == []
    assert before == {p: p.stat().st_mtime_ns for p in (home / "demo/results").rglob("run.json")}


def _blocks(document: Path) -> list[tuple[str, str]]:
    """The fenced blocks that promise to run: ``sh`` and ``python``, not ``console``."""
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
