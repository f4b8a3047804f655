"""Links and the lesson in a real browser: cold, back and forward, the visitor's own moves."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from ui import frame, pages
from ui.lesson.steps import steps

STEPS = steps()
TITLES = {name: title for name, title, *_ in pages.PAGES}
FIRST_PAINT = 2.0  # seconds to the home page's numbers from a warm server
SLOW = 3.0  # how much slower a busy machine may be before this test complains

pytestmark = pytest.mark.browser


def _head(number: int) -> str:
    return f"{number} of {len(STEPS)} {STEPS[number - 1].title}"


def _choose(tab: Any, group: str, option: str) -> None:
    group_ = tab.page.get_by_test_id("stButtonGroup").filter(has_text=group)
    group_.get_by_text(option, exact=True).click()
    tab.rest()


def _chosen(tab: Any, group: str) -> str:
    """The selected option of a segmented control."""
    tab.rest()
    place = tab.page.get_by_test_id("stButtonGroup").filter(has_text=group)
    text: str = place.locator('[data-selected="true"]').inner_text()
    return text


def _to(tab: Any, name: str) -> None:
    """A click in the top navigation."""
    tab.rest()
    tab.page.get_by_test_id("stTopNavLink").filter(has_text=TITLES[name]).first.click()
    tab.rest()


@pytest.mark.parametrize("number", [5, len(STEPS)])
def test_a_step_opens_cold_on_a_fresh_server(number: int, fresh: str, new_tab: Any) -> None:
    step, tab = STEPS[number - 1], new_tab(fresh)
    tab.open(f"{step.page}?lesson={number}")
    tab.sees(_head(number))
    expect(tab.page.get_by_text(step.control).first).to_be_visible()


def test_the_lesson_from_its_button_to_its_end(tab: Any) -> None:
    page = tab.open()
    page.get_by_role("button", name="Ten-minute lesson").click()
    for step in STEPS:
        tab.sees(_head(step.number))
        place = "" if step.page == frame.HOME else step.page
        assert page.url.startswith(f"{tab.address}/{place}?")
        assert f"lesson={step.number}" in page.url
        if step.question:
            _choose(tab, step.question, next(iter(step.options.values())))
            found = step.found()
            assert found is not None
            number = re.findall(r"\*\*([^*]+)\*\*", found.text) or [found.text[:30]]
            expect(page.get_by_text(number[0]).first).to_be_visible()
        tab.rest()
        name = "Finish" if step is STEPS[-1] else re.compile("^(Next|Skip)$")
        page.get_by_role("button", name=name, exact=True).click()
    tab.sees("What you found")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page).not_to_have_url(re.compile("lesson"))


def test_the_visitor_is_not_overruled_and_a_reload_keeps_the_place(tab: Any) -> None:
    step = next(s for s in STEPS if s.name == "early")  # before, predictions hold the slider
    page = tab.open(f"{step.page}?lesson={step.number}")
    tab.sees("Copied at cutoff 1")
    slider = page.get_by_role("slider").first
    for cutoff in (2, 4):
        slider.press("ArrowRight")
        tab.sees(f"Copied at cutoff {cutoff}")
    page.wait_for_url(re.compile("cutoff-300=4"))
    page.reload()
    tab.sees("Copied at cutoff 4")
    tab.sees(_head(step.number))


def _travel(tab: Any, go: Any, title: str, size: str) -> None:
    """Back or forward to a page that shows a size.

    Streamlit 1.67 clears a page's parameters just before it leaves for another one and keeps the
    cleared address as an entry of its own, so a page with a moved control takes two steps.
    """
    for _ in range(2):
        tab.rest()
        go()
        expect(tab.page.get_by_role("heading", level=1)).to_have_text(title)
        tab.rest()
        tab.page.wait_for_timeout(500)
        if _chosen(tab, "Training images") == size:
            return
    raise AssertionError(f"{tab.page.url} does not show {size}")


def test_back_and_forward_between_pages(tab: Any) -> None:
    """Pages share the name `n`: each entry of the history keeps its own."""
    page = tab.open("?n=300")
    assert _chosen(tab, "Training images") == "300"
    _to(tab, "watch_it_memorize")
    assert _chosen(tab, "Training images") == "100"
    _to(tab, "cutoff")
    tab.sees("Copied at cutoff 1")
    _choose(tab, "Training images", "100")
    page.wait_for_url(re.compile("n=100"))
    _to(tab, "evidence")
    _travel(tab, page.go_back, "Cutoff", "100")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Watch it memorize")
    _travel(tab, page.go_back, "New, or a copy?", "300")
    _travel(tab, page.go_forward, "New, or a copy?", "100")
    _travel(tab, page.go_forward, "Watch it memorize", "100")


def test_the_home_page_is_there_at_once(tab: Any) -> None:
    seconds = []
    for visit in range(3):
        began = time.perf_counter()
        tab.page.goto(f"{tab.address}/?visit={visit}")
        expect(tab.page.get_by_text("95 % interval").first).to_be_visible()
        seconds.append(time.perf_counter() - began)
        tab.rest()
    assert min(seconds[1:]) < FIRST_PAINT * SLOW, seconds
