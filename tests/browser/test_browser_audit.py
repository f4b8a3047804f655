"""A stranger in a real browser: two drops and one click to the answer."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import expect

from ambient.runs.folder import open_run


def test_two_drops_and_one_click(tab: Any, tmp_path: Path) -> None:
    run = open_run("emoji-100-standard")
    corpus, kept = run.corpus(), run.samples()
    np.savez(tmp_path / "made.npz", images=kept[0][:120])
    np.savez(tmp_path / "mine.npz", images=corpus.images[run.split(corpus).train])
    page = tab.open("audit")
    drops = page.get_by_test_id("stFileUploaderDropzoneInput")
    for place, name in ((0, "made"), (1, "mine")):
        drops.nth(place).set_input_files(tmp_path / f"{name}.npz")
        expect(page.get_by_text(f"{name}.npz")).to_be_visible()
        tab.rest()
    page.get_by_role("button", name="Audit", exact=True).click()
    answer = page.get_by_text(re.compile("of 120 generated images are copies"))
    expect(answer).to_be_visible(timeout=240_000)
    expect(answer).to_be_in_viewport()
    expect(page.get_by_role("button", name="Report to hand on")).to_be_visible()
