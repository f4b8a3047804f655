"""Jobs of a queue, waited for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from ambient.runs import queue
from ambient.runs.turns import standings

PATIENCE = 240.0  # seconds for a process of its own on a busy machine


def finish(folder: Path) -> None:
    """Keep the queue of a folder going until no process works at its jobs."""
    queue.advance(folder)
    while running := [s for s in standings(folder) if s.state.status == "running"]:
        for standing in running:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(standing.state.pid).wait(PATIENCE)
        queue.advance(folder)
