"""What is computed when a visitor asks: in turns, and never of a run that had the same name."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st

from ambient.files import InputError
from ambient.runs.folder import Run, open_run
from tests.jobs import until
from ui import data, live
from ui.evidence import sampling
from ui.evidence.exhibit import Exhibit


@pytest.fixture
def run(tiny_run: Run, tmp_path: Path) -> Run:
    shutil.copytree(tiny_run.path, tmp_path / "digits-16-1")
    return open_run(tmp_path / "digits-16-1")


def replaced(run: Run, **changes: object) -> Run:
    """Another run of the same name: other settings, other weights."""
    path = run.path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")
    first, *_, last = run.steps
    shutil.copy(run.checkpoint(first), run.checkpoint(last))
    return open_run(run.path)


def test_samples_are_of_the_weights_that_a_run_has_now(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", session)
    images = data.sets(run).train[:2]
    session[f"live-{run.path}"] = made = Exhibit.of(
        run, images, live.judged(run, images, (0, 1)), live=True
    )
    assert sampling.drawn(run) is made
    again = replaced(run)
    assert sampling.drawn(again) is None
    assert data.weights(again, 20) == again.checkpoint_sha256(20)
    assert data.weights(again, 15) == ""


# Turns


class MovedOn(BaseException):
    """As Streamlit ends the script of a visitor who reruns: where it writes to the page."""


class Visitors:
    """Threads that sample; those that have moved on are ended where they next write."""

    def __init__(self) -> None:
        self.moved: set[str] = set()
        self.served: list[str] = []
        self.threads: dict[str, threading.Thread] = {}
        self.may_end = threading.Event()

    def empty(self) -> Visitors:
        return self

    def caption(self, text: str = "") -> None:
        if threading.current_thread().name in self.moved:
            raise MovedOn

    def come(self, name: str, work: Callable[[], None]) -> None:
        """Start, and go on once it waits or works."""

        def script() -> None:
            try:
                work()
            except MovedOn:
                self.served.append(f"{name} moved on")

        thread = self.threads[name] = threading.Thread(target=script, name=name)
        thread.start()
        until(lambda: thread.ident in live._line()[0] or not thread.is_alive())

    def work(self) -> None:
        with live.turn():
            self.served.append(threading.current_thread().name)

    def hold(self) -> None:
        with live.turn():
            self.may_end.wait(30)


@pytest.fixture
def visitors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitors]:
    found = Visitors()
    live._line.clear()  # type: ignore[attr-defined]
    monkeypatch.setattr(live, "LOOK", 0.02)
    monkeypatch.setattr(live.st, "empty", found.empty)
    yield found
    found.may_end.set()
    for thread in found.threads.values():
        thread.join(30)


def test_who_moves_on_makes_room_and_the_others_come_in_their_order(
    visitors: Visitors, run: Run
) -> None:
    def sample() -> None:
        for _ in live.sampled(run, (0, 1), "heun", 18):
            visitors.served.append("samples")
            visitors.may_end.wait(30)
            visitors.caption()  # the progress bar

    visitors.come("first", sample)
    for name in ("second", "third", "fourth"):
        visitors.come(name, visitors.work)
    until(lambda: visitors.served == ["samples"])
    visitors.moved.add("second")  # while it waits
    until(lambda: visitors.served == ["samples", "second moved on"])
    visitors.moved.add("first")  # while it samples
    visitors.may_end.set()
    for thread in visitors.threads.values():
        thread.join(30)
    assert sorted(visitors.served[2:]) == sorted(["first moved on", "third", "fourth"])
    assert visitors.served.index("third") < visitors.served.index("fourth")


def test_judging_waits_for_its_turn_or_goes_on_in_it(
    visitors: Visitors, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = data.sets(run).train[:2]
    with live.turn():
        assert live.judged(run, images, (0, 1)).samples
    monkeypatch.setattr(live, "PATIENCE", 0.1)
    visitors.come("holder", visitors.hold)
    with pytest.raises(InputError, match="another visitor is sampling"):
        live.judged(run, images, (0, 1))
    visitors.may_end.set()
    visitors.threads["holder"].join(30)
    assert live.judged(run, images, (0, 1)).samples
