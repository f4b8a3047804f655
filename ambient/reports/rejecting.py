"""Samples drawn again while they are copies: free for whoever has the training images.

What any mitigation must beat. The samples that are left are judged by rules they were not filtered
with: pixels as they are, and features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambient.copies.aligned import find_neighbors
from ambient.copies.guises import Orbit
from ambient.copies.records import Rejection
from ambient.copies.rules import MIN_SAMPLES, halves, promised, ratio_threshold
from ambient.copies.sets import Groups, Images, ImageSets, one_of_each
from ambient.files import InputError, Tell, silent

TRIES = 10  # draws of one sample at most
APART = 2**32  # between the seeds of one sample's draws: no seed of a run reaches it


@dataclass(frozen=True)
class Filter:
    """The aligned rule, calibrated before anything is drawn.

    Attributes:
        train, groups: uint8 (n, h, w, c), and their twin groups.
        threshold: below which aligned ratio a sample is a copy.
        n_unseen: held-out images, half of which it was calibrated on.
    """

    train: Images
    groups: Groups
    orbit: Orbit
    threshold: float
    n_unseen: int

    @classmethod
    def of(cls, sets: ImageSets, orbit: Orbit) -> Filter:
        """The rule by which `judge_images` would judge samples beside these images.

        Raises:
            InputError: too few held-out images to calibrate on.
        """
        unseen = sets.heldout[one_of_each(sets.heldout_groups)]
        if len(unseen) < MIN_SAMPLES:
            raise InputError(
                f"there are {len(unseen)} held-out images; at least {MIN_SAMPLES} are needed to "
                "say which samples to reject. Train on fewer, or give --heldout."
            )
        calibrating = unseen[halves(len(unseen))[0]]
        near = find_neighbors(calibrating, sets.train, sets.groups, orbit).aligned
        limit = ratio_threshold(near.ratio)
        return cls(sets.train, sets.groups, orbit, limit, len(unseen))

    def copies(self, images: Images) -> NDArray[np.bool_]:
        """Which images (n, h, w, c) are copies."""
        near = find_neighbors(images, self.train, self.groups, self.orbit).aligned
        return near.ratio < self.threshold


@dataclass(frozen=True)
class Redrawn:
    """What is left.

    Attributes:
        images: uint8 (n, h, w, c).
        seeds: int64 (n,), of the draw that was kept: images[i] depends on seeds[i] alone.
        rejection: by which rule, and how many draws that took.
    """

    images: Images
    seeds: NDArray[np.int64]
    rejection: Rejection


def draw_again(
    draw: Callable[[Sequence[int]], Images],
    seeds: Sequence[int],
    rule: Filter,
    tell: Tell = silent,
) -> Redrawn:
    """One image a seed, drawn from the next seed derived from it while it is a copy.

    Args:
        draw: images of seeds, each depending on its own alone.
        seeds: at least one; the k-th draw of a sample has its seed + k * 2^32.
        tell: progress in samples that are settled.
    """
    first = np.array(seeds, np.int64)
    taken, pending, draws = first.copy(), np.arange(len(first)), 0
    images: Images | None = None
    for again in range(TRIES):
        tell("sampling", len(first) - len(pending), len(first))
        taken[pending] = first[pending] + again * APART
        made = draw(taken[pending].tolist())
        images = made if images is None else images
        images[pending] = made
        draws += len(pending)
        pending = pending[rule.copies(made)]
        if not len(pending):
            break
    assert images is not None
    rejection = Rejection(
        threshold=rule.threshold,
        false_alarms=promised(rule.n_unseen),
        tries=TRIES,
        draws=draws,
        left=len(pending),
    )
    return Redrawn(images, taken, rejection)


def about(found: Rejection, n: int) -> str:
    """How the samples came about, in a sentence."""
    left = f"; {found.left} are copies after {found.tries} draws each" if found.left else ""
    return (
        f"{n:,} samples took {found.draws:,} draws: each was drawn again while its aligned ratio "
        f"was below {found.threshold:.3f}{left}. Judge them by the strict rule and by features, "
        "which they were not filtered with."
    )
