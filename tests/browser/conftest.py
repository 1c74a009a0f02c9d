"""A real Chromium for the tests of pages: one a process, a fresh context for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
)
_HERE = ("file:", "data:", "blob:", "about:", "http://127.0.0.1", "http://localhost")
"""Beginnings of addresses that do not leave this machine."""

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; tests that need it skip where Debian's is not installed."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not there: no browser to look at pages with")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page at the size of a desktop; the test fails if it asks the network or tells of errors."""
    context = chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    context.set_default_timeout(60_000)
    left, told = [], []

    def watch(route: Route) -> None:
        if route.request.url.startswith(_HERE):
            route.continue_()
        else:
            left.append(route.request.url)
            route.abort()

    context.route("**/*", watch)
    opened = context.new_page()
    opened.on("console", lambda said: told.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: told.append(str(error)))
    yield opened
    context.close()
    assert left == [], "requests to the network"
    assert told == [], "errors on the console"


@pytest.fixture
def phone(page: Page) -> Page:
    """The page at the size of a small phone."""
    page.set_viewport_size(PHONE)
    return page


@pytest.fixture(scope="session")
def require_accessible() -> Callable[[Page], None]:
    """Check a page as it is now with axe-core, all of its rules."""
    axe = Axe()

    def check(page: Page) -> None:
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()

    return check
