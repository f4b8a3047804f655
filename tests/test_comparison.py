"""Comparisons over seeds: planted differences, and paths whose answer is known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ambient.comparison import Mean, copies_at


def test_the_interval_is_scipys() -> None:
    values = [0.31, 0.42, 0.28, 0.55]
    m = Mean.of(values)
    assert m is not None
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (m.value, m.low, m.high) == pytest.approx((np.mean(values), low, high))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0).normal(0.4, 0.1, (2000, 3))
    found = [Mean.of(list(row)) for row in draws]
    held = np.mean([m is not None and m.low <= 0.4 <= m.high for m in found])
    assert 0.93 < held < 0.97


def test_one_run_says_nothing_of_others_and_none_nothing_at_all() -> None:
    one = Mean.of([0.4])
    assert one is not None
    assert (one.value, one.count) == (0.4, 1)
    assert math.isinf(one.high)
    assert Mean.of([]) is None


@pytest.mark.parametrize(
    ("distance", "copies"),
    [
        (0.5, None),  # never that close
        (1.0, 0.8),  # at a stage
        (1.5, 0.6),  # half way between two
        (2.0, 0.4),  # at another
        (2.5, 0.2),
        (9.0, 0.0),  # any stage will do
    ],
)
def test_copies_at_equal_distance(distance: float, copies: float | None) -> None:
    path = [(3.0, 0.0), (2.0, 0.4), (1.0, 0.8)]
    assert copies_at(path, distance) == (None if copies is None else pytest.approx(copies))


def test_an_early_stage_that_is_better_counts() -> None:
    assert copies_at([(1.0, 0.1), (3.0, 0.3), (2.0, 0.5)], 2.5) == 0.1
