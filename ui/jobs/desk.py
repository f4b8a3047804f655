"""Audits of visitors, one at a time, each by a process of its own.

A folder is the only channel: what was handed over goes in, `progress.json`, `audit.json` and
`audit.html` come out. Who came first goes first; who closed the page is passed over, and forgotten
with the folder. A clock sees to that when nobody looks; what a server that was killed left behind
is removed by the next one.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ambient.errors import InputError
from ambient.runs.folder import process_started
from ambient.runs.limits import Limits
from ui.uploads import store

AWAY = 90.0  # seconds without a look: the page is closed, or its tab asleep
ABANDONED = 600.0  # after so many, a running audit makes room
KEPT = 3600.0  # a finished one is forgotten
TICK = 5.0  # seconds between two looks at the clock
FOLDER = "ambient-audit"  # then the server's process, its start, and what makes it unique
SAYS = "ambient audit: "  # how the command begins the one line of an error
ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class Job:
    """One audit.

    Attributes:
        folder: what was handed over, and what comes out.
        command: the arguments of `python -m ambient`.
        of: the browser it was asked for by, and the place of the drops there.
        seen: when its page last asked, by the monotonic clock.
        late: why it is ended before its time, if it is.
    """

    folder: Path
    command: list[str]
    of: tuple[str, str] | None = None
    seen: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    late: str = ""

    @property
    def status(self) -> str:
        """`waiting`, `running`, `done` or `failed`."""
        if self.process is None:
            return "waiting"
        code = self.process.poll()
        return "running" if code is None else "failed" if code else "done"

    @property
    def active(self) -> bool:
        return self.status in ("waiting", "running")

    @property
    def json(self) -> Path:
        return self.folder / "audit.json"

    @property
    def html(self) -> Path:
        return self.folder / "audit.html"

    def progress(self) -> dict[str, Any]:
        """What is being done: `part`, `done` and `total`."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "progress.json").read_bytes())
        except (OSError, ValueError):  # not there yet
            return {"part": "starting", "done": 0, "total": 1}
        return found

    def last_word(self) -> str:
        """Why it failed, in the line that its process ended with."""
        if self.late:
            return self.late
        log = self.folder / "log.txt"
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        said = [line.removeprefix(SAYS) for line in lines if line.startswith(SAYS)]
        ended = "the audit ended early, perhaps for want of memory; try it with fewer images."
        return said[-1].replace(f"{self.folder}{os.sep}", "")[-400:] if said else ended

    def start(self) -> None:
        self.began = time.monotonic()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        parts = [str(ROOT), os.environ.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, parts))
        nice = ["nice", "-n", "10"] if shutil.which("nice") else []  # page loads come first
        with (self.folder / "log.txt").open("wb") as log:
            self.process = subprocess.Popen(
                [*nice, sys.executable, "-m", "ui.jobs.process", *self.command],
                stdin=subprocess.PIPE,  # its other end is closed when this server ends
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def end(self) -> None:
        """Stop its process, if there is one, and forget everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """Stop its process, if there is one, which may take seconds."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


class Desk:
    """All audits of a server, in the order they came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held for moments: everybody's page waits for it
        self.jobs: dict[str, Job] = {}
        self.closed = threading.Event()

    def submit(
        self,
        sets: Mapping[str, Sequence[Any] | str],
        features: str,
        count: int = 256,
        of: tuple[str, str] | None = None,
    ) -> str:
        """Take an audit in; returns the key to ask for it by.

        Args:
            sets: `generated` or `model`, `train` and perhaps `heldout`: uploaded files, or a path.
            count: samples of a model.
            of: the browser, and the place there, that may ask for it without the key.

        Raises:
            InputError: more than this server takes, or files that do not go together.
        """
        with self.lock:
            waiting = sum(job.active for job in self.jobs.values())
        if waiting >= Limits.here().queued:
            raise InputError(f"{waiting} audits are waiting already; try again later.")
        folder = Path(tempfile.mkdtemp(prefix=_mark()))
        try:
            command = ["audit", "--skip-quality", "--features", features]
            command += ["--n", str(count)] if "model" in sets else []
            for name, given in sets.items():
                place = given if isinstance(given, str) else str(store(folder / name, name, given))
                command += [f"--{name}", place]
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for option, file in (("json", "audit"), ("html", "audit"), ("progress", "progress")):
            suffix = "html" if option == "html" else "json"
            command += [f"--{option}", str(folder / f"{file}.{suffix}")]
        key = secrets.token_urlsafe(16)
        with self.lock:
            self.jobs[key] = Job(folder, command, of)
        self.advance()
        return key

    def look(self, key: str) -> Job | None:
        """The audit of that key, whose page is open; None if it was forgotten."""
        with self.lock:
            if job := self.jobs.get(key):
                job.seen = time.monotonic()
        self.advance()
        return self.jobs.get(key)

    def newest(self, of: tuple[str | None, str]) -> str:
        """The key of the last audit of a browser at a place; '' if there is none."""
        with self.lock:
            return next((k for k, job in reversed(self.jobs.items()) if job.of == of), "")

    def end_all(self, browser: str | None) -> None:
        """End and forget all audits of a browser."""
        with self.lock:
            keys = [k for k, job in self.jobs.items() if job.of and job.of[0] == browser]
        for key in keys:
            self.end(key)

    def ahead(self, key: str) -> int:
        """How many audits come before this one."""
        with self.lock:
            keys = [k for k, job in self.jobs.items() if job.active]
        return keys.index(key) if key in keys else 0

    def end(self, key: str) -> None:
        with self.lock:
            job = self.jobs.pop(key, None)
        if job:
            job.end()
        self.advance()

    def close(self) -> None:
        """End and forget everything: the server stops."""
        self.closed.set()
        with self.lock:
            jobs = [self.jobs.pop(key) for key in list(self.jobs)]
        for job in jobs:
            job.end()

    def advance(self) -> None:
        """Forget whom nobody asks for, and start the next if none is running. Cheap."""
        now, most = time.monotonic(), Limits.here().seconds
        with self.lock:
            keys = [
                key
                for key, job in self.jobs.items()
                if now - job.seen > (ABANDONED if job.active else KEPT)
            ]
            forgotten = [self.jobs.pop(key) for key in keys]
            late = [
                job
                for job in self.jobs.values()
                if job.status == "running" and not job.late and now - job.began > most
            ]
            for job in late:
                job.late = f"it took longer than {most / 60:.0f} minutes; give it less."
        for job in forgotten:
            job.end()
        for job in late:
            job.stop()
        with self.lock:
            if any(job.status == "running" for job in self.jobs.values()):
                return
            for job in self.jobs.values():
                if job.status == "waiting" and now - job.seen < AWAY:
                    job.start()
                    return

    def watch_the_clock(self) -> None:
        """Go on and forget when nobody looks, until the server stops."""
        while not self.closed.wait(TICK):
            with suppress(InputError, OSError):  # who looks is told
                self.advance()


@st.cache_resource
def desk() -> Desk:
    """The one of this server."""
    sweep()
    found = Desk()
    atexit.register(found.close)
    threading.Thread(target=found.watch_the_clock, name="audits", daemon=True).start()
    return found


def _mark() -> str:
    """How the folders of this process begin."""
    return f"{FOLDER}-{os.getpid()}-{process_started(os.getpid())}-"


def sweep() -> None:
    """Remove what servers that were killed left behind; where processes can be told apart."""
    if process_started(os.getpid()) is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}-*-*-*"):
        pid, started = folder.name.removeprefix(f"{FOLDER}-").split("-")[:2]
        if pid.isdecimal() and process_started(int(pid)) != started:
            shutil.rmtree(folder, ignore_errors=True)
