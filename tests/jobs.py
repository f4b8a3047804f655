"""Jobs of other processes, waited for."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from ambient.runs import queue
from ambient.runs.turns import standings

PATIENCE = 240.0  # seconds for a process of its own on a busy machine
LOOK = 0.2  # seconds between two looks at its files
T = TypeVar("T")


def until(holds: Callable[[], T], process: subprocess.Popen[str] | None = None) -> T:
    """What a question about another process' files answers once it is so."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(LOOK)
    return found


def finish(folder: Path) -> None:
    """Keep the queue of a folder going until no process works at its jobs."""
    queue.advance(folder)
    while running := [s for s in standings(folder) if s.state.status == "running"]:
        for standing in running:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(standing.state.pid).wait(PATIENCE)
        queue.advance(folder)
