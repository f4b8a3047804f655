"""The film in a real browser: a drag costs the server nothing, a release moves the address."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ambient.runs.folder import open_run
from ui.film.training import drawn_steps
from ui.stages import farthest
from ui.words import percent

PAGE = "?set=100+emoji&step=700"
COUNT = """() => {
  window.drawn = []
  const tick = time => { window.drawn.push(time); requestAnimationFrame(tick) }
  requestAnimationFrame(tick)
}"""


def _slider(page: Page) -> Any:
    slider = page.get_by_role("slider", name="Training step")
    expect(slider).to_have_attribute("aria-valuetext", _said(700))
    return slider


def _said(step: int) -> str:
    """The frame and both shares, as the stage's reports have them."""
    parts = [f"{step:,}"]
    for title, name in (("Standard", "standard"), ("Ambient, cutoff 1", "ambient-1.0")):
        run = open_run(f"emoji-100-{name}")
        report = run.report() if step == run.last_step else run.report(step)
        assert report is not None
        parts.append(f"{title}: {percent(report.copies.ratio.rated.rate)} are copies")
    return ", ".join(parts)


def _pixels(page: Page) -> str:
    """What the first picture shows now."""
    found: str = page.locator("canvas").first.evaluate("c => c.toDataURL()")
    return found


@pytest.mark.parametrize("by", ["svg.chart", ".rows"])
def test_a_drag_stays_in_the_browser_and_a_release_moves_the_address(tab: Any, by: str) -> None:
    asked: list[object] = []
    tab.page.on("websocket", lambda ws: ws.on("framesent", lambda frame: asked.append(frame)))
    page = tab.open(PAGE)
    slider = _slider(page)
    place = page.locator(by).first
    page.wait_for_timeout(500)
    before, start = _pixels(page), len(asked)
    page.on("request", lambda request: asked.append(request.url))
    box = place.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.evaluate(COUNT)
    page.mouse.move(box["x"] + 12, y)
    page.mouse.down()
    for share in range(0, 102, 2):
        page.mouse.move(box["x"] + 12 + (box["width"] - 24) * share / 100, y)
    expect(slider).to_have_attribute("aria-valuetext", _said(3500))
    assert _pixels(page) != before
    assert len(asked) == start  # not a word to the server
    drawn = page.evaluate("window.drawn")
    assert (len(drawn) - 1) / (drawn[-1] - drawn[0]) * 1000 >= 15  # 30 on a quiet machine
    assert "step=700" in page.url
    page.mouse.up()
    page.wait_for_url("**step=3500*")


def test_keys_move_it_and_several_presses_are_one_release(tab: Any) -> None:
    page = tab.open(PAGE)
    slider = _slider(page)
    slider.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_url("**step=2100*")
    for key, step in (("End", 3500), ("Home", 700)):
        tab.rest()
        page.keyboard.press(key)
        page.wait_for_url(f"**step={step}*")
    expect(slider).to_have_attribute("aria-valuetext", _said(700))


def test_play_runs_to_the_end_and_stands_still_for_who_wants_no_motion(tab: Any) -> None:
    page = tab.open(PAGE)
    slider = _slider(page)
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_url("**step=3500*")
    tab.rest()
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Next").first.click()
    expect(slider).to_have_attribute("aria-valuetext", _said(700))
    page.wait_for_timeout(1500)
    expect(slider).to_have_attribute("aria-valuetext", _said(700))


def test_it_opens_by_running_to_where_it_stands_once_a_load(tab: Any) -> None:
    page = tab.open("?set=100+emoji")
    slider = page.get_by_role("slider", name="Training step")
    opened = "() => window.ambientOpened"
    page.wait_for_function(opened)
    rest = _said(_farthest())
    expect(slider).to_have_attribute("aria-valuetext", rest)
    page.reload(wait_until="commit")
    expect(slider).not_to_have_attribute("aria-valuetext", rest)
    expect(slider).to_have_attribute("aria-valuetext", rest)
    assert "step=" not in page.url
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    expect(slider).to_have_attribute("aria-valuetext", rest)
    page.wait_for_timeout(1000)
    assert page.evaluate(opened) is None


def _farthest() -> int:
    """The step that the first page opens at."""
    runs = {name: open_run(f"emoji-100-{name}") for name in ("standard", "ambient-1.0")}
    steps = drawn_steps(runs)
    return steps[farthest(runs, steps)]


def test_a_tap_shows_what_is_nearest_at_once_and_arrows_walk_among_pictures(tab: Any) -> None:
    page = tab.open(PAGE)
    _slider(page)
    run = open_run("emoji-100-ambient-1.0")
    report = run.report(700)
    assert report is not None
    corpus = run.corpus()
    nearest = corpus.names[run.split(corpus).train[report.samples[4].nearest]]
    page.get_by_role("radio", name="Ambient, cutoff 1, picture 5").click()
    expect(page.locator(".near").first).to_contain_text("Ambient, cutoff 1, picture 5")
    expect(page.locator(".near").first).to_contain_text(nearest)
    page.wait_for_url("**picture=1-4*")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Ambient, cutoff 1, picture 6")).to_be_focused()


def test_the_game_answers_a_tap_and_a_reload_keeps_it(tab: Any) -> None:
    page = tab.open("?set=100+emoji")
    game = page.get_by_role("radio", name="A", exact=True)
    game.click()
    said = page.get_by_text("A is", exact=False).last
    expect(said).to_be_visible()
    tab.rest()
    page.reload()
    expect(page.locator(".near").last).to_contain_text("A is")


def test_it_fits_a_phone(server: str, new_tab: Any) -> None:
    page = new_tab(server, viewport={"width": 390, "height": 844}).open(PAGE)
    slider = _slider(page).bounding_box()
    assert slider and slider["y"] + slider["height"] <= 844
    picture = page.locator("canvas").first.bounding_box()
    assert picture and 44 <= picture["width"] <= 80
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
