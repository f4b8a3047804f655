"""What a rule misses: training images with what a network does to them, that are not called copies.

The plants are the run's own: a training image under noise, and what its network makes of it in one
step; beside these a blurred image and one with grain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ambient.copies.aligned import find_neighbors
from ambient.copies.guises import Orbit, Pictures
from ambient.copies.intervals import clopper_pearson
from ambient.copies.records import Missed, OperatingPoint
from ambient.copies.rules import STRICT
from ambient.copies.sets import Groups, Images
from ambient.images.corpus import to_bytes

PLANTS = 25  # of each kind
RETURNS = (0.3, 0.5)  # noise levels that a network brings them back from
BLUR = 1.0  # pixels: standard deviation of a Gaussian
GRAIN = 0.1  # standard deviation of noise, in [-1, 1] units


def chosen(n_train: int) -> NDArray[np.int64]:
    """The training images that are planted: positions, ascending."""
    drawn = np.random.default_rng(0x9147).permutation(n_train)[:PLANTS]
    return np.sort(drawn)


def worn(x: Pictures) -> Iterator[tuple[str, Pictures]]:
    """The plants that need no network, float32 (n, c, h, w) in [-1, 1], each by its kind."""
    yield "blurred", gaussian_filter(x, BLUR, axes=(2, 3))
    noise = np.random.default_rng(0x9148).standard_normal(x.shape, np.float32)
    yield "grain", x + np.float32(GRAIN) * noise


def missed(
    plants: Iterator[tuple[str, Pictures]] | Sequence[tuple[str, Pictures]],
    of: NDArray[np.int64],
    train: Images,
    groups: Groups,
    points: Sequence[OperatingPoint],
    orbit: Orbit,
) -> tuple[Missed, ...]:
    """How many plants no rule calls a copy of the image that they were made of.

    Args:
        plants: by kind, float32 (n, c, h, w) in [-1, 1].
        of: the training image of each plant.
        train, groups: uint8 (n, h, w, c), and twin groups (n,).
        points: thresholds of the aligned ratio; the strict rule is told beside them.
    """
    found = []
    for kind, pictures in plants:
        aligned, plain = find_neighbors(to_bytes(pictures), train, groups, orbit)
        limits = [(point.false_alarms, point.threshold, aligned) for point in points]
        for share, limit, near in [*limits, (None, STRICT, plain)]:
            caught = (near.ratio < limit) & (groups[near.nearest] == groups[of])
            lost = int((~caught).sum())
            found.append(
                Missed(
                    kind=kind,
                    false_alarms=share,
                    n=len(of),
                    rate=lost / len(of),
                    ci95=clopper_pearson(lost, len(of)),
                )
            )
    return tuple(found)
