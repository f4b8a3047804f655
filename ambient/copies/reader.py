"""How well a linear reader tells samples from unseen pictures by their texture; 50 % is perfect.

A closed form without weights, for any corpus: linear discriminant analysis on the log energies of
Gabor filters in a 4x4 grid. It reads strokes, edges, blur and grain and where in the picture they
are, and nothing of what a picture shows.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from ambient.copies.intervals import Interval, student
from ambient.files import InputError
from ambient.images.corpus import to_unit

GRID = 4  # cells along each axis, in each of which energies are averaged
WAVES = (2.5, 4.0, 7.0)  # pixels: from the finest detail that pixels hold to strokes of a picture
ANGLES = 6
WIDTH = 0.45  # of the envelope (standard deviation), in wavelengths: about an octave of frequencies
HALF = 5  # pixels from a filter's middle to its edge
FLOOR = 1e-2  # of energies: fainter textures are none
SHRINK = 0.02  # of the mean variance, added to every variance: features number almost 300
FOLDS = 5
LEAST = 200  # pictures of each set: below, the reader learns their accidents
AT_ONCE = 256  # pictures in floats

Rows = Float[np.ndarray, "n d"]


class Separation(NamedTuple):
    """How well a reader tells pictures apart that it did not learn from.

    Attributes:
        auc: how often it ranks a random sample above a random unseen picture: 0.5 is guessing,
            1 never wrong; below 0.5 by chance only.
        ci95: Student's interval over the folds, within 0 and 1.
    """

    auc: float
    ci95: Interval


def told_apart(
    samples: UInt8[np.ndarray, "n h w c"], unseen: UInt8[np.ndarray, "m h w c"], seed: int = 0
) -> Separation:
    """How well samples can be told from unseen pictures, cross-validated in five folds.

    It grows with the number of pictures, of which the reader learns: compare at one number.

    Args:
        samples, unseen: uint8, of one size, `LEAST` or more of each.
        seed: of the folds.

    Raises:
        InputError: different sizes, or too few pictures.
    """
    if samples.shape[1:] != unseen.shape[1:]:
        raise InputError(
            f"samples are {samples.shape[1:]} and unseen pictures {unseen.shape[1:]} (height, "
            "width, channels); read both at one size."
        )
    if min(len(samples), len(unseen)) < LEAST:
        raise InputError(
            f"{len(samples)} samples and {len(unseen)} unseen pictures; a reader needs at least "
            f"{LEAST} of each to learn from."
        )
    a, b = gabor_energies(samples), gabor_energies(unseen)
    rng = np.random.default_rng([seed, 0x6AB0])
    parts = [rng.permutation(len(x)) % FOLDS for x in (a, b)]
    scores = [
        auc(*discriminant(a[parts[0] != k], b[parts[1] != k], a[parts[0] == k], b[parts[1] == k]))
        for k in range(FOLDS)
    ]
    low, high = student(scores)
    return Separation(float(np.mean(scores)), (max(low, 0.0), min(high, 1.0)))


def gabor_energies(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n d"]:
    """Log energies of 18 Gabor filters in each cell of a 4x4 grid, float64 (n, 288), of gray."""
    parts = []
    for start in range(0, len(images), AT_ONCE):
        unit = torch.from_numpy(to_unit(images[start : start + AT_ONCE]))
        x = F.pad(unit.mean(1, keepdim=True), (HALF,) * 4, mode="replicate")
        pairs = F.conv2d(x, filters()).unflatten(1, (-1, 2))
        energies = (pairs.square().sum(2) + FLOOR).log()
        parts.append(F.adaptive_avg_pool2d(energies, GRID).flatten(1).double().numpy())
    return np.concatenate([np.zeros((0, len(WAVES) * ANGLES * GRID**2)), *parts])


@cache
def filters() -> Float[Tensor, "k 1 s s"]:
    """Even and odd filter of each wavelength and angle, (36, 1, 11, 11); they see no mean."""
    at = torch.arange(-HALF, HALF + 1, dtype=torch.float32)
    y, x = torch.meshgrid(at, at, indexing="ij")
    found = []
    for wave in WAVES:
        envelope = torch.exp(-(x**2 + y**2) / (2 * (WIDTH * wave) ** 2))
        for k in range(ANGLES):
            angle = k * math.pi / ANGLES
            phase = 2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / wave
            for wavelet in (envelope * phase.cos(), envelope * phase.sin()):
                found.append(wavelet - envelope * wavelet.sum() / envelope.sum())
    return torch.stack(found)[:, None]


def discriminant(a: Rows, b: Rows, *others: Rows) -> list[NDArray[np.float64]]:
    """Scores of other rows along Fisher's direction, on which a lies high and b low.

    w = S^-1 (mean(a) - mean(b)), S the mean of both covariances, shrunk (Fisher 1936).
    """
    within = (np.cov(a, rowvar=False) + np.cov(b, rowvar=False)) / 2
    within += SHRINK * within.diagonal().mean() * np.eye(len(within))
    direction = np.linalg.solve(within, a.mean(axis=0) - b.mean(axis=0))
    return [rows @ direction for rows in others]


def auc(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """How often one of `high` lies above one of `low`; ties count half (Mann and Whitney 1947)."""
    both = np.concatenate([high, low])
    _, place, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place[: len(high)]]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))
