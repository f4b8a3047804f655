"""The evidence room in a real browser: links, the map's clicks, an upload, the address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from ambient.runs.folder import open_run
from ui import data
from ui.evidence import embedding, exhibit
from ui.evidence.exhibit import Room

NAME = "emoji-300-standard"

pytestmark = pytest.mark.browser


def test_a_click_on_the_map_searches_and_is_in_the_address(tab: Any) -> None:
    run = open_run(NAME)
    shown = exhibit.stored_exhibit(run)
    assert shown is not None
    plane = embedding.plane(Room.of(run, shown), "similarity")
    low, high = embedding.window(plane)
    # The training picture farthest to the left stands alone there.
    chosen = int(plane.train[:, 0].argmin())
    x, y = (plane.train[chosen] - low) / (high - low)
    page = tab.open(f"evidence?run={NAME}&rule=Encoder&view=Search")
    plot = page.locator(".js-plotly-plot").nth(1).locator(".nsewdrag")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box
    plot.click(position={"x": float(x * box["width"]), "y": float((1 - y) * box["height"])})
    name = f"Searched by: {data.sets(run).train_names[chosen]}."
    expect(page.get_by_role("img", name=name)).to_be_visible()
    tab.rest()
    assert f"image=training-{chosen}" in page.url
    page.goto(page.url)
    expect(page.get_by_role("img", name=name)).to_be_visible()


def test_an_upload_is_judged_and_outlasts_a_change_of_view(tab: Any, tmp_path: Path) -> None:
    both = data.sets(open_run(NAME))
    good, bad = tmp_path / "mine.png", tmp_path / "broken.png"
    Image.fromarray(both.train[7]).resize((200, 200)).save(good)
    bad.write_bytes(b"\x89PNG and nothing else")
    page = tab.open(f"evidence?run={NAME}&view=Your+pictures")
    dropped = page.get_by_role("tabpanel").locator('input[type="file"]')
    expect(dropped).to_be_attached()
    dropped.set_input_files([good, bad])
    verdict = page.get_by_text("This one is a copy")
    expect(verdict).to_be_visible()
    expect(page.get_by_text("'broken.png' is not a readable picture")).to_be_visible()
    tab.rest()
    page.get_by_role("tab", name="Search").click()
    page.get_by_text("Uploaded", exact=True).click()
    expect(page.get_by_role("img", name="Searched by: mine.png.")).to_be_visible()
    tab.rest()
    page.get_by_role("tab", name="Your pictures").click()
    expect(verdict).to_be_visible()


def test_the_threshold_moves_by_keyboard_and_stays_with_its_run(tab: Any) -> None:
    page = tab.open(f"evidence?run={NAME}")
    page.get_by_role("slider").press("Home")
    page.wait_for_url(re.compile(rf"ratio-{NAME}=0\.05"))
    tab.rest()
    first = page.get_by_test_id("stMetricValue").first
    expect(first).to_have_text(re.compile(r"^0.%$"))
    box = page.get_by_role("combobox", name="Run")
    box.fill("emoji-100-standard")
    box.press("Enter")
    expect(first).to_have_text(re.compile(r"^65.%$"))
    tab.rest()
    assert "0.05" not in page.url
