"""Evidence and Cutoff in a real browser: the line under the hand, old addresses, the map."""

import re
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from ambient.runs.folder import open_run
from ui import data
from ui.evidence import exhibit, map

NAME = "emoji-300-standard"


def test_old_addresses_lead_to_their_places_with_what_they_named(fresh: str, new_tab: Any) -> None:
    tab = new_tab(fresh)  # nobody has asked yet: what Streamlit does not know, it says
    for old, new, named in (
        (f"evidence_room?run={NAME}&view=Twins", "evidence", (NAME, "view=Twins")),
        (
            "compare?first=digits-50-standard&second=emoji-100-standard",
            "evidence",
            ("run=digits-50-standard", "beside=emoji-100-standard", "view=Another"),
        ),
        ("move_the_cutoff?n=100&cutoff-100=0", "cutoff", ("n=100", "cutoff-100=0")),
        ("reproduce", "paper", ()),
    ):
        page = tab.open(old)
        page.wait_for_url(re.compile(rf"/{new}\b"))
        tab.rest()
        assert all(part in page.url for part in named), page.url


def test_dragging_the_line_marks_samples_and_counts_before_it_is_released(tab: Any) -> None:
    page = tab.open(f"evidence?run={NAME}")
    slider = page.get_by_role("slider").first
    number = page.locator("figcaption b").first
    marked = page.locator('.cells [data-mark="copy"]')
    expect(marked.first).to_be_visible()
    before, copies, address = number.inner_text(), marked.count(), page.url
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], y, steps=8)
    assert marked.count() > copies and number.inner_text() != before
    assert page.url == address  # the server was not asked
    page.mouse.up()
    page.wait_for_url(re.compile(rf"ratio-{NAME}=0\.[78]"))
    tab.rest()
    stood = number.inner_text()
    page.reload()
    expect(number).to_have_text(stood)


def test_a_click_on_the_map_searches_and_is_in_the_address(tab: Any) -> None:
    shown = exhibit.stored(open_run(NAME))
    plane = map.plane(shown)
    low, high = map.window(plane)
    # The training picture farthest to the left stands alone there.
    chosen = int(plane.at["training"][:, 0].argmin())
    x, y = (plane.at["training"][chosen] - low) / (high - low)
    page = tab.open(f"evidence?run={NAME}&view=Search")
    plot = page.locator(".js-plotly-plot").nth(1).locator(".nsewdrag")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    plot.click(position={"x": float(x * box["width"]), "y": float((1 - y) * box["height"])})
    name = f"Searched by: {shown.sets.train_names[chosen]}."
    expect(page.get_by_role("img", name=name)).to_be_visible()
    tab.rest()
    assert f"image=training-{chosen}" in page.url


def test_an_upload_is_judged_and_outlasts_a_change_of_view(tab: Any, tmp_path: Path) -> None:
    both = data.sets(open_run(NAME))
    good, bad = tmp_path / "mine.png", tmp_path / "broken.png"
    Image.fromarray(both.train[7]).resize((200, 200)).save(good)
    bad.write_bytes(b"\x89PNG and nothing else")
    page = tab.open(f"evidence?run={NAME}&view=Search")
    dropped = page.get_by_role("tabpanel").locator('input[type="file"]')
    expect(dropped).to_be_attached()
    dropped.set_input_files([good, bad])
    verdict = page.get_by_text("This one is a copy")
    expect(verdict).to_be_visible()
    expect(page.get_by_text("'broken.png' is not a readable picture")).to_be_visible()
    tab.rest()
    page.get_by_text("Yours", exact=True).click()
    expect(page.get_by_role("img", name="Searched by: mine.png.")).to_be_visible()
    page.get_by_role("tab", name="Rows").click()
    page.get_by_role("tab", name="Search").click()
    expect(verdict).to_be_visible()
