"""The linear reader: guesses on like sets, reads blur and grain, and more of them as better."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ambient.copies.reader import (
    ANGLES,
    GRID,
    WAVES,
    discriminant,
    gabor_energies,
    told_apart,
)
from ambient.files import InputError
from ambient.images.corpus import Corpus

Bytes = NDArray[np.uint8]


def halves(corpus: Corpus, count: int = 400) -> tuple[Bytes, Bytes]:
    order = np.random.default_rng(0).permutation(len(corpus))
    return corpus.images[order[:count]], corpus.images[order[count : 2 * count]]


def blurred(images: Bytes, sigma: float) -> Bytes:
    return gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0)).astype(np.uint8)


def grainy(images: Bytes, sigma: float) -> Bytes:
    noise = np.random.default_rng(1).normal(0, sigma * 127.5, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["emoji", "kanji"])
def test_like_sets_are_not_told_apart_and_damage_is_read_by_its_size(
    name: str, request: pytest.FixtureRequest
) -> None:
    a, b = halves(request.getfixturevalue(name))
    like = told_apart(a, b)
    assert abs(like.auc - 0.5) < max(0.06, like.ci95[1] - like.auc)
    for damage, sizes in ((blurred, (0.45, 0.9)), (grainy, (0.05, 0.2))):
        read = [told_apart(damage(a, size), b).auc for size in sizes]
        assert like.auc < read[0] < read[1], damage
        assert read[1] > 0.98
    part = np.concatenate([blurred(a[:100], 0.9), a[100:]])
    assert 0.55 < told_apart(part, b).auc < told_apart(blurred(a, 0.9), b).auc - 0.1


def test_a_wave_answers_to_the_filter_of_its_length_and_angle() -> None:
    y, x = np.mgrid[:32, :32]
    for w, wave in enumerate(WAVES):
        for k in range(ANGLES):
            angle = k * math.pi / ANGLES
            phase = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / wave
            picture = np.rint(127.5 + 100 * np.cos(phase)).astype(np.uint8)[None, ..., None]
            energies = gabor_energies(picture).reshape(len(WAVES), ANGLES, GRID, GRID)
            middle = energies[:, :, 1:3, 1:3].mean((2, 3))
            same_wave = middle[w]
            assert same_wave.argmax() == k
            assert middle[:, k].argmax() == w


def test_the_direction_is_that_of_two_gaussians() -> None:
    """With the covariance S of both, it is S^-1 (m - n), up to what sampling leaves."""
    rng = np.random.default_rng(0)
    root = np.array([[1.0, 0.0], [0.8, 0.6]])
    a = rng.standard_normal((40_000, 2)) @ root.T + [1.0, 0.0]
    b = rng.standard_normal((40_000, 2)) @ root.T
    expected = np.linalg.solve(root @ root.T, [1.0, 0.0])
    (scores,) = discriminant(a, b, np.eye(2))
    np.testing.assert_allclose(scores / expected, scores[0] / expected[0], rtol=0.05)


def test_the_same_seed_reads_the_same_and_few_pictures_are_refused(digits: Corpus) -> None:
    a, b = halves(digits)
    assert told_apart(a, b) == told_apart(a, b)
    assert told_apart(a, b) != told_apart(a, b, seed=1)
    with pytest.raises(InputError, match="199 samples and 400 unseen pictures; .* at least 200"):
        told_apart(a[:199], b)
    with pytest.raises(InputError, match="read both at one size"):
        told_apart(a[:, :4], b)
