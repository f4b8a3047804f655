"""A real Chromium and fresh servers. Every tab ends with an empty console and no exception."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# Streamlit's own frame asks for these two below a deep link and takes 404 for an answer.
PROBES = ("_stcore/health", "_stcore/host-config")
STARTS = 60.0  # seconds a server may take to come up
WAITS = 120_000  # milliseconds for anything else: a busy machine may need them
expect.set_options(timeout=WAITS)


@contextmanager
def serving(runs: Path) -> Iterator[str]:
    """A fresh `streamlit run app.py` on a free port; its log goes beside the runs."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = {**os.environ, "AMBIENT_RUNS": str(runs)}
    with (runs / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        deadline = time.monotonic() + STARTS
        while not _healthy(address):
            down = process.poll() is not None or time.monotonic() > deadline
            assert not down, (runs / "server.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


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


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "no Chromium; make test installs one where it can"
    with sync_playwright() as p:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        found = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server that the tests of a module share."""
    with serving(tmp_path_factory.mktemp("runs")) as address:
        yield address


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A server that nobody has asked yet; its runs are in `tmp_path`."""
    with serving(tmp_path) as address:
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
    """A tab at the module's server."""
    return new_tab(server)
