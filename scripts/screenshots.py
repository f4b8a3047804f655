"""Pictures of every page from a running app: `make screenshots`.

Writes docs/screenshots/PAGE.png (1440x900, light).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from scripts.serve import ROOT, serving
from ui.pages import PAGES

SHOTS = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


def program() -> str | None:
    """The Chromium of this machine."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def chromium(p: Playwright) -> Browser:
    """The browser of this machine."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    return p.chromium.launch(executable_path=program(), args=flags)


@contextmanager
def browsing() -> Iterator[tuple[Browser, str]]:
    """The browser of this machine, and the address of a server of its own."""
    with (
        tempfile.TemporaryDirectory() as runs,
        serving(Path(runs), Path(runs) / "server.log") as address,
        sync_playwright() as p,
    ):
        browser = chromium(p)
        yield browser, address
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, size: str = "desktop") -> Iterator[Page]:
    """A page of which nothing is still on its way."""
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(
        "document.querySelector('[data-test-script-state=notRunning]') &&"
        "!document.querySelector('[data-testid=stSkeleton]')",
        timeout=60_000,
    )
    page.wait_for_timeout(2500)  # charts stand still
    yield page
    context.close()


def main() -> None:
    with browsing() as (browser, address):
        for name, *_ in PAGES:
            with opened(browser, f"{address}/{name}") as page:
                page.screenshot(path=SHOTS / f"{name}.png")
            print(f"{name}.png")


if __name__ == "__main__":
    main()
