"""Quantities per noise level against their known limits and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ambient.copies import clopper_pearson
from ambient.curves import (
    coverage,
    noise_level_curves,
    noise_levels,
    posterior_summary,
    ratio_interval,
)
from ambient.denoiser import squared_distances
from ambient.run import Run

D = 3 * 16 * 16


def images(n: int, seed: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=g).clamp(-1, 1)


def noised(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(9))


def test_levels_are_log_spaced_with_the_cutoff_among_them() -> None:
    levels = noise_levels(0.7)
    assert len(levels) == 25
    assert 0.7 in levels
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0.02, 20.0)


def test_at_low_noise_everything_is_given_away_and_at_high_noise_nothing() -> None:
    train = images(50, 0)
    for sigma, w, leak in ((0.02, 1.0, 1.0), (1e4, 1 / 50, 0.0)):
        found = posterior_summary(squared_distances(noised(train, sigma), train), sigma)
        assert found == pytest.approx((w, leak), abs=2e-3)


def test_two_points_have_the_posterior_of_a_coin() -> None:
    """Images a distance L apart: the posterior of one is logistic in t ~ N(L^2/2s^2, L^2/s^2)."""
    sigma, gap = 1.0, 1.5
    two = torch.zeros(2, 4)
    two[1, 0] = gap
    g = torch.Generator().manual_seed(0)
    x = two.repeat(100_000, 1)
    d2 = squared_distances(x + sigma * torch.randn(x.shape, generator=g), two)
    w, leak = posterior_summary(d2, sigma)
    k = gap**2 / sigma**2
    t = np.random.default_rng(0).normal(k / 2, math.sqrt(k), 400_000)
    p = 1 / (1 + np.exp(-t))
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    assert w == pytest.approx(np.maximum(p, 1 - p).mean(), abs=3e-3)
    assert leak == pytest.approx(1 - entropy / math.log(2), abs=5e-3)


def test_doubled_images_hide_one_bit() -> None:
    train = images(16, 0)
    doubled = torch.cat([train, train])
    w, leak = posterior_summary(squared_distances(noised(doubled, 0.05), doubled), 0.05)
    assert w == pytest.approx(0.5, abs=1e-3)
    assert leak == pytest.approx(1 - math.log(2) / math.log(32), abs=1e-3)


def test_coverage_grows_from_nothing_to_everything() -> None:
    train, heldout = images(50, 0), images(50, 1)
    found = [
        coverage(squared_distances(noised(heldout, s), train), s, D) for s in (0.05, 0.5, 50.0)
    ]
    assert found[0] == 0.0
    assert found[-1] > 0.95
    own = coverage(squared_distances(noised(train, 0.05), train), 0.05, D)
    assert own >= 1 - 2 * math.exp(-5) - 0.05


def test_bootstrap_covers_a_known_ratio() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(100):
        low, high = ratio_interval(rng.gamma(5, 1, 80), rng.gamma(5, 2, 80), seed)
        hits += low <= 2 <= high
    assert clopper_pearson(hits, 100)[1] > 0.93


def test_curves_of_a_run_are_complete_and_in_range(tiny_run: Run) -> None:
    done, total, pack = list(noise_level_curves(tiny_run, images=16, noises=2))[-1]
    assert done == total == len(pack["levels"]) == 24
    for level in pack["levels"]:
        for name in ("posterior_max", "coverage", "leakage"):
            assert 0 <= level[name] <= 1
        low, high = level["gap_ratio_ci95"]
        assert low <= level["gap_ratio"] <= high
        # Nothing beats the ideal denoiser on the images it knows.
        assert level["loss_ideal"] <= level["loss_train"] * 1.02 + 1e-9
    density = [level["train_density"] for level in pack["levels"]]
    steps = np.diff(np.log([level["sigma"] for level in pack["levels"]]))
    # The lognormal's mass between 0.02 and 20, by the trapezoid rule.
    area = ((np.array(density[1:]) + density[:-1]) / 2 * steps).sum()
    assert area == pytest.approx(1.0, abs=0.01)


def test_errors_are_the_networks_own(tiny_run: Run) -> None:
    """At huge noise every denoiser can only answer the mean: the error is the data's variance."""
    pack = list(noise_level_curves(tiny_run, images=16, noises=2))[-1][2]
    corpus = tiny_run.corpus()
    train = torch.from_numpy(corpus.images[tiny_run.split(corpus).train]).float() / 127.5 - 1
    spread = ((train - train.mean(0)) ** 2).mean()
    assert_close(torch.tensor(pack["levels"][-1]["loss_ideal"]), spread, rtol=0.05, atol=0)
