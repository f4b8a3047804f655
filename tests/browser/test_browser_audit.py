"""A stranger in a real browser: from the first page, two drops and one click to the answer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ambient.runs.folder import open_run
from tests.browser.test_browser import at_rest, playwright, server, tab

pytestmark = pytest.mark.browser


def test_two_drops_and_one_click_from_the_first_page(tmp_path: Path) -> None:
    run = open_run("emoji-100-standard")
    corpus, kept = run.corpus(), run.samples()
    assert kept is not None
    np.savez(tmp_path / "made.npz", images=kept[0][:120])
    np.savez(tmp_path / "mine.npz", images=corpus.images[run.split(corpus).train])
    with server(tmp_path) as address, tab() as (page, errors):
        expect = playwright.expect
        page.goto(address)
        button = page.get_by_role("button", name="Find the copies")
        expect(button).to_be_visible(timeout=60_000)
        at_rest(page)
        drops = page.get_by_test_id("stFileUploaderDropzoneInput")
        for place, name in ((0, "made"), (1, "mine")):
            drops.nth(place).set_input_files(tmp_path / f"{name}.npz")
            expect(page.get_by_text(f"{name}.npz")).to_be_visible(timeout=30_000)
        at_rest(page)
        button.click()
        expect(page).to_have_url(re.compile("/audit"), timeout=60_000)
        expect(page.get_by_text("An example:")).to_have_count(0, timeout=240_000)
        expect(page.get_by_text(re.compile("Of 120 generated images"))).to_be_visible(
            timeout=30_000
        )
        expect(page.get_by_role("button", name="Report (HTML)")).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert not errors, errors
