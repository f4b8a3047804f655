"""Barriers: axe-core on every page, in light and dark; the keyboard alone; little motion."""

import re
from itertools import cycle
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ui import pages
from ui.lesson.steps import steps
from ui.teacher import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*(name for name, *_ in pages.PAGES), *pages.HIDDEN]
# Streamlit's own frame: the top navigation and its header. Reported, never counted as ours.
FRAME = ("stHeader", "stToolbar", "stTopNav", "stSidebarNav", "stAppDeployButton")
# What axe calls serious or critical there with Streamlit 1.67, by rule; anything new is reported.
KNOWN: set[str] = set()

# Whether a text belongs to a disabled control: WCAG 1.4.3 asks no contrast of inactive components.
INACTIVE = """at => !!document.querySelector(at)?.closest('[data-testid=stElementContainer]')
?.querySelector('label[disabled], :disabled, [aria-disabled=true]')"""


# Hears when the script runs.
WATCH = """() => {
  window.ran = false;
  new MutationObserver(() => { window.ran = true }).observe(
    document.querySelector('[data-test-script-state]'),
    { attributes: true, attributeFilter: ['data-test-script-state'] });
}"""
# Nothing fades in any more.
STILL = """() => document.getAnimations().every(
  a => a.playState !== 'running' || a.effect.getTiming().iterations === Infinity)"""


def _ready(tab: Any, path: str) -> Page:
    """The page at rest: no placeholder, no picture still to come."""
    page: Page = tab.open(path)
    _settled(tab)
    return page


def _settled(tab: Any) -> None:
    tab.rest()
    expect(tab.page.get_by_test_id("stSkeleton")).to_have_count(0)
    tab.page.wait_for_timeout(200)
    tab.page.wait_for_function(STILL)


def _barriers(page: Page, *rules: str) -> tuple[list[str], set[str]]:
    """What axe calls serious or critical: in what is ours, and the rules broken in the frame.

    By all of its rules, or by these alone.
    """
    ours: list[str] = []
    theirs: set[str] = set()
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    for found in Axe().run(page, options=options).response["violations"]:
        if found["impact"] not in ("serious", "critical"):
            continue
        for node in found["nodes"]:
            target = node["target"][0]
            if found["id"] == "color-contrast" and page.evaluate(INACTIVE, target):
                continue
            inside = page.evaluate(
                "([at, frame]) => { const e = document.querySelector(at); return !!e && "
                "frame.some(id => e.closest(`[data-testid=${id}]`)) }",
                [target if isinstance(target, str) else target[0], list(FRAME)],
            )
            if inside:
                theirs.add(found["id"])
            else:
                ours.append(f"{found['id']}: {node['html'][:200]}")
    return ours, theirs


# Controls that can be used: buttons, fields, sliders; of a group only one is in the tab order, the
# others are reached with arrows.
MARK = """() => {
  const usable = e => e.checkVisibility() && !e.disabled && !e.closest('[data-testid=stHeader]')
    && !e.closest('.modebar') && e.getAttribute('aria-hidden') !== 'true';
  const groups = new Set();
  window.wanted = [...document.querySelectorAll('[data-testid=stMain] button, '
    + '[data-testid=stMain] input, [data-testid=stMain] textarea, [data-testid=stMain] summary, '
    + '[data-testid=stMain] [role=slider], [data-testid=stMain] [role=combobox]')]
    .filter(usable).filter(e => {
      const group = e.closest('[role=radiogroup], [role=tablist], [role=toolbar], '
        + '[role=listbox]');
      if (!group) return !['-1'].includes(e.getAttribute('tabindex'));
      if (groups.has(group)) return false;
      groups.add(group);
      return true;
    });
}"""
CROSS_OFF = """() => {
  const at = document.activeElement;
  const group = e => e && e.closest('[role=radiogroup], [role=tablist], [role=toolbar], '
    + '[role=listbox]');
  window.wanted = window.wanted.filter(e => e.isConnected && e !== at && !e.contains(at)
    && !(group(e) && group(e) === group(at)));
  return window.wanted.length;
}"""


