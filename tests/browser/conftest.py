"""A real Chromium and fresh servers. Every tab ends with an empty console and no exception."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scripts.screenshots import chromium as browser_of
from scripts.screenshots import program
from scripts.serve import serving

# Streamlit's own frame asks for these two below a deep link and takes 404 for an answer.
PROBES = ("_stcore/health", "_stcore/host-config")
WAITS = 120_000  # milliseconds for anything: a busy machine may need them
expect.set_options(timeout=WAITS)


class Tab:
    """A visitor's tab at a server."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.errors: list[str] = []
        self.ticks = False  # a page that ticks may overtake its own pictures, which are 404 then
        page.on("pageerror", lambda e: self.errors.append(str(e)))
        page.on("console", lambda m: self._hear(m.type, m.text, m.location.get("url", "")))

    def _hear(self, kind: str, text: str, url: str) -> None:
        overtaken = self.ticks and "/media/" in url
        if kind == "error" and not url.endswith(PROBES) and not overtaken:
            self.errors.append(f"{text} {url}")

    def open(self, path: str = "") -> Page:
        self.page.goto(f"{self.address}/{path}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        self.rest()
        return self.page

    def rest(self) -> None:
        """Wait until the script has ended and every picture is there.

        Streamlit forgets the pictures of a run that was overtaken: who moves on before they have
        come sees the next ones, and the console a 404.
        """
        expect(self.page.locator('[data-test-script-state="notRunning"]')).to_be_visible()
        self.page.wait_for_function(
            "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
        )

    def sees(self, text: str) -> None:
        """Wait for a text of its own, and rest."""
        expect(self.page.get_by_text(text, exact=True).first).to_be_visible()
        self.rest()

    def close(self) -> None:
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        self.rest()
        self.page.context.close()
        assert self.errors == []


Open = Callable[..., Tab]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not program():
        pytest.skip("no Chromium here and no right to install one")
    with sync_playwright() as p:
        found = browser_of(p)
        yield found
        found.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server that most tests share."""
    runs = tmp_path_factory.mktemp("runs")
    with serving(runs, runs / "server.log") as address:
        yield address


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A server that nobody has asked yet; its runs are in `tmp_path`."""
    with serving(tmp_path, tmp_path / "server.log") as address:
        yield address


@pytest.fixture
def new_tab(chromium: Browser) -> Iterator[Open]:
    """Opens tabs, each in a context of its own: `new_tab(address, color_scheme="dark")`."""
    tabs: list[Tab] = []

    def opened(address: str, **settings: Any) -> Tab:
        context = chromium.new_context(**{"viewport": {"width": 1440, "height": 900}} | settings)
        context.set_default_timeout(WAITS)
        tabs.append(Tab(context.new_page(), address))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()


@pytest.fixture
def tab(server: str, new_tab: Open) -> Tab:
    """A tab at the shared server."""
    return new_tab(server)
