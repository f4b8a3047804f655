"""The scrubber in a real browser: a drag costs the server nothing, a release moves the page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ambient.runs.folder import open_run
from ui.words import percent

pytestmark = pytest.mark.browser

PAGE = "watch_it_memorize?n=100&step=700"
KEYS = "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"


def _share(step: int) -> str:
    report = open_run("emoji-100-standard").report(step)
    assert report is not None
    return percent(report.copies.ratio.rated.rate)


def _pixels(page: Page) -> str:
    """What the first canvas shows now."""
    found: str = page.locator("canvas").first.evaluate("c => c.toDataURL()")
    return found


def test_a_drag_stays_in_the_browser_and_a_release_moves_the_page(tab: Any) -> None:
    sent: list[object] = []
    tab.page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(frame)))
    page = tab.open(PAGE)
    slider = page.get_by_role("slider", name="Training step")
    expect(slider).to_have_attribute("aria-valuetext", "step 700")
    expect(page.get_by_role("img", name="Standard: 8 samples at step 700").first).to_be_visible()
    before, start = _pixels(page), len(sent)

    box = slider.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 14, middle)
    page.mouse.down()
    for share in range(10, 105, 5):
        page.mouse.move(box["x"] + box["width"] * share / 100, middle)
    expect(slider).to_have_attribute("aria-valuetext", "step 3,500")
    expect(page.get_by_role("img", name="samples at step 3,500").first).to_be_visible()
    assert _pixels(page) != before
    page.wait_for_timeout(500)
    assert len(sent) == start  # not a word to the server
    assert page.url.endswith("step=700")
    page.mouse.up()
    expect(page.get_by_test_id("stMetricValue").first).to_contain_text(_share(3500))
    assert page.url.endswith("step=3500")


def test_keys_move_it_and_several_presses_are_one_release(tab: Any) -> None:
    page = tab.open(PAGE)
    slider = page.get_by_role("slider", name="Training step")
    expect(slider).to_have_attribute("aria-valuetext", "step 700")
    slider.focus()
    for key in KEYS:
        page.keyboard.press(key)
    expect(slider).to_have_attribute("aria-valuetext", "step 2,100")
    value = page.get_by_test_id("stMetricValue").first
    expect(value).to_contain_text(_share(2100))
    for key, step in (("End", 3500), ("Home", 700)):
        tab.rest()
        page.keyboard.press(key)
        expect(value).to_contain_text(_share(step))
    expect(slider).to_have_attribute("aria-valuetext", "step 700")


def test_play_runs_to_the_end_and_stands_still_for_who_wants_no_motion(tab: Any) -> None:
    page = tab.open(f"{PAGE}&sampling=1")
    sampling = page.get_by_role("slider", name="Sampling step")
    expect(sampling).to_have_attribute("aria-valuetext", "1 of 18, noise 40")
    page.get_by_role("button", name="Play").nth(1).click()
    expect(sampling).to_have_attribute("aria-valuetext", "18 of 18, noise 0.01")
    page.wait_for_url("**sampling=18*")
    training = page.get_by_role("slider", name="Training step")
    expect(training).to_have_attribute("aria-valuetext", "step 700")  # the other one stays
    tab.rest()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Next step").first.click()
    expect(training).to_have_attribute("aria-valuetext", "step 1,400")
    page.wait_for_timeout(1500)
    expect(training).to_have_attribute("aria-valuetext", "step 1,400")


def test_it_fits_a_phone(server: str, new_tab: Any) -> None:
    page = new_tab(server, viewport={"width": 390, "height": 844}).open(PAGE)
    box = page.locator("canvas").first.bounding_box()
    assert box
    assert 300 < box["width"] <= 390
    assert box["height"] > box["width"] / 2  # its row broke: cells stay large enough to see
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
