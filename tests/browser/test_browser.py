"""The real thing: a fresh server, a real Chromium, every page as the first request."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ui import frame

playwright = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
PAGES = ["", *(name for name, *_ in frame.PAGES[1:])]
# Streamlit's own frame asks for these two below a deep link and takes 404 for an answer.
PROBES = ("_stcore/health", "_stcore/host-config")

pytestmark = pytest.mark.browser


@contextmanager
def server(runs: Path) -> Iterator[str]:
    """A fresh `streamlit run app.py` on a free port; its log goes beside the runs."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    environment = {**os.environ, "AMBIENT_RUNS": str(runs)}
    with (runs / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not healthy(address):
            assert time.monotonic() < deadline, (runs / "server.log").read_text()
            assert process.poll() is None, (runs / "server.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def tab() -> Iterator[tuple[object, list[str]]]:
    """A page of a new browser, and the errors its console collects."""
    assert CHROMIUM, "no Chromium; make test installs one where it can"
    errors: list[str] = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda e: errors.append(str(e)))
        page.on(
            "console",
            lambda m: (
                errors.append(f"{m.text} {m.location.get('url', '')}")
                if m.type == "error" and not m.location.get("url", "").endswith(PROBES)
                else None
            ),
        )
        yield page, errors
        browser.close()


def at_rest(page: playwright.Page) -> None:
    """Wait until the script has ended and every picture is there.

    Streamlit forgets the pictures of a run that was overtaken: who moves on before they have come
    sees the next ones, and the console a 404.
    """
    playwright.expect(page.locator('[data-test-script-state="notRunning"]')).to_be_visible(
        timeout=20_000
    )
    page.wait_for_function(
        "[...document.images].every(i => i.complete && i.naturalWidth > 0)", timeout=20_000
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_page_comes_up_as_the_first_request(name: str, tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/{name}")
        expect = playwright.expect
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
        expect(page.get_by_text("Spot the copy").first).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=60_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        _, title, *_ = frame.PAGES[(PAGES.index(name) + 1) % len(PAGES)]
        word = "Next:" if PAGES.index(name) + 1 < len(PAGES) else "Back to"
        expect(page.get_by_text(f"{word} {title}")).to_be_visible(timeout=60_000)
        assert errors == []


def test_the_headline_numbers_are_the_stored_ones(tmp_path: Path) -> None:
    from ambient.runs.folder import open_run

    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(address)
        for name in ("emoji-100-standard", "emoji-100-ambient-1.0"):
            report = open_run(name).report()
            assert report is not None
            share = f"{report['copies']['ratio']['rate'] * 100:.0f} %"
            playwright.expect(page.get_by_text(share).first).to_be_visible(timeout=60_000)
        playwright.expect(page.get_by_text("95 % interval").first).to_be_visible()
        playwright.expect(page.get_by_role("img").first).to_be_visible()
        assert errors == []


def test_digits_trained_from_the_page(tmp_path: Path) -> None:
    from ambient.runs.folder import open_run

    with server(tmp_path) as address, tab() as (page, errors):
        expect = playwright.expect
        page.goto(f"{address}/train_your_own")
        steps = page.get_by_label("Steps", exact=True)
        expect(steps).to_be_visible(timeout=60_000)
        steps.fill("50")
        steps.press("Tab")
        page.get_by_role("button", name="Train", exact=True).click()
        metrics = "digits-50-standard-1/metrics.jsonl"
        deadline = time.monotonic() + 120
        while not (tmp_path / metrics).exists() and time.monotonic() < deadline:
            page.wait_for_timeout(500)
        assert (tmp_path / metrics).exists()
        expect(page.get_by_text("done", exact=False).first).to_be_visible(timeout=240_000)
        expect(page.get_by_text("Unseen real images: called copies")).to_be_visible()
        run = open_run(tmp_path / "digits-50-standard-1")
        assert run.last_step == 50 and run.report() is not None
        loss = f"{run.metrics()[-1]['loss']:.3f} at step 50"
        expect(page.get_by_text(loss).first).to_be_visible(timeout=20_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert errors == []


def test_a_move_of_the_cutoff_shows_its_stored_result(tmp_path: Path) -> None:
    from ambient.runs.folder import BUNDLED_RUNS, list_runs
    from ui.words import interval

    stored = {
        run.config.cutoff: run.report()
        for run in list_runs(BUNDLED_RUNS)
        if run.config.n_train == 300 and run.config.arm in ("standard", "ambient")
    }
    with server(tmp_path) as address, tab() as (page, errors):
        expect = playwright.expect
        page.goto(f"{address}/move_the_cutoff?n=300")
        slider = page.get_by_role("slider", name="Cutoff")
        expect(slider).to_be_visible(timeout=60_000)
        at_rest(page)
        slider.press("Home")
        for cutoff in sorted(stored)[1:]:
            at_rest(page)
            slider.press("ArrowRight")
            report = stored[cutoff]
            assert report is not None
            shown = interval(report["copies"]["ratio"]["ci95"])
            expect(page.get_by_text(f"Copied at cutoff {cutoff:g}")).to_be_visible(timeout=20_000)
            expect(page.get_by_text(shown).first).to_be_visible(timeout=20_000)
        at_rest(page)
        assert errors == []
