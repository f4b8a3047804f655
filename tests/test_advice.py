"""Advice on small sets: a planted law is found, its interval covers, and words say what it is."""

from __future__ import annotations

import numpy as np
import pytest

from ambient.advice import Onset, expected_onset, seen_at_onset, stored_rows
from ambient.errors import InputError


def planted(power: float, noise: float, seed: int, count: int = 12) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    sizes = np.resize([25, 50, 100, 200], count)
    seen = 400 * sizes**power * np.exp(noise * rng.standard_normal(count))
    return [
        {"corpus": "planted", "n_train": int(n), "seen": float(s)}
        for n, s in zip(sizes, seen, strict=True)
    ]


def test_the_onset_is_read_off_between_two_stages() -> None:
    path = [(100, 0.0), (200, 0.05), (300, 0.25), (400, 0.5)]
    assert seen_at_onset(path, batch=32) == pytest.approx(32 * 225)
    assert seen_at_onset(path[:2], batch=32) is None  # it never began
    assert seen_at_onset(path[2:], batch=32) is None  # it began before anyone looked


def test_a_planted_law_is_found() -> None:
    found = expected_onset(400, 32, planted(1.2, 0.0, 0))
    assert found.power == pytest.approx(1.2)
    assert found.step == found.low == found.high == round(400 * 400**1.2 / 32)


def test_the_interval_covers_another_run_nineteen_times_of_twenty() -> None:
    rng, inside = np.random.default_rng(1), 0
    for seed in range(400):
        found = expected_onset(140, 1, planted(1.0, 0.3, seed))
        another = 400 * 140 * np.exp(0.3 * rng.standard_normal())
        inside += found.low <= another <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_what_was_never_tried_is_said() -> None:
    rows = planted(1.0, 0.1, 0)
    assert "extrapolation" not in expected_onset(140, 32, rows).in_words()
    assert "extrapolation" in expected_onset(5000, 32, rows).in_words()


@pytest.mark.parametrize("rows", [[], planted(1, 0, 0)[:1] * 6])
def test_without_runs_of_different_sizes_there_is_no_law(rows: list[dict[str, object]]) -> None:
    with pytest.raises(InputError, match="needs 4 or more, of different sizes"):
        expected_onset(100, 32, rows)


def test_the_stored_runs_give_advice() -> None:
    rows = stored_rows()
    found = expected_onset(140, 32, rows)
    assert isinstance(found, Onset) and found.runs == len(rows)
    assert found.low < found.step < found.high
    assert all(f"{x:,}" in found.in_words() for x in (found.step, found.low, found.high))
