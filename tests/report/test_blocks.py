"""A chapter is a list of blocks, and the page shows all of them, in order."""

from html import escape
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from myocard.report import write_report
from myocard.report.blocks import (
    Block,
    Definitions,
    Fold,
    Gallery,
    Heading,
    Points,
    Provenance,
    Tabulated,
    Words,
    all_blocks,
    folded_tables,
    table_blocks,
)
from myocard.report.page import TOPICS
from myocard.report.table import Table
from myocard.report.topics import glossary
from myocard.report.words import NOTES, read_words
from myocard.results.compare.comparisons import sections
from myocard.results.saved import load_runs


def table(name: str, rows: int = 1) -> Table:
    shown = pd.DataFrame([{"Task": "a"}] * rows)
    return Table(name, f"About {name}.", shown, shown)


EMPTY = table("empty", rows=0)


def test_all_blocks_are_those_in_folds_too_in_reading_order():
    inner = Fold("inner", [Words("c")])
    blocks = [Heading("a"), Fold("outer", [Words("b"), inner]), Words("d")]
    told = [getattr(block, "text", None) or block.summary for block in all_blocks(blocks)]
    assert told == ["a", "outer", "b", "inner", "c", "d"]


def test_a_table_without_a_line_makes_no_block():
    assert table_blocks(EMPTY, "a note") == []
    assert folded_tables([EMPTY], "a note") == []


def test_a_table_stands_above_its_notes():
    assert table_blocks(some := table("some"), "first", "second") == [
        Tabulated(some),
        Words("first", "facts"),
        Words("second", "facts"),
    ]


def test_each_table_is_folded_under_its_caption():
    folds = folded_tables([table("one"), EMPTY, table("two")], "a note")
    assert [fold.summary for fold in folds] == ["About one.", "About two."]
    assert [len(fold.blocks) for fold in folds] == [2, 2]


def words_of(block: Block) -> list[str]:
    """Texts that a reader must find on the page."""
    match block:
        case Heading() | Words():
            return [block.text]
        case Points():
            return list(block.items)
        case Gallery():
            return [figure.caption for figure in block.figures]
        case Tabulated():
            return [block.table.caption]
        case Fold():
            return [block.summary]
        case Definitions():
            return [text for pair in block.pairs for text in pair]
        case Provenance():
            return [block.run.place, block.run.info.command]


@pytest.fixture
def blocks(runs) -> list[Block]:
    """The blocks of the one section, of the glossary, and of every run."""
    (section,) = sections(load_runs(runs))
    found = [block for topic in TOPICS for block in topic(section)]
    found += glossary.chapter().blocks
    return [*all_blocks(found), *map(Provenance, section.every_run)]


def test_every_block_is_on_the_page_and_in_order(blocks, runs, tmp_path):
    assert {type(block) for block in blocks} == set(get_args(Block))
    page = write_report([runs], tmp_path / "out").read_text()
    start = page.index("<main>")
    for text in (text for block in blocks for text in words_of(block)):
        escaped = escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
        assert escaped in page[start:], text
        start = page.index(escaped, start)


def test_every_figure_and_table_of_a_block_is_a_file(blocks, runs, tmp_path):
    out = write_report([runs], tmp_path / "out").parent
    figures = {
        each.name for block in blocks if isinstance(block, Gallery) for each in block.figures
    }
    tables = {block.table.name for block in blocks if isinstance(block, Tabulated)}
    assert len(figures) > 3
    assert len(tables) > 6
    assert figures == {path.stem for path in (out / "figures").glob("*.svg")}
    assert tables - {path.stem for path in (out / "tables").glob("*.csv")} == set()


def test_contents_name_every_chapter(report: Path):
    page = (report / "report.html").read_text()
    contents = page[page.index("<nav") : page.index("</nav>")]
    titles = [line.split(">")[1].split("<")[0] for line in page.splitlines() if "<h2 " in line]
    assert titles == [
        "ptbxl-superdiagnostic, ptbxl",
        "Across tasks",
        "Training",
        "How to read this page",
        "Where the numbers come from",
    ]
    assert [f">{title}</a>" in contents for title in titles] == [True] * len(titles)


def test_no_word_of_the_page_is_torn_by_a_line_break():
    """A hyphen at a line's end would come back with a blank behind it."""

    def texts(content) -> list[str]:
        if isinstance(content, str):
            return [content]
        parts = content.values() if isinstance(content, dict) else content
        return [text for part in parts for text in texts(part)]

    for text in texts([NOTES, read_words("glossary"), read_words("measures")]):
        torn = [word for word in text.split() if word.endswith("-")]
        assert torn == [], text
        assert "\n" not in text
