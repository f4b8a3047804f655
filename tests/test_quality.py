"""Distances between feature clouds against closed forms and torchmetrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ambient.errors import InputError
from ambient.features import FEATURES
from ambient.quality import frechet, kid, quality

DIM = 8


class Precomputed(nn.Module):
    """The feature network torchmetrics asks for, where features are already there."""

    num_features = DIM

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


def normal(n: int, seed: int, dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def whitened(n: int, seed: int) -> NDArray[np.float64]:
    """Points whose sample mean is exactly 0 and whose sample covariance is exactly I."""
    x = normal(n, seed).astype(np.float64)
    x -= x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T


def test_frechet_of_gaussians_is_the_closed_form() -> None:
    """Commuting covariances: |mu_a - mu_b|^2 + sum (s_a - s_b)^2."""
    rng = np.random.default_rng(0)
    s_a, s_b = rng.uniform(0.5, 2, DIM), rng.uniform(0.5, 2, DIM)
    mu = rng.normal(size=DIM)
    a, b = whitened(300, 1) * s_a + mu, whitened(200, 2) * s_b
    assert frechet(a, b) == pytest.approx((mu**2).sum() + ((s_a - s_b) ** 2).sum(), rel=1e-9)


def test_frechet_is_torchmetrics() -> None:
    from torchmetrics.image import fid

    a, b = normal(150, 1) @ normal(DIM, 3), normal(120, 2) @ normal(DIM, 4) + 0.3
    metric = fid.FrechetInceptionDistance(Precomputed())
    metric.update(torch.from_numpy(a).double(), real=False)
    metric.update(torch.from_numpy(b).double(), real=True)
    assert frechet(a, b) == pytest.approx(float(metric.compute()), rel=1e-8)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception")
def test_kid_is_torchmetrics_on_one_full_subset() -> None:
    from torchmetrics.image import kid as module

    a, b = normal(120, 1), 1.2 * normal(120, 2) + 0.3
    metric = module.KernelInceptionDistance(Precomputed(), subsets=1, subset_size=120)
    metric.update(torch.from_numpy(a).double(), real=False)
    metric.update(torch.from_numpy(b).double(), real=True)
    assert kid(a, b) == pytest.approx(float(metric.compute()[0]), rel=1e-8)


def test_kid_of_one_distribution_averages_to_zero() -> None:
    draws = [kid(normal(100, 2 * s), normal(60, 2 * s + 1)) for s in range(100)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(len(draws))


def test_identical_sets_are_at_distance_zero() -> None:
    a = normal(100, 0)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a[::-1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("distance", [frechet, kid])
def test_distances_are_symmetric_and_survive_rotation(distance: Callable[..., float]) -> None:
    a, b = normal(100, 0), 1.5 * normal(80, 1) + 0.2
    turn = np.linalg.qr(normal(DIM, 2).astype(np.float64))[0]
    here = distance(a, b)
    assert distance(b, a) == pytest.approx(here, rel=1e-9)
    assert distance(a @ turn, b @ turn) == pytest.approx(here, rel=1e-9)


def test_yardsticks_rank_a_perfect_model_before_a_copier_before_noise() -> None:
    heldout, train = normal(800, 1, 64), normal(100, 2, 64)
    perfect = quality(normal(400, 3, 64), train, heldout, seed=0)
    far = quality(normal(400, 3, 64) + 1, train, heldout, seed=0)
    assert perfect["features"] == FEATURES
    assert perfect["frechet"] == pytest.approx(perfect["frechet_heldout"], rel=0.1)
    assert perfect["frechet"] < perfect["frechet_train"] < far["frechet"]
    assert perfect["kid"] < far["kid"]


def test_a_copier_scores_the_training_yardstick() -> None:
    heldout, train = normal(800, 1, 64), normal(100, 2, 64)
    copier = train[np.random.default_rng(5).choice(100, 400)]
    scores = quality(copier, train, heldout, seed=0)
    assert scores["frechet"] == pytest.approx(scores["frechet_train"], rel=0.1)


def test_quality_is_decided_by_its_seed() -> None:
    arrays = normal(200, 1, 64), normal(50, 2, 64), normal(300, 3, 64)
    assert quality(*arrays, seed=1) == quality(*arrays, seed=1)
    assert quality(*arrays, seed=1) != quality(*arrays, seed=2)


def test_unusable_sets_are_explained() -> None:
    with pytest.raises(InputError, match="same encoder"):
        frechet(normal(100, 0), normal(100, 0, dim=5))
    with pytest.raises(InputError, match=r"sets of 8 and 100 images.*at least 9"):
        frechet(normal(8, 0), normal(100, 0))
    with pytest.raises(InputError, match="at least 2"):
        kid(normal(1, 0), normal(100, 0))
    with pytest.raises(InputError, match=r"50 images.*Draw more samples"):
        quality(normal(100, 0, 64), normal(100, 1, 64), normal(100, 2, 64), seed=0)
