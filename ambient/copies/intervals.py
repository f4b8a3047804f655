"""95 % intervals of shares, of their differences and of means.

`scipy` is imported where it is used, and its `stats` seldom: they take half a second and more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959964  # of a 95 % interval
Interval = tuple[float, float]


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> Interval:
    """The exact binomial interval of a share (Clopper and Pearson 1934); (0, 1) if n is 0."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(hits, n - hits + 1, tail) if hits else 0.0
    high = betaincinv(hits + 1, n - hits, 1 - tail) if hits < n else 1.0
    return float(low), float(high)


def _wilson(hits: int, n: int) -> Interval:
    from scipy.stats import binomtest

    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return float(low), float(high)


def newcombe(hits: tuple[int, int], counts: tuple[int, int]) -> Interval:
    """95 % interval of the second share minus the first, of independent samples.

    Newcombe's hybrid of two Wilson scores (Statistics in Medicine 17, 1998, method 10).

    Args:
        hits: copies in the first and the second set. counts: samples, at least 1 each.
    """
    p, q = (k / n for k, n in zip(hits, counts, strict=True))
    (p_low, p_high), (q_low, q_high) = (_wilson(k, n) for k, n in zip(hits, counts, strict=True))
    change = q - p
    return change - math.hypot(q - q_low, p_high - p), change + math.hypot(q_high - q, p - p_low)


def tango(lost: int, gained: int, n: int) -> Interval:
    """95 % interval of the difference (gained - lost) / n of paired shares, by the score test.

    Tango, Statistics in Medicine 17, 1998; scipy has none.

    Args:
        lost, gained: pairs that are copies in the first sample alone, and in the second alone.
        n: all pairs, at least 1.
    """
    return -_highest(gained, lost, n), _highest(lost, gained, n)


def _highest(lost: int, gained: int, n: int) -> float:
    """The largest difference (gained - lost) / n that the score test keeps.

    The test of a difference d takes the variance of the change under d, at the likeliest share of
    lost pairs there, so without any lost or gained pair it still keeps Z^2 / (n + Z^2).
    """

    def kept(d: float) -> bool:
        b = lost + gained - (2 * n + lost - gained) * d
        likeliest = (math.sqrt(max(b * b + 8 * n * lost * d * (1 - d), 0)) + b) / (4 * n)
        return (n * d - (gained - lost)) ** 2 <= Z**2 * n * (2 * likeliest + d * (1 - d))

    low, high = (gained - lost) / n, 1.0
    for _ in range(60):  # halvings: to float precision
        middle = (low + high) / 2
        low, high = (middle, high) if kept(middle) else (low, middle)
    return low


def student(values: Sequence[float]) -> Interval:
    """95 % interval of a mean, by Student's t; infinite for a single value."""
    n = len(values)
    if n == 1:
        return -math.inf, math.inf
    from scipy.special import stdtrit

    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    reach = float(stdtrit(n - 1, 0.975)) * error
    return mean - reach, mean + reach
