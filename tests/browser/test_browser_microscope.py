"""In a real browser: a click on a curve selects its level; a link opened cold shows the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambient.runs.folder import open_run
from tests.browser.test_browser import at_rest, playwright, server, tab

pytestmark = pytest.mark.browser
RUN = "emoji-100-standard"


def test_a_click_on_a_curve_selects_its_level(tmp_path: Path) -> None:
    curves = open_run(RUN).curves()
    assert curves is not None
    level = curves["levels"][17]
    with server(tmp_path) as address, tab() as (page, errors):
        expect = playwright.expect
        page.goto(f"{address}/noise_microscope?run={RUN}")
        at_rest(page)
        chart = page.get_by_test_id("stPlotlyChart")
        expect(chart).to_be_visible(timeout=60_000)
        # Errors on unseen images are the first line of their panel, with a dot a level.
        dots = chart.locator(".x2y2 .scatterlayer .points path")
        expect(dots.nth(17)).to_be_visible()
        dots.nth(17).scroll_into_view_if_needed()
        page.mouse.wheel(0, -200)  # out from under the bar of pages
        page.wait_for_timeout(500)
        box = dots.nth(17).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)  # beside the dot
        shown = f"{level['gap_ratio']:.3g} times"
        expect(page.get_by_text(shown).first).to_be_visible(timeout=20_000)
        at_rest(page)
        assert f"sigma={level['sigma']:.3g}" in page.url
        link = page.url
        page.get_by_role("slider").press("ArrowLeft")
        before = curves["levels"][16]
        expect(page.get_by_text(f"{before['gap_ratio']:.3g} times").first).to_be_visible()
        at_rest(page)
        assert errors == []
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/{link.split('/', 3)[3]}")
        playwright.expect(page.get_by_text(shown).first).to_be_visible(timeout=60_000)
        at_rest(page)
        assert errors == []
