"""The evidence room in a real browser: links, the map's clicks, an upload, the address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from ambient.runs.folder import open_run
from tests.browser.test_browser import at_rest, playwright, server, tab
from ui import data
from ui.evidence_room import embedding, encoded, exhibit

NAME = "emoji-300-standard"

pytestmark = pytest.mark.browser


def test_a_click_on_the_map_searches_and_is_in_the_address(tmp_path: Path) -> None:
    run = open_run(NAME)
    shown = exhibit.stored(run)
    assert shown is not None
    known = encoded.cloud(run, shown.images, shown.sha256)
    plane = embedding.plane(run, shown, "similarity", known)
    low, high = embedding.window(plane)
    # The training picture farthest to the left stands alone there.
    chosen = int(plane.train[:, 0].argmin())
    share = (plane.train[chosen] - low) / (high - low)
    name = data.sets(run).train_names[chosen]
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/evidence_room?run={NAME}&rule=Encoder&view=Search")
        expect = playwright.expect
        plot = page.locator(".js-plotly-plot").nth(1).locator(".nsewdrag")
        expect(plot).to_be_visible(timeout=60_000)
        at_rest(page)
        box = plot.bounding_box()
        plot.click(
            position={"x": float(share[0] * box["width"]),
                      "y": float((1 - share[1]) * box["height"])}
        )  # fmt: skip
        searched = page.get_by_role("img", name=f"Searched by: {name}.")
        expect(searched).to_be_visible(timeout=20_000)
        at_rest(page)
        assert f"image=training-{chosen}" in page.url
        page.goto(page.url)
        expect(searched).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        at_rest(page)
        assert errors == []


def test_an_upload_is_judged_and_outlasts_a_change_of_view(tmp_path: Path) -> None:
    both = data.sets(open_run(NAME))
    good, bad = tmp_path / "mine.png", tmp_path / "broken.png"
    Image.fromarray(both.train[7]).resize((200, 200)).save(good)
    bad.write_bytes(b"\x89PNG and nothing else")
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/evidence_room?run={NAME}&view=Your+pictures")
        expect = playwright.expect
        dropped = page.get_by_role("tabpanel").locator('input[type="file"]')
        expect(dropped).to_be_attached(timeout=60_000)
        dropped.set_input_files([good, bad])
        verdict = page.get_by_text("This one is a copy")
        expect(verdict).to_be_visible(timeout=60_000)
        expect(page.get_by_text("'broken.png' is not a readable picture")).to_be_visible()
        at_rest(page)
        page.get_by_role("tab", name="Search").click()
        page.get_by_text("Uploaded", exact=True).click(timeout=20_000)
        mine = page.get_by_role("img", name="Searched by: mine.png.")
        expect(mine).to_be_visible(timeout=20_000)
        at_rest(page)
        page.get_by_role("tab", name="Your pictures").click()
        expect(verdict).to_be_visible(timeout=20_000)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        at_rest(page)
        assert errors == []


def test_the_threshold_moves_by_keyboard_and_stays_with_its_run(tmp_path: Path) -> None:
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/evidence_room?run={NAME}")
        expect = playwright.expect
        slider = page.get_by_role("slider")
        expect(slider).to_be_visible(timeout=60_000)
        at_rest(page)
        slider.press("Home")
        page.wait_for_url(re.compile(rf"ratio-{NAME}=0\.05"), timeout=20_000)
        at_rest(page)
        first = page.get_by_test_id("stMetricValue").first
        expect(first).to_have_text(re.compile(r"^0.%$"))
        page.get_by_role("combobox", name="Run").fill("emoji-100-standard")
        page.get_by_role("combobox", name="Run").press("Enter")
        expect(first).to_have_text(re.compile(r"^65.%$"), timeout=20_000)
        at_rest(page)
        assert "0.05" not in page.url
        assert errors == []
