"""Processes for jobs: forked from a warm one, or started cold.

The warm process (`keep`) has imported what jobs need, and waits. Each job is a fork of it, which
begins at once and shares its memory. It only imports: it has no second thread that a fork would
lose, and nothing that it computed can reach a job. It ends where its input ends, with the app.
Where there is none, be it dead, not ready or this no Linux, a job starts cold and does the same.
`AMBIENT_NICE`, 10 if not set, is how far jobs stand back; at 0 they take their share.
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from ambient.runs.job import Job

ANSWER = 5.0  # seconds that a fork takes at most: else the warm process hangs, and is ended
AGAIN = 60.0  # seconds from the start of a warm process to that of the next one, at least
SAID = os.environ.get("AMBIENT_NICE", "")
NICE = int(SAID) if SAID.isdecimal() else 10  # visitors' page loads come first
ROOT = str(Path(__file__).resolve().parent.parent.parent)  # where the command finds `ambient`


class Warm:
    """A warm process, and the pipes to it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ambient.cli.warm"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(1),
            start_new_session=True,
        )
        _calm(self.process.pid)
        self.began = time.monotonic()
        self.dtype = ""

    def is_ready(self) -> bool:
        """Whether it can fork: its first line is the faster arithmetic of this machine."""
        if self.process.poll() is None and not self.dtype:
            self.dtype = self._heard(0.0)
        return self.process.poll() is None and self.dtype != ""

    def is_due(self) -> bool:
        """Whether another one is to take its place: it was of use, is dead, and not just begun."""
        used = self.dtype != "" and time.monotonic() - self.began > AGAIN
        return used and self.process.poll() is not None

    def fork(self, job: Job, command: Sequence[str], threads: int) -> psutil.Process:
        """The process of a job.

        Raises:
            OSError, ValueError: it is dead or hangs; then no job will come of it.
        """
        order = {
            "folder": str(job.path.resolve()),
            "command": list(command),
            "threads": threads,
            "environment": _environment(threads),
        }
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        return psutil.Process(int(self._heard(ANSWER)))

    def _heard(self, seconds: float) -> str:
        """A line from it; empty where none comes."""
        assert self.process.stdout
        waiting = select.poll()
        waiting.register(self.process.stdout, select.POLLIN)
        if not waiting.poll(1e3 * seconds):
            return ""
        return self.process.stdout.readline().decode().strip()

    def end(self) -> None:
        """End it. A job that it is just starting finds nobody to tell so, and ends too."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


_warm: Warm | None = None
_lock = threading.Lock()


def keep() -> None:
    """Have a warm process from here on. Cheap where there is one; one that died is replaced."""
    global _warm
    with _lock:
        if sys.platform == "linux" and (_warm is None or _warm.is_due()):
            with suppress(OSError):  # jobs start cold
                _warm = Warm()


def dtype() -> str:
    """The faster arithmetic of this machine, as the warm process measured it; empty: unknown."""
    with _lock:
        return _warm.dtype if _warm and _warm.is_ready() else ""


def start_process(
    job: Job, command: Sequence[str], threads: int = 1, seconds: float = math.inf
) -> psutil.Process:
    """Start `python -m ambient` for a job, detached, niced, its output in the job's log.

    Where the queue is locked, a warm process waits until it no longer is.

    Args:
        command: what follows `python -m ambient`.
        seconds: that it may compute, where the kernel counts them.

    Raises:
        OSError: it could not be started.
    """
    process = _forked(job, command, threads) or _cold(job, command, threads)
    _calm(process.pid)
    with suppress(psutil.Error):
        if psutil.LINUX and math.isfinite(seconds):
            process.rlimit(psutil.RLIMIT_CPU, (math.ceil(seconds) + 1,) * 2)
    return process


def _forked(job: Job, command: Sequence[str], threads: int) -> psutil.Process | None:
    with _lock:
        if _warm and _warm.is_ready():
            try:
                return _warm.fork(job, command, threads)
            except (OSError, ValueError, psutil.Error):
                _warm.end()
    return None


def _cold(job: Job, command: Sequence[str], threads: int) -> psutil.Process:
    with (job.path / "log.txt").open("ab") as log:
        return psutil.Popen(
            [sys.executable, "-m", "ambient", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(threads),
            start_new_session=True,  # a Ctrl-C for the server is not one for the job
        )


def _environment(threads: int) -> dict[str, str]:
    paths = filter(None, [ROOT, os.environ.get("PYTHONPATH")])
    own = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(paths)}
    return {**os.environ, **own}


def _calm(pid: int) -> None:
    """Let others come first."""
    with suppress(OSError):  # Linux weighs sessions first: nice alone counts within one only
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE), encoding="ascii")
    with suppress(psutil.Error):
        if psutil.POSIX:
            psutil.Process(pid).nice(NICE)
