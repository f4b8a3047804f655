"""The real thing: a fresh server, a real Chromium, every page as the first request."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ambient.runs.folder import BUNDLED_RUNS, list_runs, open_run
from ui import pages
from ui.words import percent

PAGES = ["", *(name for name, *_ in pages.PAGES[1:])]


@pytest.mark.parametrize("name", ["", PAGES[-1]])
def test_a_page_comes_up_as_the_first_request(name: str, fresh: str, new_tab: Any) -> None:
    page = new_tab(fresh).open(name)
    expect(page.get_by_text(pages.PAGES[0][1]).first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    _, title, *_ = pages.PAGES[(PAGES.index(name) + 1) % len(PAGES)]
    word = "Next:" if name != PAGES[-1] else "Back to"
    expect(page.get_by_text(f"{word} {title}")).to_be_visible()


def test_digits_trained_from_the_page(fresh: str, new_tab: Any, tmp_path: Path) -> None:
    tab = new_tab(fresh)
    tab.ticks = True
    page = tab.open("train?advanced=true")
    steps = page.get_by_label("Training steps", exact=True)
    steps.fill("50")
    steps.press("Tab")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("done").first).to_be_visible(timeout=300_000)
    expect(page.get_by_text("new samples").first).to_be_visible()
    run = open_run(tmp_path / "digits-50-standard-1")
    assert run.last_step == 50 and run.report() is not None


def test_a_move_of_the_cutoff_shows_its_stored_result_to_who_moved_it(
    server: str, new_tab: Any
) -> None:
    stored = {
        run.config.cutoff: run.report()
        for run in list_runs(BUNDLED_RUNS)
        if run.config.n_train == 300 and run.config.arm == "ambient"
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
