"""Whose run it is, in a real browser: the page loaded again, and a server that starts again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ambient.runs.folder import list_runs
from tests.browser.test_browser import playwright, server, tab

pytestmark = pytest.mark.browser


def test_a_run_stays_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    expect = playwright.expect
    with server(tmp_path) as address, tab() as (page, errors):
        page.goto(f"{address}/train_your_own")
        page.get_by_role("button", name="Train", exact=True).click()
        stop = page.get_by_role("button", name="Stop and save")
        expect(stop).to_be_visible(timeout=60_000)
        for _ in range(2):
            page.wait_for_function("document.cookie.includes('ambient-key=')", timeout=60_000)
            page.reload()
            expect(stop).to_be_visible(timeout=60_000)
        page.goto(f"{address}/train_your_own")  # the address alone, in a session of its own
        stop.click(timeout=60_000)
        (run,) = list_runs(tmp_path)
        deadline = time.monotonic() + 120
        while run.state["status"] != "paused":
            assert time.monotonic() < deadline, run.state
            time.sleep(0.5)
        (cookie,) = (c for c in page.context.cookies() if c["name"] == "ambient-key")
        assert cookie["sameSite"] == "Lax"
        assert cookie["value"] not in page.url
        assert not errors
