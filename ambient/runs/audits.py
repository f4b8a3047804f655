"""Audits that visitors ask for: jobs whose folder holds what was handed over, and what comes out.

`progress.json`, `audit.json` and `audit.html` come out of `python -m ambient audit`. What was
handed over is removed as soon as the audit ends; the rest goes with the folder, an hour after its
page was closed.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ambient.files import Record, read_record
from ambient.runs.job import STATE_FILE, Count, Job, State

PREFIX = ".audit-"  # begins the name of an audit's folder: no run is listed under such a name
REQUEST_FILE, PROGRESS_FILE, SEEN_FILE = "request.json", "progress.json", "seen"
GIVEN = "given"  # the folder of what was handed over
AWAY = 90.0  # seconds without a look: the page is closed, or its tab asleep
ABANDONED = 600.0  # after so many, an audit that is not done is forgotten
KEPT = 3600.0  # and one that is done after so many
SAYS = "ambient audit: "  # how the command begins the one line of an error
ENDED = "the audit ended early, perhaps for want of memory; try it with fewer images."


class Request(Record, frozen=True, kw_only=True):
    """What was asked for: the arguments of `python -m ambient`."""

    arguments: list[str]


class Progress(Record, frozen=True, kw_only=True):
    """What an audit is doing."""

    part: str = "starting"
    done: Count = 0
    total: Count = 1


@dataclass(frozen=True)
class Audit(Job):
    """One audit: a job of the queue."""

    @property
    def state(self) -> State:
        """How it stands. Its progress file counts as a heartbeat."""
        state = super().state
        with suppress(FileNotFoundError):
            beat = (self.path / PROGRESS_FILE).stat().st_mtime
            state = msgspec.structs.replace(state, heartbeat=max(state.heartbeat, beat))
        return state

    @property
    def request(self) -> Request:
        return read_record(self.path / REQUEST_FILE, Request) or Request(arguments=[])

    @property
    def given(self) -> Path:
        """The folder of what was handed over."""
        return self.path / GIVEN

    @property
    def json(self) -> Path:
        return self.path / "audit.json"

    @property
    def html(self) -> Path:
        return self.path / "audit.html"

    def progress(self) -> Progress:
        return read_record(self.path / PROGRESS_FILE, Progress) or Progress()

    def look(self) -> None:
        """Note that its page is open."""
        with suppress(FileNotFoundError):  # it was just forgotten
            (self.path / SEEN_FILE).touch()

    @property
    def unseen(self) -> float:
        """Seconds since its page was last open."""
        try:
            return abs(time.time() - (self.path / SEEN_FILE).stat().st_mtime)
        except FileNotFoundError:
            return 0.0

    @property
    def is_left(self) -> bool:
        return self.unseen > AWAY

    @property
    def is_over(self) -> bool:
        """Whether it is to be forgotten."""
        return self.unseen > (ABANDONED if self.active else KEPT)

    def settle(self) -> None:
        """Say of an audit that no process works at what it has come to."""
        if self.json.exists():
            self.tell(status="done")
            shutil.rmtree(self.given, ignore_errors=True)
        else:
            self.fail(self._last_word())

    def fail(self, reason: str) -> None:
        super().fail(reason)
        shutil.rmtree(self.given, ignore_errors=True)

    def _last_word(self) -> str:
        """Why it failed, in the line that its process ended with."""
        log = self.path / "log.txt"
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        said = [line.removeprefix(SAYS) for line in lines if line.startswith(SAYS)]
        if not said:
            return ENDED
        for folder in (self.given, self.path):
            said[-1] = said[-1].replace(f"{folder.resolve()}{os.sep}", "")
        return said[-1][-400:]


def list_audits(folder: Path) -> list[Audit]:
    """The audits in a folder; those that are still being handed over are left out."""
    return [Audit(state.parent) for state in sorted(folder.glob(f"{PREFIX}*/{STATE_FILE}"))]
