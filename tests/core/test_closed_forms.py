"""Closed forms per noise level against known limits, exact laws and independent authorities."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from ambient.diffusion.closed_forms import (
    covariance_spectrum,
    coverage,
    image_leakage_bound,
    last_covered,
    posterior,
    posterior_summary,
    squared_distances,
    suggest_cutoff,
)
from ambient.diffusion.levels import Queries, closed_levels, cutoff_report
from ambient.files import InputError
from ambient.images.corpus import Corpus
from tests.ideal import ideal_rows

Rows = NDArray[np.float32]
D = 3 * 16 * 16


def images(n: int, seed: int) -> Rows:
    drawn = np.random.default_rng(seed).standard_normal((n, D), dtype=np.float32)
    return drawn.clip(-1, 1)


def noised(x: Rows, sigma: float) -> Rows:
    noise = np.random.default_rng(9).standard_normal(x.shape, dtype=np.float32)
    return x + np.float32(sigma) * noise


def summary(queries: Rows, train: Rows, sigma: float) -> tuple[float, float]:
    return posterior_summary(posterior(squared_distances(queries, train), sigma**2))


def test_at_low_noise_everything_is_given_away_and_at_high_noise_nothing() -> None:
    train = images(50, 0)
    for sigma, w, leak in ((0.02, 1.0, 1.0), (1e4, 1 / 50, 0.0)):
        found = summary(noised(train, sigma), train, sigma)
        assert found == pytest.approx((w, leak), abs=2e-3)


def test_two_points_have_the_posterior_of_a_coin() -> None:
    """Images a distance L apart: the posterior of one is logistic in t ~ N(L^2/2s^2, L^2/s^2)."""
    sigma, gap = 1.0, 1.5
    two = np.zeros((2, 4), np.float32)
    two[1, 0] = gap
    w, leak = summary(noised(np.tile(two, (100_000, 1)), sigma), two, sigma)
    k = gap**2 / sigma**2
    t = np.random.default_rng(0).normal(k / 2, math.sqrt(k), 400_000)
    p = 1 / (1 + np.exp(-t))
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p)).mean()
    assert w == pytest.approx(np.maximum(p, 1 - p).mean(), abs=3e-3)
    assert leak == pytest.approx(1 - entropy / math.log(2), abs=5e-3)


def test_doubled_images_hide_one_bit() -> None:
    train = images(16, 0)
    doubled = np.concatenate([train, train])
    w, leak = summary(noised(doubled, 0.05), doubled, 0.05)
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


def pictures(n: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(images(n, seed)).view(n, 3, 16, 16)


@pytest.mark.parametrize("block", [2**22, 50])
def test_a_level_is_what_its_noised_images_say(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances by expansion, in one block or in many, against those of the noised images."""
    monkeypatch.setattr("ambient.diffusion.levels.BLOCK", block)
    monkeypatch.setattr("ambient.diffusion.closed_forms.BLOCK", 7)
    train, heldout = (pictures(n, i) for i, n in enumerate((30, 9)))
    seen, unseen = Queries.draw(train[:7], 3, 0, 0), Queries.draw(heldout, 3, 0, 1)
    keys = train.flatten(1).numpy()
    spectrum = covariance_spectrum(keys)
    for found in closed_levels(train, seen, unseen, spectrum, [0.05, 3.0, 12.0]):
        sigma = found.sigma
        queries, others = (q.at(sigma).flatten(1).numpy() for q in (seen, unseen))
        w, leak = summary(queries, keys, sigma)
        denoised = torch.from_numpy(ideal_rows(queries, keys, sigma**2)).view(seen.noise.shape)
        assert found.posterior_max == pytest.approx(w, abs=1e-6)
        assert found.leakage == pytest.approx(leak, abs=1e-6)
        assert found.coverage == pytest.approx(coverage(squared_distances(others, keys), sigma, D))
        assert found.loss_ideal == pytest.approx(seen.errors(denoised).mean(), abs=1e-6)
        assert found.image_leakage_bound == image_leakage_bound(spectrum, sigma)


