"""The code blocks and tables of the documents, against the program."""

import os
import re
import subprocess
import sys
import tomllib
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IN_ORDER = [
    "docs/guide.md",
    "docs/tasks.md",
    "docs/predict.md",
    "docs/export.md",
    "docs/api.md",
    "docs/encoders.md",
    "docs/embeddings.md",
    "docs/sklearn.md",
    "docs/plots.md",
    "docs/jobs.md",
]
"""Documents whose blocks run where those of the README have run."""


def _blocks(document: Path) -> list[tuple[str, str]]:
    """Find the code that promises to run, ``sh`` and ``python``; neighbours are one program."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```", document.read_text(), flags=re.M | re.S)
    grouped = groupby(blocks, key=lambda block: block[0])
    return [(language, "".join(code for _, code in group)) for language, group in grouped]


def _run_blocks(document: Path, home: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # Else each command compiles the package anew: 4 s of CPU.
    }
    for language, code in _blocks(document):
        command = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's blocks were run, as printed."""
    folder = tmp_path_factory.mktemp("home")
    _run_blocks(ROOT / "README.md", folder)
    return folder


def test_the_readme_leads_from_a_folder_of_ptb_xl_to_a_report(home: Path) -> None:
    assert "<svg" in (home / "report/report.html").read_text()


@pytest.mark.parametrize("document", IN_ORDER)
def test_the_blocks_of_a_document_run_after_the_readme(document: str, home: Path) -> None:
    _run_blocks(ROOT / document, home)


def test_blocks_that_promise_to_run_are_run() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    promising = {path.relative_to(ROOT).as_posix() for path in documents if _blocks(path)}
    assert promising == {"README.md", *IN_ORDER}


def test_the_layers_of_the_architecture_are_those_of_the_import_contract() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    contract = next(each for each in contracts if each["type"] == "layers")
    proved = [re.sub(r"[()]", "", layer) for layer in contract["layers"]]
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \d+ \| `([^`]*)` \|", text, flags=re.M)
    told = [row.replace("\\|", "|") for row in rows]
    assert told == proved
