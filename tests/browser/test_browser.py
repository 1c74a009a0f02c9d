"""The browser of the tests tells a page that asks the network or fails from one that does not."""

from pathlib import Path

import pytest

GOOD = """<!DOCTYPE html><html lang="en"><head><title>Good</title><link rel="icon" href="data:,">
</head><body><main><h1>Good</h1></main></body></html>"""


def test_a_good_page_is_good(page, require_accessible, tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text(GOOD)
    page.goto((tmp_path / "good.html").as_uri())
    require_accessible(page)


def test_a_page_that_cannot_be_read_aloud_is_found(page, require_accessible, tmp_path) -> None:
    (tmp_path / "bad.html").write_text(GOOD.replace("<h1>Good</h1>", '<img src="data:,">'))
    page.goto((tmp_path / "bad.html").as_uri())
    with pytest.raises(AssertionError, match="image-alt"):
        require_accessible(page)
