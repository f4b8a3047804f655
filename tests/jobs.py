"""Jobs of other processes, waited for."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil

from ambient.images.corpus import Corpus
from ambient.runs import queue
from ambient.runs.folder import OWN
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


def some_of(corpus: Corpus, count: int) -> Corpus:
    """So many distinct images of a corpus, as somebody's own: they are soon judged."""
    some = np.unique(corpus.groups, return_index=True)[1][:count]
    return replace(
        corpus,
        name=OWN,
        images=corpus.images[some],
        names=tuple(corpus.names[i] for i in some),
        categories=tuple(corpus.categories[i] for i in some),
        groups=corpus.groups[some],
    )
