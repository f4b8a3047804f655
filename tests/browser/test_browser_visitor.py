"""Whose run it is, in a real browser: the page loaded again, and another browser beside it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ambient.runs.folder import list_runs
from scripts.serve import serving


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """A public server."""
    with serving(tmp_path, tmp_path / "server.log", public=True) as address:
        yield address


def test_a_run_stays_ones_own(fresh: str, new_tab: Any, tmp_path: Path) -> None:
    tab, other = new_tab(fresh), new_tab(fresh)
    tab.ticks = other.ticks = True
    page = tab.open("train")
    page.get_by_role("button", name="Train 50 digits").click()
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    for _ in range(2):
        page.wait_for_function("document.cookie.includes('ambient-key=')", timeout=60_000)
        page.reload()
        expect(stop).to_be_visible()
    (run,) = list_runs(tmp_path)
    theirs = other.open(f"train_your_own?mine={run.name}")
    expect(theirs.get_by_text("Somebody else's run")).to_be_visible()
    expect(theirs.get_by_role("button", name="Stop")).to_have_count(0)
    tab.open("train")  # the address alone, in a session of its own
    page.get_by_role("link", name="50 digits").click()
    stop.click()
    deadline = time.monotonic() + 120
    while run.status != "paused":
        assert time.monotonic() < deadline, run.state
        page.wait_for_timeout(500)
    (cookie,) = (c for c in page.context.cookies() if c["name"] == "ambient-key")
    assert cookie["sameSite"] == "Lax"
    assert cookie["value"] not in page.url
