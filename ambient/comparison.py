"""Comparing ways of training over seeds: at the same step, and at equal quality along whole paths.

A run's path is its judged stages in the order of training. Seeds are paired: run by run of one seed
(and split), then a Student t interval over the differences, which also holds what training, split
and sampling add by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit


@dataclass(frozen=True)
class Mean:
    """A mean over runs and its 95 % Student t interval.

    Attributes:
        low, high: infinite for a single value, which says nothing of others.
        count: how many values there are.
    """

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean | None:
        """The mean of the values; None without any."""
        n = len(values)
        if not n:
            return None
        mean = math.fsum(values) / n
        if n == 1:
            return cls(mean, -math.inf, math.inf, 1)
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
        reach = float(stdtrit(n - 1, 0.975)) * spread / math.sqrt(n)
        return cls(mean, mean - reach, mean + reach, n)


def copies_at(path: Sequence[tuple[float, float]], distance: float) -> float | None:
    """The fewest copies anywhere on a path at a distance (Frechet, KID) of at most `distance`.

    Args:
        path: (distance, copies) of the stages of a run, in the order of training; between two
            stages both change linearly. Smaller distances are better.

    Returns:
        The copied share there; None if the run never gets that close.
    """
    found = [copies for d, copies in path if d <= distance]
    for (d0, c0), (d1, c1) in zip(path, path[1:], strict=False):
        if min(d0, d1) < distance < max(d0, d1):
            found.append(c0 + (c1 - c0) * (distance - d0) / (d1 - d0))
    return min(found, default=None)
