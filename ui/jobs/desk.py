"""Audits of visitors: what was dropped goes to the queue, and its browser finds the answer again.

Each is a job of the queue (`ambient.runs.queue`), marked with the token of the browser that asked
for it. A clock keeps the queue going when nobody looks.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from ambient.files import InputError
from ambient.runs import launch, queue
from ambient.runs.audits import PROGRESS_FILE, Audit, Request, list_audits
from ui import data
from ui.uploads import store

TICK = 5.0  # seconds between two looks at the queue


def submit(sets: Mapping[str, Sequence[Any] | str], features: str, count: int, browser: str) -> str:
    """Queue an audit; returns the key to ask for it by.

    Args:
        sets: `generated` or `model`, `train` and perhaps `heldout`: uploaded files, or a path.
        count: samples of a model.
        browser: the token that it can be found and ended by.

    Raises:
        InputError: more than this server takes, or files that do not go together.
    """

    def ask(audit: Audit) -> Request:
        words = ["audit", "--skip-quality", "--features", features]
        words += ["--n", str(count)] if "model" in sets else []
        for name, given in sets.items():
            path = given if isinstance(given, str) else store(audit.given / name, name, given)
            words += [f"--{name}", str(path)]
        outcome = {"json": audit.json, "html": audit.html, "progress": audit.path / PROGRESS_FILE}
        for option, path in outcome.items():
            words += [f"--{option}", str(path)]
        return Request(arguments=words)

    return queue.submit_audit(ask, browser, data.runs_folder()).name


def look(browser: str | None, key: str = "") -> Audit | None:
    """A browser's audit of that key, or else its last one; its page is open."""
    with suppress(InputError):  # a full disk: it stands as it stood
        queue.advance(data.runs_folder())
    found = _of(browser)
    audit = next((a for a in found if a.name == key), found[-1] if found else None)
    if audit:
        audit.look()
    return audit


def end(key: str, browser: str | None) -> None:
    """End and forget a browser's audit."""
    for audit in _of(browser):
        if audit.name == key:
            queue.delete(audit, browser, data.runs_folder())


def end_all(browser: str | None) -> None:
    """End and forget all audits of a browser."""
    for audit in _of(browser):
        end(audit.name, browser)


def finished(browser: str | None) -> list[Audit]:
    """The audits of a browser that have a result."""
    return [audit for audit in _of(browser) if audit.status == "done"]


def _of(browser: str | None) -> list[Audit]:
    """The audits of a browser, in the order they came."""
    if browser is None:
        return []
    mine = [a for a in list_audits(data.runs_folder()) if queue.may_change(a, browser)]
    return sorted(mine, key=lambda a: a.place.ticket)


@st.cache_resource
def keep_going() -> None:
    """Look at the queue now and then, as long as this server runs, and keep a process warm."""
    folder, never = data.runs_folder(), threading.Event()
    launch.keep()

    def watch() -> None:
        while not never.wait(TICK):
            launch.keep()
            with suppress(InputError, OSError):  # whoever looks is told
                queue.advance(folder)

    threading.Thread(target=watch, name="queue", daemon=True).start()
