"""The real thing: a fresh server, a real Chromium, runs trained and sets judged from the page."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from ambient.runs.folder import BUNDLED_RUNS, list_runs, open_run
from scripts.serve import serving
from ui import pages
from ui.words import percent


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("public")


@pytest.fixture(scope="module")
def public(runs: Path) -> Iterator[str]:
    """A public server that nobody has asked yet."""
    with serving(runs, runs / "server.log", public=True) as address:
        yield address


def test_the_first_request_is_answered_and_digits_are_trained_from_the_page(
    public: str, new_tab: Any, runs: Path
) -> None:
    tab = new_tab(public)
    page = tab.open()
    expect(page.get_by_text(f"Next: {pages.PAGES[1][1]}")).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    tab.ticks = True
    tab.open("train?advanced=true")
    expect(page.get_by_text(f"Back to {pages.PAGES[0][1]}")).to_be_visible()
    steps = page.get_by_label("Training steps", exact=True)
    steps.fill("50")
    steps.press("Tab")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("new samples").first).to_be_visible(timeout=300_000)
    expect(page.get_by_text("done").first).to_be_visible()
    (run,) = list_runs(runs)
    assert run.last_step == 50 and run.report() is not None


def test_a_run_stays_ones_own(public: str, new_tab: Any, runs: Path) -> None:
    """The page loaded again, and another browser beside it."""
    before = {run.name for run in list_runs(runs)}
    tab, other = new_tab(public), new_tab(public)
    tab.ticks = other.ticks = True
    page = tab.open("train")
    page.get_by_role("button", name="Train 50 digits").click()
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    for _ in range(2):
        page.wait_for_function("document.cookie.includes('ambient-key=')", timeout=60_000)
        page.reload()
        expect(stop).to_be_visible()
    (run,) = (run for run in list_runs(runs) if run.name not in before)
    theirs = other.open(f"train_your_own?mine={run.name}")
    expect(theirs.get_by_text("Somebody else's run")).to_be_visible()
    expect(theirs.get_by_role("button", name="Stop")).to_have_count(0)
    tab.open("train")  # the address alone, in a session of its own
    page.get_by_role("link", name="50 digits").click()
    stop.click()
    deadline = time.monotonic() + 120
    while run.status != "paused":
        assert time.monotonic() < deadline, run.state
        page.wait_for_timeout(200)
    (cookie,) = (c for c in page.context.cookies() if c["name"] == "ambient-key")
    assert cookie["sameSite"] == "Lax"
    assert cookie["value"] not in page.url


def test_two_drops_and_one_click_lead_to_the_answer(tab: Any, tmp_path: Path) -> None:
    run = open_run("emoji-100-standard")
    corpus, kept = run.corpus(), run.samples()
    np.savez(tmp_path / "made.npz", images=kept[0][:120])
    np.savez(tmp_path / "mine.npz", images=corpus.images[run.split(corpus).train])
    page = tab.open("audit")
    drops = page.get_by_test_id("stFileUploaderDropzoneInput")
    for place, name, count in ((0, "made", 120), (1, "mine", 100)):
        drops.nth(place).set_input_files(tmp_path / f"{name}.npz")
        expect(page.get_by_text(f"{name}.npz")).to_be_visible()
        tab.sees(f"{count} pictures of 32x32 pixels.")
    page.get_by_role("button", name="Audit", exact=True).click()
    answer = page.get_by_text(re.compile("of 120 generated images are copies"))
    expect(answer).to_be_visible(timeout=240_000)
    expect(answer).to_be_in_viewport()
    expect(page.get_by_role("button", name="Report to hand on")).to_be_visible()


def test_a_move_of_the_cutoff_shows_its_stored_result_to_who_moved_it(
    server: str, new_tab: Any
) -> None:
    stored = {
        run.config.cutoff: run.report()
        for run in list_runs(BUNDLED_RUNS)
        if (run.config.corpus, run.config.n_train, run.config.arm) == ("emoji", 300, "ambient")
    }
    mover, other = new_tab(server), new_tab(server)
    for tab in (mover, other):
        tab.open("cutoff?n=300")
    slider = mover.page.get_by_role("slider", name="Cutoff")
    number, others = (tab.page.locator("figcaption b").first for tab in (mover, other))
    before = others.inner_text()
    slider.press("Home")
    for cutoff in sorted(stored):
        mover.rest()
        slider.press("ArrowRight")
        report = stored[cutoff]
        expect(number).to_have_text(percent(report.copies.ratio.rated.rate))
    mover.page.wait_for_url("**cutoff-300=4**")
    expect(others).to_have_text(before)