@pytest.mark.parametrize("shape", [(40, 3, 4, 8), (200, 1, 4, 8), (2, 1, 4, 4)])
def test_the_spectrum_is_sklearns(shape: tuple[int, ...]) -> None:
    """Fewer images than pixels, and more."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) @ rng.normal(size=(shape[3], shape[3]))).reshape(shape[0], -1)
    theirs = np.linalg.eigvalsh(ledoit_wolf(x)[0])
    np.testing.assert_allclose(covariance_spectrum(x), theirs, rtol=1e-8, atol=1e-12)


def test_the_leakage_bound_of_a_gaussian_is_its_information() -> None:
    """Independent elements of known variance: 0.5 sum ln(1 + v/s^2), which falls with noise."""
    v = np.array([2.0, 0.5, 0.1, 1.0])
    sigmas = [0.1, 0.5, 2.0, 50.0]
    found = [image_leakage_bound(v, s) for s in sigmas]
    assert found == pytest.approx([0.5 * math.log(np.prod(1 + v / s**2)) for s in sigmas])
    assert found == sorted(found, reverse=True)
    draws = np.random.default_rng(0).normal(size=(100_000, 4)) * np.sqrt(v)
    spectrum = covariance_spectrum(draws)
    assert image_leakage_bound(spectrum, 0.5) == pytest.approx(found[1], rel=0.01)


def test_the_leakage_bound_bounds_the_identity() -> None:
    """What a noisy image tells of which of n it is, it tells of the image: I(i; x) <= bound."""
    train = pictures(40, 0)
    seen, spectrum = Queries.draw(train, 4, 0, 0), covariance_spectrum(images(40, 0))
    for level in closed_levels(train, seen, seen, spectrum, [2.0, 8.0, 20.0]):
        assert level.leakage * math.log(40) <= level.image_leakage_bound + 0.05


@pytest.mark.parametrize(
    ("sigmas", "shares", "last"),
    [
        ((0.1, 1.0, 10.0, 20.0), (0.0, 0.01, 0.09, 1.0), math.sqrt(10)),  # linear in ln sigma
        ((0.1, 1.0, 2.0), (0.0, 0.05, 0.5), 1.0),
        ((0.1, 0.2, 1.0, 4.0), (0.0, 0.5, 0.0, 0.1), 2.0),  # the last crossing
    ],
)
def test_the_suggestion_is_where_coverage_leaves_its_limit(
    sigmas: tuple[float, ...], shares: tuple[float, ...], last: float
) -> None:
    assert last_covered(sigmas, shares) == pytest.approx(last)
    assert suggest_cutoff(sigmas, shares).cutoff == last_covered(sigmas, shares)


def test_no_crossing_is_no_suggestion_and_a_reason() -> None:
    everywhere = suggest_cutoff((0.1, 1.0), (0.2, 0.9))
    assert (everywhere.cutoff, "above 5 % from the lowest" in everywhere.reason) == (None, True)
    nowhere = suggest_cutoff((0.1, 1.0, 20.0), (0.0, 0.9, 0.02))
    assert (nowhere.cutoff, "still at most 5 %" in nowhere.reason) == (None, True)


def test_a_report_suggests_what_its_levels_say(digits: Corpus) -> None:
    heard: list[tuple[int, int]] = []
    report = cutoff_report(digits, 100, tell=lambda _, *far: heard.append(far))
    assert heard[-1] == (len(report.levels), 24) == (24, 24)
    sigmas, shares = zip(*((k.sigma, k.coverage) for k in report.levels), strict=True)
    assert report.suggested_cutoff == suggest_cutoff(sigmas, shares).cutoff
    assert 0.1 < report.suggested_cutoff < 1
    assert report.warnings == ()


def test_a_report_says_what_is_missing(digits: Corpus) -> None:
    report = cutoff_report(digits, 1780)
    assert "only 7 held-out images" in report.warnings[0]
    with pytest.raises(InputError, match="n_train is 1787, every distinct image of 'digits'"):
        cutoff_report(digits, 1787)