def _unreached(page: Page) -> list[str]:
    """Controls that the keyboard alone does not come to."""
    page.evaluate(MARK)
    wanted = page.evaluate("window.wanted.length")
    assert wanted
    for _ in range(wanted + 400):
        page.keyboard.press("Tab")
        if page.evaluate(CROSS_OFF) == 0:
            break
    found: list[str] = page.evaluate("window.wanted.map(e => e.outerHTML.slice(0, 160))")
    return found


def _turn(tab: Any, scheme: str) -> None:
    """The other colors, of which the server hears as it runs the page again."""
    ground = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    before = tab.page.evaluate(ground)
    tab.page.emulate_media(color_scheme=scheme)
    for _ in range(2):  # the first may begin before the server has heard
        tab.page.evaluate(WATCH)
        tab.page.keyboard.press("r")
        tab.page.wait_for_function("window.ran")
        _settled(tab)
    assert tab.page.evaluate(ground) != before


def test_no_page_has_a_barrier(server: str, new_tab: Any) -> None:
    """In light and in dark, of which only colors know; also none for who has no mouse.

    A page is opened in the scheme that the one before was turned to.
    """
    tab = new_tab(server, reduced_motion="reduce")
    turns = cycle(("dark", "light"))
    found: dict[str, list[str]] = {}
    for name in [*PAGES, *(f"lesson?at={s.number}&said=aaaaaa" for s in steps()[::3])]:
        page = _ready(tab, name)
        ours, theirs = _barriers(page)
        _turn(tab, next(turns))
        more, others = _barriers(page, "color-contrast", "link-in-text-block")
        assert theirs | others <= KNOWN, (name, theirs, others)
        if barriers := ours + more + _unreached(page):
            found[name] = barriers
    assert found == {}


def test_no_barrier_in_what_opens(tab: Any) -> None:
    page = _ready(tab, "")
    for name in ("Terms", "Source"):
        popover = page.get_by_test_id("stPopover").filter(has_text=name).first
        popover.get_by_role("button").click()
        expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
        _settled(tab)
        assert _barriers(page)[0] == [], name
        page.keyboard.press("Escape")


def test_teachers_find_the_link_of_the_page_as_it_stands(tab: Any) -> None:
    page = _ready(tab, "cutoff?cutoff-300=4")
    page.get_by_role("button", name="Teach").click()
    dialog = page.get_by_role("dialog")
    for name in ("settings", "live"):
        dialog.get_by_role("button", name=GROUPS[name]).click()
        _settled(tab)
    expect(dialog.get_by_test_id("stCode")).to_contain_text("?cutoff-300=4&hide=settings,live")
    expect(dialog.get_by_role("button", name="Reset for the next class")).to_be_in_viewport()
    assert _barriers(page)[0] == []


def test_back_leads_to_what_was_left(tab: Any) -> None:
    page = _ready(tab, "evidence?run=digits-50-standard")
    page.get_by_role("link", name="Words").first.click()
    expect(page.get_by_role("heading", name="Words")).to_be_visible()
    loud = page.get_by_role("slider").first
    loud.press("ArrowLeft")  # no step of its own
    expect(page).to_have_url(re.compile("guidance=1"))
    page.go_back()
    expect(page).to_have_url(re.compile("run=digits-50-standard"))


def test_what_moves_stands_still_for_who_asks(server: str, new_tab: Any) -> None:
    """Our own component plays only when asked, and never where little motion is wished for."""
    for path in (ROOT / "ui").rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if "animation" in text or "transition" in text:
            assert "prefers-reduced-motion" in text, path
    page = _ready(new_tab(server, reduced_motion="reduce"), "home")
    running = page.evaluate(
        "document.getAnimations().filter(a => a.playState === 'running' "
        "&& a.effect.getTiming().iterations === Infinity).length"
    )
    assert running == 0
