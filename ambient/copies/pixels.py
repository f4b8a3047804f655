"""Verdicts by pixels: the aligned ratio at several shares of false alarms, the strict rule beside.

The aligned ratio decides who is a copy. Its neighbors are those that a sample is shown with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambient.copies.aligned import Found, Neighbors, as_rows, block_of, find_neighbors
from ambient.copies.guises import Orbit, means
from ambient.copies.records import JudgedImage, Null, OperatingPoint, Rule
from ambient.copies.rules import (
    FALSE_ALARMS,
    MIN_SAMPLES,
    OPERATING,
    RATES,
    RESEMBLING,
    STRICT,
    Flat,
    halves,
    judge,
    promised,
    ratio_threshold,
    verdict_at,
)
from ambient.copies.sets import STAND_INS, Images, ImageSets, drawn, no_copies, strangers
from ambient.files import Tell, silent
from ambient.images.corpus import to_unit
from ambient.images.neighbors import Table, distances, nearest

LOOKED_AT = 8  # held-out images, the nearest ones in small, of which one is the nearest
AT_ONCE = 1024  # samples between two words on how far it is


@dataclass(frozen=True)
class ByPixels:
    """What pixels say.

    Attributes:
        samples: in the order they were given.
        ratio: the aligned ratio at the headline's false alarms; `operating` at more of them.
        strict: the plain ratio below 1/3.
        unseen: aligned ratios of images that are no copies; `nearest`: training images nearest to
            these.
    """

    samples: list[JudgedImage]
    ratio: Rule
    operating: tuple[OperatingPoint, ...]
    strict: Rule
    unseen: Flat
    nearest: NDArray[np.int64]


def by_pixels(sets: ImageSets, orbit: Orbit, tell: Tell) -> ByPixels:
    """Every sample beside its neighbors, and the verdicts of both ratios."""

    def part(name: str) -> Tell:
        return lambda _, done, total: tell(name, done, total)

    comparing = part("comparing pixels")
    count = effort(sets)
    aligned, plain = find_neighbors(
        sets.samples, sets.train, sets.groups, orbit, tell=comparing, beside=count
    )
    unseen, unseen_plain = _of_no_copies(sets, orbit, part("calibrating on pixels"), count)
    calm = unseen.ratio
    enough = min(len(sets.samples), len(calm)) >= MIN_SAMPLES
    limits = _limits(calm)
    rated = {share: _rates(limits[share], aligned.ratio, calm, enough) for share in OPERATING}
    null = _null(sets, orbit, part("comparing with unseen images"))
    strict = _rates(STRICT, plain.ratio, unseen_plain.ratio, enough)
    return ByPixels(
        samples=list(_records(sets, aligned, plain.ratio < STRICT, limits, tell)),
        ratio=Rule(null=null, **rated[FALSE_ALARMS]),
        operating=tuple(
            OperatingPoint(false_alarms=share, promised=promised(len(calm), share), **rates)
            for share, rates in rated.items()
            if len(calm)
        ),
        strict=Rule(**strict),
        unseen=calm,
        nearest=unseen.nearest,
    )


def effort(sets: ImageSets) -> int:
    """As many queries as the largest search has: all of them look as closely."""
    return max(len(sets.samples), len(no_copies(sets, sets.groups, sets.heldout_groups)[0]))


def limits_of(sets: ImageSets, orbit: Orbit) -> dict[float, float]:
    """Below which aligned ratio an image is a copy, by share of false alarms: no samples needed."""
    return _limits(_of_no_copies(sets, orbit, silent, effort(sets)).aligned.ratio)


def _limits(calm: Flat) -> dict[float, float]:
    return {share: ratio_threshold(_calibrating(calm), share) for share in OPERATING}


def _of_no_copies(sets: ImageSets, orbit: Orbit, tell: Tell, count: int) -> Found:
    """The neighbors of images that are no copies."""
    images, own = no_copies(sets, sets.train, sets.heldout)
    if not len(images):
        none, far = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return Found(*[Neighbors(none, none, far, far)] * 2)
    return find_neighbors(images, sets.train, sets.groups, orbit, own, tell, count)


def _calibrating(calm: Flat) -> Flat:
    """The half that sets a rule; all of them where they are too few to check one on the rest."""
    return calm if len(calm) < MIN_SAMPLES else calm[halves(len(calm))[0]]


def _rates(threshold: float, samples: Flat, calm: Flat, enough: bool) -> dict[str, Any]:
    """The fields of a ratio's rule; rates are None where there are too few images."""
    found = verdict_at("ratio", threshold, samples, calm) if enough else None
    return {"threshold": threshold, **{name: getattr(found, name, None) for name in RATES}}


def _null(sets: ImageSets, orbit: Orbit, tell: Tell) -> Null | None:
    """The disjoint-split null of the aligned ratio (`strangers`)."""
    if not (parted := strangers(sets)):
        return None
    taken, rest = parted
    known, groups = sets.heldout[taken], sets.heldout_groups[taken]
    some = drawn(np.arange(len(sets.samples)), STAND_INS)
    samples, calm = (
        find_neighbors(images, known, groups, orbit, tell=tell, beside=effort(sets)).aligned.ratio
        for images in (sets.samples[some], sets.heldout[rest])
    )
    found = judge(samples, calm, "ratio")
    return Null(n_train=len(taken), rate=found.rate, ci95=found.ci95)


def _records(
    sets: ImageSets,
    found: Neighbors,
    strict: NDArray[np.bool_],
    limits: dict[float, float],
    tell: Tell,
) -> Iterator[JudgedImage]:
    """The samples, each with its neighbors."""
    apart = distances(
        as_rows(sets.samples), as_rows(sets.train), np.stack([found.nearest, found.second], axis=1)
    )
    copies = found.ratio < limits[FALSE_ALARMS]
    alike = found.ratio < limits[RESEMBLING]
    for i, (position, distance) in enumerate(_nearest_unseen(sets, tell)):
        yield JudgedImage(
            nearest=int(found.nearest[i]),
            second=int(found.second[i]),
            d1=round(float(apart[i, 0]), 4),
            d2=round(float(apart[i, 1]), 4),
            ratio=round(float(found.ratio[i]), 4),
            copy=bool(copies[i]),
            resembles=bool(alike[i] and not copies[i]),
            strict=bool(strict[i]),
            nearest_heldout=position,
            d_heldout=distance,
        )


def _nearest_unseen(sets: ImageSets, tell: Tell) -> Iterator[tuple[int | None, float | None]]:
    """Position and distance of each sample's nearest held-out image; None if there is none."""
    made, unseen = sets.samples, sets.heldout
    if not len(unseen):
        yield from [(None, None)] * len(made)
        return
    keys = _small(unseen)
    for start in range(0, len(made), AT_ONCE):
        some = made[start : start + AT_ONCE]
        tell("looking for the nearest unseen images", start, len(made))
        _, index = nearest(_small(some), keys, k=min(LOOKED_AT, len(unseen)))
        far = distances(as_rows(some), as_rows(unseen), index)
        for i, d, first in zip(index, far, far.argmin(axis=1), strict=True):
            yield int(i[first]), round(float(d[first]), 4)


def _small(images: Images) -> Table:
    """Rows by which large images are looked for."""
    block = block_of(images)
    if block == 1:
        return as_rows(images)
    return np.concatenate(
        [
            means(to_unit(some), block).reshape(len(some), -1)
            for some in np.split(images, range(AT_ONCE, len(images), AT_ONCE))
        ]
    )
