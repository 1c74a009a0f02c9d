"""Pages of explanations by the rule of finishing: of one file, or of a folder with an index."""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myocard.data.faults import unreadable
from myocard.data.formats.reading import opened
from myocard.data.sources.listing import record_files, state
from myocard.data.window import Stated
from myocard.errors import InputError
from myocard.evaluation.explaining import explain
from myocard.files.atomic import replace_file
from myocard.files.names import as_text
from myocard.files.progress import Progress, silent
from myocard.files.step import file_step, step
from myocard.models.model import Model
from myocard.record import Record
from myocard.results.explanation import Entry, Explanation

if TYPE_CHECKING:
    from myocard.evaluation.explaining.neighbours import TrainingRecords

INDEX, ENTRIES = "index.html", "entries.jsonl"
"""The index, and its rows as one JSON object a line."""
_LONGEST = 100
"""Letters of a record's name in that of its page; systems allow 255, and some is put around it."""
Page = Callable[[Explanation], str]
Index = Callable[[Sequence[Entry], str], str]
"""Function that renders the index of some entries under a title."""


@dataclass(frozen=True, eq=False)
class Question:
    """A question that is put to every record.

    Attributes:
        model: A model with a decision.
        training: Its training records, of which the nearest are named.
        layer: The layer at which they are; None for the one that weighs most.
        stated: Statements about records whose files do not make them.
    """

    model: Model
    training: "TrainingRecords | None" = None
    layer: int | None = None
    stated: Stated = Stated()

    def answer(self, file: Path) -> Explanation:
        """Explain the record in a file.

        Raises:
            InputError: When it cannot be read.
        """
        record, name = self._read(file), as_text(file.stem)
        return explain(self.model, record, name=name, training=self.training, layer=self.layer)

    def _read(self, file: Path) -> Record:
        try:
            return opened(file, **self.stated._asdict()).whole()
        except InputError:
            raise
        except Exception as error:
            raise unreadable(file, error) from error

    def inputs(self, files: Sequence[Path]) -> Mapping[str, Any]:
        """All that the pages of some files depend on."""
        reference, training = self.model.reference, self.training
        told = "" if reference is None else reference.stated.model_dump_json()
        return {
            "model": self.model.statement.key,
            "reference": hashlib.sha256(told.encode()).hexdigest(),
            "training": None if training is None else training.key,
            "layer": self.layer,
            **self.stated._asdict(),
            "files": len(files),
            "listing": state(files),
        }


def write_page(question: Question, file: Path, out: Path, page: Page) -> None:
    """Write the page of the record in a file.

    Args:
        question: The question.
        file: The file.
        out: The page to write, ``.html``, by the rule of ``files/step.py``.
        page: Renders it.

    Raises:
        InputError: When the record cannot be read, or ``out`` is no ``.html`` or was made from
            others.
    """
    if out.suffix != ".html":
        raise InputError(f"{out}: the page of one file; end its name in .html")
    (listed,), _ = record_files([file])

    def make(fresh: Path, work: Path) -> None:
        fresh.write_text(page(question.answer(listed)), encoding="utf-8")

    file_step(out, question.inputs([listed]), make)


def write_pages(
    question: Question,
    folder: Path,
    out: Path,
    page: Page,
    index: Index,
    progress: Progress = silent,
) -> int:
    """Write a page for the record in each file of a folder, and an index.

    A file that cannot be read is a row of the index with its reason. A job that was stopped goes on
    where it was.

    Args:
        question: The question.
        folder: The folder, which is searched for records.
        out: The folder to write, by the rule of ``files/step.py``.
        page: Renders a page.
        index: Renders the index.
        progress: Called after every record.

    Returns:
        The number of files without a page.

    Raises:
        InputError: When there is no record, or ``out`` was made from others.
    """
    files, _ = record_files([folder])
    if not files:
        raise InputError(f"{folder}: no file of a record there")
    what = f"explain by {question.model.encoder.info.name}"

    def make(fresh: Path, work: Path) -> None:
        entries = []
        for number, file in enumerate(files, 1):
            entries.append(_entry(question, file, work, f"{number:04d}", page))
            progress(what, number, len(files))
        # Copied: a kill that comes now takes the fresh folder, and should not take the pages.
        for name in [entry.page for entry in entries if entry.page is not None]:
            shutil.copyfile(work / name, fresh / name)
        (fresh / INDEX).write_text(index(entries, as_text(folder.resolve().name)), encoding="utf-8")
        lines = "".join(f"{each.model_dump_json()}\n" for each in entries)
        (fresh / ENTRIES).write_text(lines, encoding="utf-8")

    step(out, question.inputs(files), make)
    lines = (out / ENTRIES).read_text(encoding="utf-8").splitlines()
    return sum(Entry.model_validate_json(line).page is None for line in lines)


def _entry(question: Question, file: Path, work: Path, number: str, page: Page) -> Entry:
    """Write a page into the workplace, or find the one that a stopped job left there."""
    kept = work / f"{number}.json"
    if kept.exists():
        return Entry.model_validate_json(kept.read_text(encoding="utf-8"))
    name = f"{number}-{re.sub(r'[^A-Za-z0-9._-]+', '-', file.stem)[:_LONGEST]}.html"
    try:
        found = question.answer(file)
        text = page(found)
        replace_file(work / name, lambda fresh: fresh.write_text(text, encoding="utf-8"))
        entry = found.entry(name)
    except InputError as error:
        entry = Entry(name=as_text(file.stem), error=" ".join(as_text(str(error)).split()))
    replace_file(kept, lambda fresh: fresh.write_text(entry.model_dump_json(), encoding="utf-8"))
    return entry
