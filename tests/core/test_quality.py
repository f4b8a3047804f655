"""Distances between feature clouds against closed forms and torchmetrics."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from ambient.copies.quality import (
    TOGETHER,
    fld_gap,
    frechet,
    frechet_together,
    kid,
    kid_interval,
    quality,
)
from ambient.copies.records import Quality
from ambient.files import decode_record
from ambient.images.corpus import Corpus, split_corpus

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


def test_fewer_images_than_features_have_the_frechet_distance_of_all_directions() -> None:
    """In 64 dimensions 40 points span 39: the eigenvalues of C_a C_b still give the trace."""
    a, b = normal(40, 1, 64).astype(np.float64), normal(30, 2, 64).astype(np.float64)
    roots = np.sqrt(np.abs(np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)))).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T))
    assert frechet(a, b) == pytest.approx(expected - 2 * roots, rel=1e-3)


def test_frechet_at_a_fixed_number_does_not_fall_with_more_images() -> None:
    b = normal(500, 0, 64)
    few, many = (frechet_together(normal(n, 1, 64), b) for n in (TOGETHER, 6 * TOGETHER))
    assert many == pytest.approx(few, rel=0.05)
    assert frechet(normal(6 * TOGETHER, 1, 64), b) < 0.7 * few
    assert frechet_together(normal(TOGETHER - 1, 1, 64), b) is None


def test_the_interval_of_kid_holds_that_of_large_sets() -> None:
    def pair(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return normal(n, 2 * seed), normal(n, 2 * seed + 1) + np.float32(1 / np.sqrt(DIM))

    truth = np.mean([kid(*pair(1000, 500 + s)) for s in range(20)])
    held = 0
    for s in range(20):
        low, high = kid_interval(*pair(300, s), seed=s, draws=100)
        assert low < kid(*pair(300, s)) < high
        held += low < truth + 0.01 and truth - 0.01 < high
    assert held >= 15


def test_the_likelihood_gap_is_negative_of_a_copier_alone() -> None:
    train, unseen, new = (normal(200, seed, 64) for seed in (1, 2, 3))
    copies = train + 0.1 * normal(200, 4, 64)
    assert fld_gap(copies, train, unseen) < -20
    assert abs(fld_gap(new, train, unseen)) < 5


def test_quality_ranks_real_images_before_blurred_ones_and_knows_a_copier(emoji: Corpus) -> None:
    split = split_corpus(emoji, 100, 0)
    train, heldout = emoji.images[split.train], emoji.images[split.heldout]
    new, heldout = heldout[:256], heldout[256:656]
    none = np.zeros(256, bool)
    real = quality(new, train, heldout, none)
    blurred = gaussian_filter(new, (0, 1.3, 1.3, 0))
    worse = quality(blurred, train, heldout, none)
    copier = quality(train[np.arange(256) % 100], train, heldout, ~none)
    assert real and worse and copier
    assert real.kid_ci95 and real.kid_ci95[0] < real.kid < real.kid_ci95[1] < worse.kid
    assert real.frechet < worse.frechet
    assert real.frechet_heldout is None  # 200 others are too few
    assert real.kid_noncopies == real.kid
    assert copier.kid_noncopies is None
    assert copier.fld_gap < real.fld_gap - 3
    assert copier.kid == pytest.approx(copier.kid_train, abs=0.06)
    assert real.told_apart is None
    assert quality(new[:19], train, heldout, none[:19]) is None
    halved = quality(blurred, train, heldout, np.arange(256) < 128)
    assert halved and halved.kid == worse.kid != halved.kid_noncopies


def test_a_report_of_another_measure_still_decodes() -> None:
    old = '{"features": "encoder-64", "frechet": 0.2, "swd": 0.1, "coverage": 0.8}'
    found = decode_record(old, Quality, "it")
    assert (found.features, found.kid, found.told_apart) == ("encoder-64", None, None)
