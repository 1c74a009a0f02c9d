"""The blocks of the page: a chapter is a list of them, and the template one loop."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from myocard.report.drawing import Figure
from myocard.report.table import Table
from myocard.results.saved import SavedRun


@dataclass(frozen=True)
class Heading:
    """A heading within a chapter."""

    kind: ClassVar = "heading"
    text: str


@dataclass(frozen=True)
class Words:
    """A paragraph: plain, a fact in small print, or a warning."""

    kind: ClassVar = "words"
    text: str
    tone: Literal["plain", "facts", "warn"] = "plain"


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    kind: ClassVar = "points"
    items: Sequence[str]


@dataclass(frozen=True)
class Gallery:
    """Figures side by side; wide ones get a line each."""

    kind: ClassVar = "gallery"
    figures: Sequence[Figure]
    wide: bool = False


@dataclass(frozen=True)
class Tabulated:
    """A table."""

    kind: ClassVar = "table"
    table: Table


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown when their summary is clicked."""

    kind: ClassVar = "fold"
    summary: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Definitions:
    """Terms and what they mean."""

    kind: ClassVar = "definitions"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Provenance:
    """The command, settings and versions of a run."""

    kind: ClassVar = "provenance"
    run: SavedRun


Block = Heading | Words | Points | Gallery | Tabulated | Fold | Definitions | Provenance


@dataclass(frozen=True)
class Chapter:
    """A chapter of the page.

    Attributes:
        anchor: Its address within the page.
        title: Its heading.
        blocks: Its content.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]


def all_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    """``blocks`` and those that are folded in them."""
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from all_blocks(block.blocks)


def headed(title: str, blocks: Sequence[Block]) -> list[Block]:
    """Blocks under a heading; nothing for none."""
    return [Heading(title), *blocks] if blocks else []


def galleries(figures: Sequence[Figure]) -> list[Block]:
    """Figures side by side; nothing for none."""
    return [Gallery(figures)] if figures else []


def table_blocks(table: Table, *notes: str) -> list[Block]:
    """A table with notes below it; nothing for an empty one."""
    if not len(table.shown):
        return []
    return [Tabulated(table), *(Words(note, "facts") for note in notes)]


def folded_tables(tables: Sequence[Table], *notes: str) -> list[Block]:
    """Every table that is not empty, folded under its caption."""
    return [
        Fold(table.caption, table_blocks(table, *notes)) for table in tables if len(table.shown)
    ]
