"""The lesson in a real browser, and pages that come back as they were left."""

import time
from typing import Any

from playwright.sync_api import expect

from ui.lesson.steps import steps

STEPS = steps()
FIRST_PAINT = 2.0  # seconds to the home page's numbers from a warm server
SLOW = 3.0  # how much slower a busy machine may be before this test complains


def test_the_lesson_from_its_link_to_its_end_with_next_always_in_view(
    server: str, new_tab: Any
) -> None:
    tab = new_tab(server, viewport={"width": 390, "height": 844})
    page = tab.open()
    page.get_by_role("link", name="Ten-minute lesson").click()
    for step in STEPS:
        expect(page.get_by_text(step.question, exact=True).first).to_be_visible()
        tab.rest()
        expect(page.get_by_test_id("stTopNavLink")).to_have_count(0)
        page.locator("[class*=st-key-say-] button").first.click()
        on = page.get_by_role("button", name="Finish" if step is STEPS[-1] else "Next")
        expect(on).to_be_in_viewport()
        tab.rest()
        if step in STEPS[::4]:
            page.reload()
            expect(page.locator("[class*=st-key-say-]")).to_have_count(0)
            tab.rest()
        on.click()
    tab.sees("What you saw")
    page.go_back()
    expect(page.get_by_text(STEPS[-1].question, exact=True).first).to_be_visible()


def test_the_home_page_is_there_at_once(tab: Any) -> None:
    seconds = []
    for visit in range(3):
        began = time.perf_counter()
        tab.page.goto(f"{tab.address}/?visit={visit}")
        expect(tab.page.get_by_text("are copies").first).to_be_visible()
        seconds.append(time.perf_counter() - began)
        tab.rest()
    assert min(seconds[1:]) < FIRST_PAINT * SLOW, seconds
