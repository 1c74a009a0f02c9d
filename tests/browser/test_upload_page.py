"""The page of the server in a browser: for everybody, on any screen, and without scripts."""

import pytest

from myocard.server.app import _page
from myocard.server.gate import Limits


@pytest.fixture
def file(decided, tmp_path):
    (tmp_path / "index.html").write_text(_page(decided, Limits()), encoding="utf-8")
    return (tmp_path / "index.html").as_uri()


def test_a_file_is_chosen_by_keyboard_and_by_screen_readers(page, file, require_accessible):
    page.goto(file)
    require_accessible(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    page.get_by_text("For files that do not say").click()
    page.get_by_label("Leads, in the order of rows").fill("I,II")
    require_accessible(page)
    names = page.locator("button").all_inner_texts()
    assert names == ["Explain on a page", "Predict, as JSON"]


def test_a_phone_shows_all_of_it(phone, file, require_accessible):
    phone.goto(file)
    phone.get_by_text("For files that do not say").click()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    require_accessible(phone)
