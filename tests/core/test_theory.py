"""Closed forms per noise level against known limits, exact laws and independent authorities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from sklearn.covariance import ledoit_wolf

from ambient.diffusion.denoiser import ideal, squared_distances
from ambient.diffusion.theory import (
    Mixture,
    Queries,
    closed_forms,
    covariance_spectrum,
    coverage,
    cutoff_report,
    image_leakage_bound,
    long_tail,
    merging,
    noise_levels,
    posterior_summary,
    suggest_cutoff,
)
from ambient.errors import InputError
from ambient.images.corpus import Corpus

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


@pytest.mark.parametrize("block", [2**22, 50])
def test_a_level_is_what_its_noised_images_say(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distances by expansion, in one block or in many, against those of the noised images."""
    monkeypatch.setattr("ambient.diffusion.theory.BLOCK", block)
    train, heldout = (images(n, i).view(n, 3, 16, 16) for i, n in enumerate((30, 9)))
    seen, unseen = Queries.draw(train[:7], 3, 0, 0), Queries.draw(heldout, 3, 0, 1)
    spectrum = covariance_spectrum(train)
    keys = train.flatten(1)
    for found in closed_forms(train, seen, unseen, spectrum, [0.05, 3.0, 12.0]):
        sigma = found["sigma"]
        w, leak = posterior_summary(squared_distances(seen.at(sigma).flatten(1), keys), sigma)
        to_unseen = squared_distances(unseen.at(sigma).flatten(1), keys)
        denoised = ideal(train)(seen.at(sigma), torch.full((21,), sigma))
        assert found["posterior_max"] == pytest.approx(w, abs=1e-6)
        assert found["leakage"] == pytest.approx(leak, abs=1e-6)
        assert found["coverage"] == pytest.approx(coverage(to_unseen, sigma, D))
        assert found["loss_ideal"] == pytest.approx(seen.errors(denoised).mean(), abs=1e-6)
        assert found["image_leakage_bound"] == image_leakage_bound(spectrum, sigma)


