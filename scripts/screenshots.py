"""Pictures of every page from a running app: `make screenshots`.

Writes docs/screenshots/PAGE.png (1440x900, light); with --all also dark and phone width.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from scripts.serve import ROOT, serving
from ui.pages import PAGES

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


def chromium(p: Playwright) -> Browser:
    """The browser of this machine."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    return p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])


def settle(page: Page) -> None:
    """Wait until nothing of a page is still on its way."""
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(
        "document.querySelector('[data-test-script-state=notRunning]') &&"
        "!document.querySelector('[data-testid=stSkeleton]')",
        timeout=60_000,
    )
    page.wait_for_timeout(2500)


def shoot(browser: Browser, address: str, name: str, size: str, scheme: str, path: Path) -> None:
    """One page, once its charts stand still."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"{address}/{name}")
    settle(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=size == "phone")
    context.close()
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--all", action="store_true", help="dark and phone width too")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as runs,
        serving(Path(runs), Path(runs) / "server.log") as address,
        sync_playwright() as p,
    ):
        browser = chromium(p)
        for name, *_ in PAGES:
            shoot(browser, address, name, "desktop", "light", args.out / f"{name}.png")
            if args.all:
                for size in SIZES:
                    for scheme in ("light", "dark"):
                        path = args.out / f"{name}-{size}-{scheme}.png"
                        shoot(browser, address, name, size, scheme, path)
        browser.close()


if __name__ == "__main__":
    main()
