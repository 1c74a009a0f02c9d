"""The index of pages on records, sorted by keyboard and read aloud."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from record_pages import CLASSES, explanation

from myocard.report.record.index import index as render
from myocard.results.explanation import Entry


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    draws, found = np.random.default_rng(3), []
    for number in range(6):
        one = replace(
            explanation(f"record {number}"),
            scores=draws.random(3).astype(np.float32),
            single=draws.random((5, 3)),
        )
        found.append(one.entry(f"{number}.html"))
    return [*found, Entry(name="broken", error="broken.csv: not a table of numbers")]


@pytest.fixture
def opened(page, entries, tmp_path: Path):
    (tmp_path / "index.html").write_text(render(entries, "ward-7"), encoding="utf-8")
    page.goto((tmp_path / "index.html").as_uri())
    return page


def names(page) -> list[str]:
    return page.locator("#index tbody a").all_inner_texts()


@pytest.mark.parametrize("column", [*CLASSES, "Disagreement"])
def test_it_is_sorted_by_a_button_and_by_keyboard(opened, entries, column):
    explained = entries[:-1]
    value = (lambda e: e.disagreement) if column == "Disagreement" else (lambda e: e.scores[column])
    rising = [each.name for each in sorted(explained, key=value)]
    button, head = (opened.get_by_role(each, name=column) for each in ("button", "columnheader"))
    button.focus()
    opened.keyboard.press("Enter")
    assert names(opened) == rising[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    assert opened.get_by_role("status").inner_text() == f"Sorted by {column}, the highest first."
    opened.keyboard.press("Space")
    assert names(opened) == rising
    assert head.get_attribute("aria-sort") == "ascending"
    opened.get_by_role("button", name="Record").click()
    assert names(opened) == [each.name for each in explained]
    assert opened.locator("[aria-sort]").count() == 1


def test_a_file_without_a_page_is_a_row_with_its_reason(opened):
    row = opened.get_by_role("row", name="broken")
    assert "not a table of numbers" in row.inner_text()


def test_it_can_be_used_by_all_at_every_size(opened, require_accessible):
    require_accessible(opened)
    opened.set_viewport_size({"width": 360, "height": 740})
    require_accessible(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
