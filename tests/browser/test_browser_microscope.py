"""In a real browser: a click on a curve selects its level; a link opened cold shows the same."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from ambient.runs.folder import open_run

pytestmark = pytest.mark.browser
RUN = "emoji-100-standard"


def test_a_click_on_a_curve_selects_its_level(server: str, fresh: str, new_tab: Any) -> None:
    curves = open_run(RUN).curves()
    assert curves is not None
    before, level = curves.levels[16:18]
    tab = new_tab(server)
    page = tab.open(f"noise?run={RUN}")
    # Errors on unseen images are the first line of their panel, with a dot a level.
    dot = page.get_by_test_id("stPlotlyChart").locator(".x2y2 .scatterlayer .points path").nth(17)
    expect(dot).to_be_visible()
    dot.scroll_into_view_if_needed()
    page.mouse.wheel(0, -200)  # out from under the bar of pages
    page.wait_for_timeout(500)
    box = dot.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)  # beside the dot
    shown = f"{level.gap_ratio:.3g} times"
    expect(page.get_by_text(shown).first).to_be_visible()
    tab.rest()
    assert f"sigma={level.sigma:.3g}" in page.url
    link = page.url
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.get_by_text(f"{before.gap_ratio:.3g} times").first).to_be_visible()
    cold = new_tab(fresh).open(link.split("/", 3)[3])
    expect(cold.get_by_text(shown).first).to_be_visible()
