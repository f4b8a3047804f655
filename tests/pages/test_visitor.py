"""Whose runs are whose on a public server: a page loaded again, links of others, many tabs."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ambient.config import configure
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.runs import queue
from ambient.runs.folder import list_runs
from ambient.runs.job import fingerprint
from tests.pages.driver import press, visit
from ui import visitor

COOKIE = visitor.COOKIES[visitor.KEY]


class Browser:
    """What a browser sends when it connects."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.ip_address: str | None = None

    def open(self, **address: str) -> AppTest:
        """The page in a new session; its cookie is kept."""
        return self.kept(visit("train", **address))

    def press(self, app: AppTest, label: str) -> AppTest:
        return self.kept(press(app, label))

    def kept(self, app: AppTest) -> AppTest:
        if visitor.KEY in app.session_state:  # test_browser.py has a true one
            self.cookies[COOKIE] = app.session_state[visitor.KEY]
        return app


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Browser:
    found = Browser()
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda run: None)
    kind = type(st.context)
    monkeypatch.setattr(kind, "cookies", property(lambda self: found.cookies))
    monkeypatch.setattr(kind, "ip_address", property(lambda self: found.ip_address))
    visitor._networks.clear()  # type: ignore[attr-defined]
    return found


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a tab keeps; emptied, it is another tab."""
    found: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", found)
    return found


def labels(app: AppTest) -> set[str]:
    return {b.label for b in app.button}


def test_a_link_with_a_key_lends_it_and_marks_nothing(browser: Browser, tmp_path: Path) -> None:
    browser.press(browser.open(), "Train 50 digits")
    (theirs,) = list_runs(tmp_path)
    key = browser.cookies.pop(COOKIE)
    app = browser.open(mine=theirs.name, key=key)
    assert "Stop" in labels(app)
    assert any(f"key={key}" in code.value for code in app.code)  # the link to their run
    browser.press(browser.open(key=key), "Train 50 digits")
    (mine,) = [r for r in list_runs(tmp_path) if r.name != theirs.name]
    assert mine.owner == fingerprint(browser.cookies[COOKIE])
    assert mine.owner != theirs.owner
    browser.open(key="x" * 22)
    assert mine.owner == fingerprint(browser.cookies[COOKIE])


@pytest.mark.parametrize("cookie", ["", "short", "'-alert(1)-'" + "x" * 10])
def test_a_cookie_that_is_no_token_is_not_taken(
    browser: Browser, session: dict[str, object], cookie: str
) -> None:
    browser.cookies[COOKIE] = cookie
    assert visitor.TOKEN.fullmatch(str(visitor.own_token()))


@pytest.mark.parametrize(
    ("address", "other", "refused"),
    [
        ("93.184.216.34", "93.184.216.35", True),
        ("2606:2800:220:1::1", "2606:2800:220:2::1", True),
        ("172.17.0.1", "172.17.0.2", False),  # a proxy's: everybody's
        (None, None, False),
    ],
)
def test_new_tabs_take_half_the_queue_at_most(
    browser: Browser,
    session: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    digits: Corpus,
    address: str | None,
    other: str | None,
    refused: bool,
) -> None:
    monkeypatch.setenv("AMBIENT_MAX_QUEUED", "4")
    browser.ip_address, config = address, configure(digits, n_train=16, steps=20)
    for _ in range(2):
        session.clear()  # another tab
        queue.submit(config, tmp_path, visitor.queueing())
    session.clear()
    if refused:
        with pytest.raises(InputError, match="2 runs from your network are training or waiting"):
            visitor.queueing()
    else:
        assert visitor.queueing()
    browser.ip_address = other
    assert visitor.queueing()


def test_a_token_is_kept_once(
    browser: Browser, session: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []
    monkeypatch.setattr(st, "html", lambda body, **_: kept.append(body))
    visitor.remember()
    assert not kept
    token = visitor.own_token()
    visitor.remember()
    (script,) = kept
    assert f"document.cookie = '{COOKIE}={token}; path=/; max-age=7776000;" in script
    browser.cookies[COOKIE] = str(token)
    visitor.remember()
    assert len(kept) == 1
