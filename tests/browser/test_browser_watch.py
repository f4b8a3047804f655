"""The scrubber in a real browser: a drag costs the server nothing, a release moves the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambient.runs.folder import open_run
from tests.browser.test_browser import at_rest, playwright, server, tab
from ui.words import percent

pytestmark = pytest.mark.browser

PAGE = "watch_it_memorize?n=100&step=700"
KEYS = "ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"


def _share(step: int) -> str:
    report = open_run("emoji-100-standard").report(step)
    assert report is not None
    return percent(report["copies"]["ratio"]["rate"])


def _pixels(page: playwright.Page) -> str:
    """What the first canvas shows now."""
    found: str = page.locator("canvas").first.evaluate("c => c.toDataURL()")
    return found


def test_a_drag_stays_in_the_browser_and_a_release_moves_the_page(tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        sent: list[object] = []
        page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(frame)))
        page.goto(f"{address}/{PAGE}")
        expect = playwright.expect
        slider = page.get_by_role("slider", name="Training step")
        expect(slider).to_have_attribute("aria-valuetext", "step 700", timeout=60_000)
        at_rest(page)
        page.wait_for_function("document.readyState === 'complete'")
        picture = page.get_by_role("img", name="Standard: 8 samples at step 700").first
        expect(picture).to_be_visible()
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
        expect(page.get_by_test_id("stMetricValue").first).to_contain_text(
            _share(3500), timeout=20_000
        )
        assert page.url.endswith("step=3500")
        at_rest(page)
        assert errors == []


def test_keys_move_it_and_several_presses_are_one_release(tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/{PAGE}")
        expect = playwright.expect
        slider = page.get_by_role("slider", name="Training step")
        expect(slider).to_have_attribute("aria-valuetext", "step 700", timeout=60_000)
        at_rest(page)
        slider.focus()
        for key in KEYS:
            page.keyboard.press(key)
        expect(slider).to_have_attribute("aria-valuetext", "step 2,100")
        value = page.get_by_test_id("stMetricValue").first
        expect(value).to_contain_text(_share(2100), timeout=20_000)
        at_rest(page)
        page.keyboard.press("End")
        expect(value).to_contain_text(_share(3500), timeout=20_000)
        at_rest(page)
        page.keyboard.press("Home")
        expect(value).to_contain_text(_share(700), timeout=20_000)
        expect(slider).to_have_attribute("aria-valuetext", "step 700")
        assert errors == []


def test_play_runs_to_the_end_and_stands_still_for_who_wants_no_motion(tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/{PAGE}&sampling=1")
        expect = playwright.expect
        sampling = page.get_by_role("slider", name="Sampling step")
        expect(sampling).to_have_attribute("aria-valuetext", "1 of 18, noise 40", timeout=60_000)
        at_rest(page)
        page.get_by_role("button", name="Play").nth(1).click()
        expect(sampling).to_have_attribute("aria-valuetext", "18 of 18, noise 0.01", timeout=20_000)
        page.wait_for_url("**sampling=18*", timeout=20_000)
        training = page.get_by_role("slider", name="Training step")
        expect(training).to_have_attribute("aria-valuetext", "step 700")  # the other one stays
        at_rest(page)
        page.emulate_media(reduced_motion="reduce")
        page.get_by_role("button", name="Next step").first.click()
        expect(training).to_have_attribute("aria-valuetext", "step 1,400")
        page.wait_for_timeout(1500)
        expect(training).to_have_attribute("aria-valuetext", "step 1,400")
        assert errors == []


def test_it_fits_a_phone(tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(f"{address}/{PAGE}")
        expect = playwright.expect
        expect(page.get_by_role("slider", name="Training step")).to_be_visible(timeout=60_000)
        at_rest(page)
        box = page.locator("canvas").first.bounding_box()
        assert box
        assert 300 < box["width"] <= 390
        assert box["height"] > box["width"] / 2  # its row broke: cells stay large enough to see
        wide = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(wide)
        assert errors == []
