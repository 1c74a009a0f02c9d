"""Every notebook runs from its first cell to its last, and shows what it was committed with."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def shown(notebook: nbformat.NotebookNode) -> list[list[list[str]]]:
    """Kinds of what each cell shows: text, tables, figures."""
    return [
        [sorted(output.get("data", {})) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_was_committed_with(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, 4)
    committed = shown(notebook)
    looked_at = {"image/png", "text/html"}
    assert any(looked_at & set(kinds) for cell in committed for kinds in cell)
    where = {"metadata": {"path": str(EXAMPLES)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
    assert shown(notebook) == committed
    assert path.stat().st_size < 400_000
