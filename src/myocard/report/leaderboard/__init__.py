"""Encoders ranked by task: a page, a table and JSON, from folders of runs alone."""

from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

import pandas as pd

from myocard.errors import InputError
from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.report.drawing import write_numbers, write_text
from myocard.report.html import render
from myocard.report.leaderboard.page import chapters, table
from myocard.report.leaderboard.ranking import board_of
from myocard.report.templates import text_of
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import sections
from myocard.results.leaderboard import Leaderboard
from myocard.results.run import RUN
from myocard.results.saved import load_runs

PAGE = "index.html"
_NUMBERS = "leaderboard.csv"
_RUNS = "runs.sha256"


def write_leaderboard(paths: Sequence[Path], out: Path) -> Path:
    """Rank the encoders in some folders of runs, task by task, into the folder ``out``.

    Args:
        paths: Folders that hold runs at any depth.
        out: The folder to make, by the rule of ``files/step.py``: ``index.html``,
            ``leaderboard.csv`` and ``leaderboard.json``. It is made again when runs of the same
            folders have changed.

    Returns:
        The page.

    Raises:
        InputError: When no encoder was scored, or ``out`` was made from other folders.
    """
    runs = load_runs(*paths)
    digest = "\n".join(f"{file_hash(run.folder / RUN)} {run.place}" for run in runs)

    def make(folder: Path, work: Path) -> None:
        boards = tuple(board for each in sections(runs) if (board := board_of(each)) is not None)
        if not boards:
            names = ", ".join(map(str, paths))
            raise InputError(f"no run in or below {names}; give the --out of `myocard probe`")
        Leaderboard(boards=boards).write(folder)
        write_numbers(pd.concat([table(board, "").numbers for board in boards]), folder / _NUMBERS)
        script = text_of("leaderboard/sort.js")
        page = render(
            chapters(boards), out, title=NOTES["leaderboard_title"],
            lead=NOTES["leaderboard_lead"], numbers=_NUMBERS, script=script,
        )  # fmt: skip
        write_text(page, folder / PAGE)
        write_text(digest, folder / _RUNS)

    def is_enough(folder: Path) -> bool:
        kept = folder / _RUNS
        return kept.exists() and kept.read_text(encoding="utf-8") == digest

    results = sorted(relpath(path, out.parent) for path in paths)
    step(out, {"results": results}, make, is_enough=is_enough)
    return out / PAGE
