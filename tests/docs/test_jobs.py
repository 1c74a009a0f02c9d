"""The table of docs/jobs.md is that of the code which it counts."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/experiments/jobs.py"
spec = spec_from_file_location("jobs", SCRIPT)
assert spec is not None
assert spec.loader is not None
jobs = module_from_spec(spec)
spec.loader.exec_module(jobs)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ('"""Title."""\nfrom a import (\n    b,\n)\n\n# Why.\nx = 1  # one\n', 1),
        ("f(\n    1,\n    # two\n\n    2,\n)\n", 4),
        ('def f():\n    """Do."""\n    return """a\nb"""\n', 3),
    ],
)
def test_blank_lines_comments_docstrings_and_imports_are_no_lines_of_code(code, lines):
    assert jobs.count("python", code) == lines


def test_the_lines_of_each_job_are_those_of_its_code():
    page = jobs.PAGE.read_text(encoding="utf-8")
    assert page == jobs.with_counts(page), f"run python {SCRIPT}"
    assert list(jobs.ours(page)) == list(range(1, len(jobs.JOBS) + 1))


def test_each_file_of_another_tool_is_in_the_table():
    files = {file.stem for file in (SCRIPT.parent / "jobs").iterdir() if file.is_file()}
    assert files <= {f"{tool}_{job}" for tool in jobs.OTHERS for job in jobs.JOBS}