@pytest.mark.parametrize("shape", [(40, 3, 4, 8), (200, 1, 4, 8), (2, 1, 4, 4)])
def test_the_spectrum_is_sklearns(shape: tuple[int, ...]) -> None:
    """Fewer images than pixels, and more."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=shape) @ rng.normal(size=(shape[3], shape[3])))
    theirs = np.linalg.eigvalsh(ledoit_wolf(x.flatten(1).numpy())[0])
    np.testing.assert_allclose(covariance_spectrum(x), theirs, rtol=1e-8, atol=1e-12)


def test_the_same_image_over_and_over_has_nothing_to_give_away() -> None:
    spectrum = covariance_spectrum(torch.full((5, 1, 4, 4), 0.3))
    assert image_leakage_bound(spectrum, 0.5) == pytest.approx(0.0, abs=1e-9)


def test_the_leakage_bound_of_a_gaussian_is_its_information() -> None:
    """Independent elements of known variance: 0.5 sum ln(1 + v/s^2), which falls with noise."""
    v = np.array([2.0, 0.5, 0.1, 1.0])
    sigmas = [0.1, 0.5, 2.0, 50.0]
    found = [image_leakage_bound(v, s) for s in sigmas]
    assert found == pytest.approx([0.5 * math.log(np.prod(1 + v / s**2)) for s in sigmas])
    assert found == sorted(found, reverse=True)
    draws = np.random.default_rng(0).normal(size=(100_000, 4)) * np.sqrt(v)
    spectrum = covariance_spectrum(torch.from_numpy(draws).view(-1, 1, 2, 2))
    assert image_leakage_bound(spectrum, 0.5) == pytest.approx(found[1], rel=0.01)


def test_the_leakage_bound_bounds_the_identity() -> None:
    """What a noisy image tells of which of n it is, it tells of the image: I(i; x) <= bound."""
    train = images(40, 0).view(40, 3, 16, 16)
    seen = Queries.draw(train, 4, 0, 0)
    for level in closed_forms(train, seen, seen, covariance_spectrum(train), [2.0, 8.0, 20.0]):
        assert level["leakage"] * math.log(40) <= level["image_leakage_bound"] + 0.05


def planted(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"sigma": s, "coverage": c} for s, c in points]


def test_the_suggestion_is_linear_in_log_sigma() -> None:
    levels = planted((0.1, 0.0), (1.0, 0.01), (10.0, 0.09), (20.0, 1.0))
    assert suggest_cutoff(levels).cutoff == pytest.approx(math.sqrt(10))
    assert suggest_cutoff(planted((0.1, 0.0), (1.0, 0.05), (2.0, 0.5))).cutoff == pytest.approx(1)


def test_the_suggestion_takes_the_last_crossing() -> None:
    levels = planted((0.1, 0.0), (0.2, 0.5), (1.0, 0.0), (4.0, 0.1))
    assert suggest_cutoff(levels).cutoff == pytest.approx(2.0)


def test_no_crossing_is_no_suggestion_and_a_reason() -> None:
    everywhere = suggest_cutoff(planted((0.1, 0.2), (1.0, 0.9)))
    assert (everywhere.cutoff, "above 5 % from the lowest" in everywhere.reason) == (None, True)
    nowhere = suggest_cutoff(planted((0.1, 0.0), (1.0, 0.9), (20.0, 0.02)))
    assert (nowhere.cutoff, "still at most 5 %" in nowhere.reason) == (None, True)


def two_populations(gap: float, rare: float, spread: float) -> Mixture:
    means = torch.zeros(2, 3)
    means[1, 0] = gap
    return Mixture(means, torch.tensor([1 - rare, rare]), spread)


def test_two_sub_populations_merge_as_a_logistic_says() -> None:
    """p(rare | x) is logistic in x along the axis of the means: averages by quadrature."""
    gap, rare, spread, sigma = 2.0, 0.1, 0.4, 0.9
    width = math.hypot(spread, sigma)

    def p(x: float) -> float:
        return 1 / (1 + (1 - rare) / rare * math.exp((gap**2 / 2 - gap * x) / width**2))

    def mean(f: object, mu: float) -> float:
        def weighted(x: float) -> float:
            density = math.exp(-0.5 * ((x - mu) / width) ** 2) / (width * math.sqrt(2 * math.pi))
            return f(x) * density  # type: ignore[operator]

        return quad(weighted, mu - 9 * width, mu + 9 * width)[0]

    def entropy(x: float) -> float:
        return -p(x) * math.log(p(x)) - (1 - p(x)) * math.log1p(-p(x))

    def both(f: object) -> float:
        return (1 - rare) * mean(f, 0.0) + rare * mean(f, gap)

    mixture = two_populations(gap, rare, spread)
    x = torch.tensor([[0.3, 5.0, -2.0], [1.4, 0.0, 0.0]])
    assert mixture.posterior(x, sigma)[:, 1].tolist() == pytest.approx([p(0.3), p(1.4)], rel=1e-6)
    (found,) = merging(mixture, [sigma], draws=100_000)
    assert found["posterior_max"] == pytest.approx(both(lambda x: max(p(x), 1 - p(x))), abs=3e-3)
    assert found["leakage"] == pytest.approx(1 - both(entropy) / mixture.entropy, abs=1e-2)
    own = [mean(lambda x: 1 - p(x), 0.0), mean(p, gap)]
    assert found["own"] == pytest.approx(own, abs=3e-3)


def test_noise_merges_sub_populations_and_the_rare_ones_first() -> None:
    pi = long_tail(8)
    assert float(pi.sum()) == pytest.approx(1)
    assert float(pi[0] / pi[7]) == pytest.approx(8)
    mixture = Mixture(4 * torch.eye(8), pi, 0.1)
    low, middle, high = merging(mixture, [0.01, 1.5, 1e4])
    assert (low["posterior_max"], low["leakage"]) == pytest.approx((1.0, 1.0), abs=1e-6)
    assert low["own"] == pytest.approx([1.0] * 8, abs=1e-6)
    assert high["posterior_max"] == pytest.approx(float(pi[0]), abs=1e-3)
    assert high["leakage"] == pytest.approx(0.0, abs=1e-3)
    assert high["own"] == pytest.approx(pi.tolist(), abs=1e-3)
    own = middle["own"]
    assert isinstance(own, list)
    assert own == sorted(own, reverse=True)
    assert next(merging(mixture, [1.5]))["own"] == own  # seeded


def test_a_report_suggests_what_its_levels_say(digits: Corpus) -> None:
    *_, (done, total, report) = cutoff_report(digits, 100)
    assert done == total == len(report["levels"]) == 24
    assert report["suggested_cutoff"] == suggest_cutoff(report["levels"]).cutoff
    assert 0.1 < report["suggested_cutoff"] < 1
    assert report["warnings"] == []


def test_a_report_says_what_is_missing(digits: Corpus) -> None:
    *_, (_, _, report) = cutoff_report(digits, 1780)
    assert "only 7 held-out images" in report["warnings"][0]
    with pytest.raises(InputError, match="n_train is 1787, every distinct image of 'digits'"):
        next(cutoff_report(digits, 1787))
