"""The documents as a site: built strictly, read and searched from disk without a network."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site; a link or anchor that leads nowhere is an error of the build."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", out]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_it_is_found_by_a_word_without_a_network(site, page):
    page.goto((site / "index.html").as_uri())
    # As a person types: the page takes what is typed once it is up.
    page.get_by_role("textbox", name="Search").press_sequentially("pseudonyms", delay=200)
    found = page.locator(".md-search-result__link").first
    found.wait_for()
    found.click()
    page.wait_for_url(lambda address: "index.html" not in address)
    page.get_by_text("pseudonym").first.wait_for(state="attached")


@pytest.mark.parametrize("name", ["index", "reference", "commands", "results"])
def test_pages_fit_a_phone(site, phone, name):
    phone.goto((site / f"{name}.html").as_uri())
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_public_name_is_in_the_reference(site, page):
    import myocard

    page.goto((site / "reference.html").as_uri())
    headings = page.locator("article h2").all_inner_texts()
    named = {heading.split()[0].strip("¶") for heading in headings}
    public = {getattr(myocard, name).__name__ for name in myocard.__all__} - {"myocard.plot"}
    assert public | {"layer_curve", "gate_over_time"} <= named
