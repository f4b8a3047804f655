"""Distances between feature clouds against closed forms and torchmetrics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ambient.copies.quality import (
    density_coverage,
    frechet,
    frechet_interval,
    kid,
    kid_interval,
    quality,
    sliced_wasserstein,
)
from ambient.copies.spaces import FEATURES
from ambient.files import InputError

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


@pytest.mark.parametrize("distance", [frechet, kid])
def test_distances_are_symmetric_and_survive_rotation(distance: Callable[..., float]) -> None:
    a, b = normal(100, 0), 1.5 * normal(80, 1) + 0.2
    turn = np.linalg.qr(normal(DIM, 2).astype(np.float64))[0]
    here = distance(a, b)
    assert distance(b, a) == pytest.approx(here, rel=1e-9)
    assert distance(a @ turn, b @ turn) == pytest.approx(here, rel=1e-9)


def test_yardsticks_rank_a_perfect_model_before_a_copier_before_noise() -> None:
    heldout, train = normal(800, 1, 64), normal(100, 2, 64)
    perfect = quality(normal(400, 3, 64), train, heldout, FEATURES, seed=0)
    far = quality(normal(400, 3, 64) + 1, train, heldout, FEATURES, seed=0)
    assert perfect["features"] == FEATURES
    assert perfect["frechet"] == pytest.approx(perfect["frechet_heldout"], rel=0.1)
    assert perfect["frechet"] < perfect["frechet_train"] < far["frechet"]
    assert perfect["kid"] < far["kid"]


def test_quality_is_decided_by_its_seed() -> None:
    arrays = normal(200, 1, 64), normal(50, 2, 64), normal(300, 3, 64)
    assert quality(*arrays, FEATURES, seed=1) == quality(*arrays, FEATURES, seed=1)
    assert quality(*arrays, FEATURES, seed=1) != quality(*arrays, FEATURES, seed=2)


def test_unusable_sets_are_explained() -> None:
    with pytest.raises(InputError, match="same encoder"):
        frechet(normal(100, 0), normal(100, 0, dim=5))
    with pytest.raises(InputError, match=r"sets of 8 and 100 images.*at least 9"):
        frechet(normal(8, 0), normal(100, 0))
    with pytest.raises(InputError, match="at least 2"):
        kid(normal(1, 0), normal(100, 0))
    with pytest.raises(InputError, match=r"4 and 4 images.*at least 6"):
        density_coverage(normal(10, 0), normal(4, 1))


def test_density_and_coverage_are_those_of_their_authors() -> None:
    from prdc import compute_prdc

    a, b = normal(150, 1), normal(200, 2) + 0.2
    theirs = compute_prdc(real_features=b, fake_features=a, nearest_k=5)
    assert density_coverage(a, b) == pytest.approx((theirs["density"], theirs["coverage"]))


def test_a_model_of_one_picture_is_dense_and_covers_nothing() -> None:
    reference = normal(500, 1)
    center = np.zeros((400, DIM), np.float32)
    density, covered = density_coverage(center, reference)
    assert density > 2
    assert covered < 0.2
    assert density_coverage(reference, reference)[1] == 1
    assert density_coverage(normal(400, 2) + 100, reference) == (0, 0)


@pytest.mark.parametrize(
    ("distance", "interval"), [(frechet, frechet_interval), (kid, kid_interval)]
)
def test_intervals_hold_the_distance_of_large_sets(
    distance: Callable[..., float], interval: Callable[..., tuple[float, float]]
) -> None:
    """A shift of 1: both distances of 20,000 images lie in most intervals of 300."""

    def pair(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return normal(n, 2 * seed), normal(n, 2 * seed + 1) + np.float32(1 / np.sqrt(DIM))

    truth = np.mean([distance(*pair(1000, 500 + s)) for s in range(20)])
    held = 0
    for s in range(20):
        low, high = interval(*pair(300, s), seed=s, draws=100)
        assert low < distance(*pair(300, s)) < high
        held += low < truth + 0.01 and truth - 0.01 < high
    assert held >= 15


def test_fewer_images_than_features_are_no_frechet_distance_but_a_kernel_distance() -> None:
    found = quality(normal(100, 0, 64), normal(100, 1, 64), normal(100, 2, 64), FEATURES, seed=0)
    assert found["frechet"] is None
    assert found["frechet_ci95"] is None
    assert found["kid_ci95"][0] < found["kid"] < found["kid_ci95"][1]
    assert found["n_reference"] == 50


def pictures(n: int, seed: int) -> NDArray[np.uint8]:
    """Smooth 32x32 pictures with hard edges, as emoji are."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    center, radius = rng.uniform(10, 22, (n, 2, 1, 1)), rng.uniform(4, 10, (n, 1, 1))
    inside = (y - center[:, 0]) ** 2 + (x - center[:, 1]) ** 2 < radius**2
    colors = rng.integers(0, 200, (n, 1, 1, 3))
    return np.where(inside[..., None], colors, 255).astype(np.uint8)


def test_fine_detail_sees_blur_and_grain_where_new_pictures_are_near() -> None:
    a, b = pictures(120, 0), pictures(120, 1)
    rng = np.random.default_rng(2)
    grainy = np.clip(a + rng.normal(0, 12, a.shape), 0, 255).astype(np.uint8)
    blurred = ((a + np.roll(a, 1, 1).astype(int) + np.roll(a, 1, 2)) // 3).astype(np.uint8)
    near = sliced_wasserstein(a, b)
    assert sliced_wasserstein(grainy, b) > 2 * near
    assert sliced_wasserstein(blurred, b) > 1.2 * near


def test_one_level_is_the_mean_of_one_dimensional_distances() -> None:
    """A constant shift of every pixel moves every projection by its own sum: known by hand."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 200, (50, 8, 8, 1), dtype=np.uint8)
    for shift in (10, 20):
        moved = (a + shift).astype(np.uint8)
        assert sliced_wasserstein(moved, a) == pytest.approx(
            shift / 10 * sliced_wasserstein((a + 10).astype(np.uint8), a), rel=1e-5
        )


@pytest.mark.parametrize("shape", [(16, 16, 3), (6, 6, 1)])
def test_fine_detail_needs_one_size_of_at_least_a_patch(shape: tuple[int, ...]) -> None:
    a = np.zeros((5, *shape), np.uint8)
    b = a if shape[0] < 7 else np.zeros((5, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="patches need one size"):
        sliced_wasserstein(a, b)
