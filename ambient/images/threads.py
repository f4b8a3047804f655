"""Work on several cores at once: numpy lets go of the interpreter while it counts."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

A = TypeVar("A")
B = TypeVar("B")

MOST = 4  # threads: each holds a block of images


def cores() -> int:
    """How many threads to use: `OMP_NUM_THREADS` where it is set, as all libraries here do."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(MOST, max(1, int(said)) if said.isdecimal() else os.cpu_count() or 1)


def at_once(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Results in the order of the items, of which as many are worked on at once as there are
    cores; no more are done ahead, so that memory stays bounded.

    Each has one thread of BLAS: of two such threads in each of two, products took twice the time.
    """
    ahead = cores()
    if ahead == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[B]] = deque()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(ahead) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
