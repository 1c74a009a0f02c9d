"""The leaderboard in a browser: sorted by pressing headings, open to screen readers."""

from pathlib import Path

import pytest
from written_runs import write_run

from myocard.report.leaderboard import write_leaderboard
from myocard.results.run import EncoderInfo


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("board")
    for name, noise in (("b", 0.5), ("a", 2.0), ("c", 5.0)):
        info = EncoderInfo(name=name, hash=name, layers=4, datasets=("ptbxl",))
        write_run(place / "runs" / name, noise=noise, encoder=info)
    return write_leaderboard([place / "runs"], place / "out")


def test_a_heading_sorts_the_table_both_ways_by_mouse_and_keyboard(page, board, require_accessible):
    page.goto(board.as_uri())
    require_accessible(page)

    def column(place: int) -> list[str]:
        return page.locator(f"tbody tr > :nth-child({place})").all_inner_texts()

    assert column(1) == ["b", "a", "c"]
    page.get_by_role("button", name="Encoder").click()
    assert column(1) == ["a", "b", "c"]
    assert page.locator("th[aria-sort=ascending]").count() == 1
    score = page.get_by_role("button", name="Macro AUROC")
    score.focus()
    page.keyboard.press("Enter")
    numbers = [float(text.split()[0]) for text in column(4)]
    assert numbers == sorted(numbers)
    page.keyboard.press("Enter")
    assert column(1) == ["b", "a", "c"]
    assert page.locator("th[aria-sort=descending]").count() == 1
    # A missing number is last either way.
    gap = page.get_by_role("button", name="To the first")
    for _ in range(2):
        gap.click()
        assert column(5)[-1] == "–"
    require_accessible(page)


def test_the_table_scrolls_within_a_phone(phone, board, require_accessible):
    phone.goto(board.as_uri())
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    require_accessible(phone)
