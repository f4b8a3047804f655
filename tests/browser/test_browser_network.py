"""The network in the visitor's browser: the same numbers as torch's, and no word to the server."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from playwright.sync_api import Page, expect

from ambient.diffusion.samplers import finish
from ambient.diffusion.schedule import RETURN_STEPS
from ambient.runs.folder import open_run
from scripts.in_browser import FAR, asked, exact

PAGE = "noise?run=digits-50-standard"


def _picture(page: Page, name: str) -> str:
    found: str = page.get_by_role("img", name=name).evaluate("c => c.toDataURL()")
    return found


def _stroke(page: Page) -> None:
    pad = page.get_by_role("img", name="Your picture: draw on it")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()


# One run of each kind; `python -m scripts.in_browser` asks all of them.
@pytest.mark.parametrize(
    "name", ["digits-50-standard", "emoji-100-standard-text", "emoji-300-ambient-4.0"]
)
def test_it_is_the_network_of_torch_at_every_noise_level(tab: Any, name: str) -> None:
    run = open_run(name)
    got = asked(tab.open("paper"), run)
    torch.testing.assert_close(got["found"], got["expected"], rtol=0, atol=FAR)
    how = run.sampler(steps=RETURN_STEPS).below(20.0)
    low = finish(exact(run), got["noisy"][:1], [0], how)
    torch.testing.assert_close(torch.tensor(got["low"]).reshape(low.shape), low, rtol=0, atol=0.01)


def test_what_is_drawn_is_guessed_and_sampled_down_without_the_server(tab: Any) -> None:
    page, sent = tab.open(PAGE), []
    blank = _picture(page, "What comes back")
    page.get_by_role("img", name="Your picture: draw on it").hover()
    expect(page.get_by_role("button", name="Draw another")).to_be_visible()
    _wait(page, "What comes back", blank)
    page.on("request", lambda request: sent.append(request.url))
    before = {
        name: _picture(page, name) for name in ("What the network guesses", "What comes back")
    }
    _stroke(page)
    for name, old in before.items():
        _wait(page, name, old)
    slider = page.get_by_role("slider", name="Noise level").last
    for key, said in (("End", "noise level 40"), ("Home", "noise level 0.020")):
        old = _picture(page, "What the network guesses")
        slider.press(key)
        expect(slider).to_have_attribute("aria-valuetext", said)
        _wait(page, "What the network guesses", old)
    old = _picture(page, "What comes back")
    page.get_by_role("button", name="Draw another").click()
    _wait(page, "What comes back", old)
    assert sent == []


def test_home_draws_another_of_each_network_and_the_server_hears_nothing(tab: Any) -> None:
    said: list[object] = []
    tab.page.on("websocket", lambda ws: ws.on("framesent", lambda f: said.append(f)))
    page = tab.open()
    page.wait_for_timeout(500)
    before = len(said)
    button = page.get_by_role("button", name="Draw another")
    step = f"step {open_run('kanji-300-standard').last_step:,}"
    for _ in range(2):
        button.click()
        for name in ("Standard", "Ambient, cutoff 1"):
            for part in ("drawn now", "nearest training picture"):
                expect(page.get_by_role("img", name=f"{name}, {step}: {part}")).to_be_visible()
        expect(page.get_by_text("nearest: ")).to_have_count(2)
    assert len(said) == before


def _wait(page: Page, name: str, old: str) -> None:
    """Until a picture is another one."""
    for _ in range(600):
        if _picture(page, name) != old:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"'{name}' stays as it was")


def test_where_the_browser_cannot_the_server_answers(tab: Any) -> None:
    tab.page.add_init_script("globalThis.Worker = undefined")
    page = tab.open(PAGE)
    page.get_by_role("img", name="Your picture: draw on it").hover()
    expect(page.get_by_text("Not in this browser: the server answers")).to_be_visible()
    expect(page.get_by_role("button", name="Draw another")).to_be_hidden()
    _stroke(page)
    expect(page.get_by_text("Unseen picture: yours").first).to_be_visible()
    tab.rest()
