"""Times side by side, as rows of a record.

Every ratio is of runs that take turns in one process, or of processes that take turns, in an
order that reverses from block to block: whatever else the machine does hits both. A row holds the
median over blocks and, of more than three, a 95 % bootstrap interval of the ratio.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Row = dict[str, Any]
Calls = dict[str, Callable[[], object]]


def in_turn(calls: Calls, blocks: int) -> dict[str, np.ndarray]:
    """Seconds of each call in each block; a block before the first warms up.

    With one thread they are the processor's, which other processes on the machine do not lengthen.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for block in range(blocks + 1):
        for name in list(calls)[:: 1 if block % 2 else -1]:
            start = clock()
            calls[name]()
            if block:
                seconds[name].append(clock() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def compared(name: str, unit: str, ours: np.ndarray, peer: np.ndarray) -> Row:
    """One row: medians of both, and of their ratio block by block.

    It has an interval where there are more than three blocks: fewer bound nothing.
    """
    ratios = ours / peer
    row: Row = {
        "name": name,
        "ours": float(np.median(ours)),
        "peer": float(np.median(peer)),
        "ratio": float(np.median(ratios)),
        "blocks": len(ratios),
        "unit": unit,
    }
    if len(ratios) > 3:
        draws = np.random.default_rng(0).integers(len(ratios), size=(4000, len(ratios)))
        medians = np.median(ratios[draws], axis=1)
        row["ratio_ci95"] = np.quantile(medians, [0.025, 0.975]).tolist()
    return row


def absent(name: str, unit: str, why: str) -> Row:
    """A row that could not be measured here, and the reason."""
    return {"name": name, "ours": None, "peer": None, "ratio": None, "unit": unit, "note": why}
