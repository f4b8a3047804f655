"""The guises that a training picture may come back in: mirrored, shifted, turned, recolored.

Pictures are compared by direction: mean-free and at unit length, so that brightness and contrast
are no difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Literal

import numpy as np
from einops import rearrange, reduce
from jaxtyping import Float

from ambient.config import Config
from ambient.files import InputError, Record

REACH = 2  # pixels that any copy may be shifted by
CACHED = 16  # pictures at once, so that what is summed stays in the cache
FLAT = 0.02  # root mean square around its mean, in [-1, 1] units, below which a picture is flat

Pictures = Float[np.ndarray, "n c h w"]
Rows = Float[np.ndarray, "n d"]

# Orthonormal axes of color: gray, and two across it, in whose plane a turn of the hue is a turn.
AXES = np.array([[1, 1, 1], [2, -1, -1], [0, math.sqrt(3), -math.sqrt(3)]], np.float32)
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


class Orbit(Record, frozen=True):
    """What a training moved its pictures by, beside mirroring, which always counts.

    Attributes:
        shift: pixels of circular shifts along each axis.
        hues: colors turned about the gray axis, by any angle.
        turns: quarter turns, mirrored or not: all eight.
    """

    shift: int = 0
    hues: bool = False
    turns: bool = False


STILL = Orbit()
AUGMENTED = Orbit(shift=4, hues=True)  # of `ambient.diffusion.augment`


def orbit_of(config: Config) -> Orbit:
    """The moves of a training, which its copies may show too."""
    return AUGMENTED if config.augment else STILL


def guises(pictures: Pictures, orbit: Orbit, block: int = 1, step: int = 1) -> Iterator[Pictures]:
    """The pictures mirrored, turned and shifted: the edge goes on outward, or comes round.

    Args:
        block: each guise is averaged over blocks of so many pixels.
        step: only shifts by multiples of so many pixels.

    Raises:
        InputError: quarter turns of pictures that are not square.
    """
    _check_turns(pictures, orbit)
    h, w = pictures.shape[2:]
    modes: tuple[tuple[Literal["edge", "wrap"], int], ...]
    modes = (("edge", REACH), ("wrap", orbit.shift))
    for mode, reach in modes:
        edges = ((0, 0), (0, 0), (reach, reach), (reach, reach))
        padded = _smoothed(np.pad(pictures, edges, mode=mode), block)
        for turned in quarters(padded, orbit):  # as if turned before it was padded and averaged
            for picture, (dy, dx) in product((turned, turned[..., ::-1]), _shifts(reach, step)):
                if mode == "edge" or dy or dx:
                    yield _cut(picture, reach + dy, reach + dx, h, w, block)


def quarters(pictures: Pictures, orbit: Orbit) -> Iterator[Pictures]:
    """The pictures, and in further quarter turns if these count."""
    _check_turns(pictures, orbit)
    for quarter in range(4 if orbit.turns else 1):
        yield np.rot90(pictures, quarter, axes=(2, 3))


def _check_turns(pictures: Pictures, orbit: Orbit) -> None:
    h, w = pictures.shape[2:]
    if orbit.turns and h != w:
        raise InputError(f"pictures of {h}x{w} pixels have no quarter turns; crop them square.")


def count_guises(orbit: Orbit, step: int = 1) -> int:
    """How many guises there are."""
    shifts = len(list(_shifts(REACH, step))) + len(list(_shifts(orbit.shift, step))) - 1
    return 2 * (4 if orbit.turns else 1) * shifts


def _shifts(reach: int, step: int) -> Iterator[tuple[int, int]]:
    most = reach // step
    along = [step * i for i in range(-most, most + 1)]
    return product(along, along)


def means(pictures: Pictures, block: int) -> Pictures:
    """Averages over blocks of pixels; what is left over at the edges is left out."""
    if block == 1:
        return pictures
    h, w = (block * (side // block) for side in pictures.shape[2:])
    found = reduce(pictures[:, :, :h, :w], "n c (y i) (x j) -> n c y x", "mean", i=block, j=block)
    return np.asarray(found)


def _smoothed(pictures: Pictures, block: int) -> Pictures:
    """The average of the block that begins at each pixel."""
    if block == 1:
        return pictures
    h, w = (side - block + 1 for side in pictures.shape[2:])
    found = np.empty((*pictures.shape[:2], h, w), pictures.dtype)
    for start in range(0, len(pictures), CACHED):
        some = pictures[start : start + CACHED]
        rows = some[:, :, :h].copy()
        for i in range(1, block):
            rows += some[:, :, i : i + h]
        sums = found[start : start + CACHED]
        sums[:] = rows[..., :w]
        for i in range(1, block):
            sums += rows[..., i : i + w]
        sums /= block**2
    return found


def _cut(smoothed: Pictures, y: int, x: int, h: int, w: int, block: int) -> Pictures:
    """The blocks of the window (h, w) at (y, x)."""
    below, right = y + h // block * block, x + w // block * block
    return smoothed[:, :, y : below - block + 1 : block, x : right - block + 1 : block]


def directions(pictures: Pictures, hues: bool) -> list[Rows]:
    """Unit rows; of color pictures whose hue does not count, their parts along the color axes."""
    rows = _unit(pictures)
    return _split(rows) if hues and pictures.shape[1] == 3 else [rows]


def _all_pairs(a: Rows, b: Rows) -> Float[np.ndarray, "q n"]:
    return np.asarray(a @ b.T)


def cosines(
    a: list[Rows], b: Sequence[Rows], times: Callable[[Rows, Rows], Rows] = _all_pairs
) -> Float[np.ndarray, "q n"]:
    """The product of each pair of `directions`, the largest over all hues where these are split.

    A turn of b's colors by t leaves gray and multiplies u + iv by e^(it), so the product is
    g.g' + Re(e^(-it) (u + iv).(u' - iv')), whose maximum is g.g' + |(u + iv).(u' - iv')|.

    Args:
        times: products of rows, of each a with each b unless others are wanted.
    """
    gray = times(a[0], b[0])
    if len(a) == 1:
        return gray
    real = times(a[1], b[1]) + times(a[2], b[2])
    imaginary = times(a[2], b[1]) - times(a[1], b[2])
    return gray + np.hypot(real, imaginary)


def _unit(pictures: Pictures) -> Rows:
    """Mean-free rows of unit length; zeros of flat pictures, which show nothing and are like none,
    not even one another: a blank is no copy of a blank."""
    rows = rearrange(pictures, "n c h w -> n (c h w)")
    rows = (rows - rows.mean(axis=1, keepdims=True)).astype(np.float32, copy=False)
    length = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    flat = length < FLAT * math.sqrt(max(rows.shape[1], 1))
    rows /= np.where(flat, np.inf, length)[:, None]
    return rows


def _split(rows: Rows) -> list[Rows]:
    """Unit rows of color pictures along the axes: gray, and across it."""
    colors = rows.reshape(len(rows), 3, -1)
    return [np.einsum("k,nkp->np", axis, colors) for axis in AXES]
