"""Verdicts: planted copies, planted innocents, and the rate of false alarms."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ambient.copies.aligned import find_neighbors
from ambient.copies.intervals import clopper_pearson
from ambient.copies.judge import similarities
from ambient.copies.rules import (
    choose,
    find_copies,
    halves,
    judge,
    ratio_threshold,
    similarity_threshold,
)
from ambient.images.corpus import Corpus, split_corpus
from ambient.images.neighbors import nearest_of_two_groups


def cloud(n: int, d: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def noise(n: int, seed: int) -> np.ndarray:
    """Gray pictures of 8x8 pixels, in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, 1, 8, 8)).astype(np.float32)


def test_planted_copies_are_found_and_named() -> None:
    train, heldout, new = noise(100, 0), noise(400, 1), noise(150, 2)
    copies = train[:50] + 0.01 * noise(50, 3)
    verdict, neighbors = find_copies(np.concatenate([copies, new]), train, heldout)
    assert verdict.copies[:50].all()
    assert verdict.copies[50:].mean() <= 0.05
    np.testing.assert_array_equal(neighbors.nearest[:50], np.arange(50))


def test_a_copy_of_a_doubled_image_is_still_caught() -> None:
    train, heldout = noise(100, 0), noise(400, 1)
    doubled = np.concatenate([train, train[:10]])
    samples = np.concatenate([train[:10] + 0.01, noise(120, 5)])
    for groups in (None, [*range(100), *range(10)]):
        verdict, neighbors = find_copies(samples, doubled, heldout, groups)
        assert verdict.copies[:10].all()
        assert ((neighbors.second[:10] - neighbors.nearest[:10]) % 100 != 0).all()
    rows = samples.reshape(130, -1), doubled.reshape(110, -1)
    first, second = nearest_of_two_groups(*rows, np.arange(110))[0].T
    assert (first[:10] > 0.9 * second[:10]).all()  # what the group rule protects from


def test_false_alarms_are_as_promised() -> None:
    """Judge the reporting half with the other half's threshold, over many draws: 1 % or less."""
    train = cloud(60, 8)
    alarms, n = 0, 0
    for seed in range(40):
        heldout = cloud(1000, 8, seed=100 + seed)
        first, second = nearest_of_two_groups(heldout, train, np.arange(60))[0].T
        ratio = first / second
        calibration, reporting = halves(len(ratio), seed)
        alarms += int((ratio[reporting] < ratio_threshold(ratio[calibration])).sum())
        n += len(reporting)
    assert binomtest(alarms, n, 0.01, alternative="greater").pvalue > 0.01
    similar = np.random.default_rng(0).normal(size=(400, 500)).astype(np.float32)
    over = [(s[250:] > similarity_threshold(s[:250])).mean() for s in similar]
    assert 0.004 < np.mean(over) <= 0.0105


@pytest.mark.parametrize("name", ["emoji", "digits"])
def test_held_out_images_of_bundled_corpora_are_innocent(
    name: str, request: pytest.FixtureRequest
) -> None:
    corpus: Corpus = request.getfixturevalue(name)
    split = split_corpus(corpus, 100, 0)
    train, heldout = (corpus.images[i] for i in (split.train, split.heldout))
    ratio = find_neighbors(heldout, train, np.arange(100)).aligned.ratio
    alarms = [judge(ratio, ratio, "ratio", seed).heldout_rate for seed in range(30)]
    assert np.mean(alarms) <= 0.0125


def test_intervals_are_scipys() -> None:
    for hits, n in ((0, 50), (3, 200), (50, 50), (37, 100)):
        exact = binomtest(hits, n).proportion_ci(method="exact")
        np.testing.assert_allclose(clopper_pearson(hits, n), (exact.low, exact.high), atol=1e-12)


def test_similarity_is_cosine() -> None:
    train, queries = cloud(40), cloud(9, seed=1)
    similar, index = similarities(queries, train)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, train))
    np.testing.assert_allclose(similar, (a @ b.T).max(1), atol=1e-6)
    np.testing.assert_array_equal(index, (a @ b.T).argmax(1))


def test_rows_are_the_worst_the_median_or_random_ones() -> None:
    ratios = np.random.default_rng(0).random(50, dtype=np.float32)
    worst = choose(ratios, "worst", 6, seed=0)
    assert ratios[worst].tolist() == sorted(ratios)[:6]
    median = choose(ratios, "median", 6, seed=0)
    assert sorted(ratios)[22] <= ratios[median].min()
    assert ratios[median].max() <= sorted(ratios)[28]
    drawn = [choose(ratios, "random", 6, seed=s) for s in (0, 0, 1)]
    assert len(set(drawn[0])) == 6 and drawn[0] == drawn[1] != drawn[2]
    assert sorted(choose(ratios[:3], "random", 6, seed=0)) == [0, 1, 2]
