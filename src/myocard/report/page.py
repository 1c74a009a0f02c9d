"""One page, its tables and its figures, from folders of results."""

import hashlib
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

from myocard.errors import InputError
from myocard.files.atomic import restore
from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.report.blocks import Block, Chapter, Provenance, Words
from myocard.report.drawing import write_text
from myocard.report.html import render, slug, write_blocks
from myocard.report.topics import (
    calibration,
    conditions,
    curves,
    delineation,
    encoders,
    facts,
    gains,
    gates,
    glossary,
    layers,
    operating,
    paths,
    readouts,
    significance,
    subgroups,
    training,
    transfers,
    weights,
)
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Section, sections
from myocard.results.delineation import DELINEATION
from myocard.results.layers import LAYERS
from myocard.results.run import RUN
from myocard.results.saved import SavedRun, find_files, load_runs

# A chapter's blocks, in this order. A new figure or table is a module with a function, and a line.
TOPICS = (
    facts.blocks,
    gains.blocks,
    curves.blocks,
    encoders.blocks,
    readouts.blocks,
    gates.blocks,
    readouts.encoder_blocks,
    paths.blocks,
    conditions.blocks,
    weights.blocks,
    calibration.blocks,
    operating.blocks,
    subgroups.blocks,
    readouts.detail_blocks,
)
READ = (RUN, LAYERS, DELINEATION, "log.jsonl", "reconstruction.npz", "config.json")
PAGE = "report.html"
_DIGEST = "results.sha256"
_TITLE = "Which layer should be read?"


def write_report(paths: Sequence[Path], out: Path) -> Path:
    """Write ``report.html``, ``tables/`` and ``figures/`` into the folder ``out``.

    Args:
        paths: Folders that hold, at any depth, runs (``run.json`` and ``predictions.parquet``),
            training logs (``log.jsonl``), reconstructions (``reconstruction.npz``), checkpoints
            (``config.json``), measures of layers (``layers.json``) and delineations
            (``delineation.json``).
        out: The folder to make, by the rule of ``files/step.py``. A report of the same folders is
            drawn again when what is in them has changed.

    Returns:
        The page.

    Raises:
        InputError: When nothing is found, a file is not what its name says, or ``out`` holds a
            report of other folders.
    """
    restore(out)
    digest = _digest(paths)

    def make(folder: Path, work: Path) -> None:
        _write(paths, folder, out)
        write_text(digest, folder / _DIGEST)

    def is_enough(folder: Path) -> bool:
        kept = folder / _DIGEST
        return kept.exists() and kept.read_text(encoding="utf-8") == digest

    results = sorted(relpath(path, out.parent) for path in paths)
    step(out, {"results": results}, make, is_enough=is_enough)
    return out / PAGE


def _digest(paths: Sequence[Path]) -> str:
    """A hash of everything that the report is drawn from."""
    digest = hashlib.sha256()
    for name in (*READ, "*.parquet"):
        for file, place in find_files(paths, name):
            digest.update(f"{place}/{file.name}".encode() + bytes.fromhex(file_hash(file)))
    return digest.hexdigest()


def _write(paths: Sequence[Path], folder: Path, out: Path) -> None:
    found = sections(load_runs(*paths))
    at_home = [section for section in found if section.trained_on is None]
    chapters = [
        *map(_chapter, at_home),
        *significance.chapters(at_home),
        *transfers.chapters(found),
        *layers.chapters(paths),
        *delineation.chapters(paths),
        *training.chapters(paths),
    ]
    if not chapters:
        names = ", ".join(map(str, paths))
        raise InputError(
            f"no {', '.join(READ)} in or below {names}; give the --out of `myocard probe`"
        )
    chapters.append(glossary.chapter())
    runs = [run for section in found for run in section.every_run]
    if runs:
        chapters.append(_provenance_chapter(runs))
    for name in ("figures", "tables"):
        (folder / name).mkdir()
    write_blocks(chapters, figures=folder / "figures", tables=folder / "tables")
    page = render(
        chapters, out, title=_TITLE, lead=NOTES["lead"], figures="figures/", tables="tables/"
    )
    write_text(page, folder / PAGE)


def _chapter(section: Section) -> Chapter:
    blocks: list[Block] = [block for topic in TOPICS for block in topic(section)]
    return Chapter(slug(section.name), f"{section.task}, {section.source}", blocks)


def _provenance_chapter(runs: Sequence[SavedRun]) -> Chapter:
    return Chapter(
        "provenance",
        "Where the numbers come from",
        [Words(NOTES["provenance"]), *(Provenance(run) for run in runs)],
    )
