"""The aligned ratio: d1/d2 of what pictures show, wherever it stands in them and however lit.

Pixels are taken mean-free and at unit length, so brightness and contrast are no difference, and
every distance is the least over mirroring and shifts of up to 2 pixels. A training that moved its
pictures is judged over its own moves too (`Orbit`): its copies are moved, and would hide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ambient.copies.rules import RATIO_CAP, Neighbors
from ambient.files import InputError, Tell, silent

REACH = 2  # pixels that a copy may be shifted by
CAP = 0.6  # a rule never calls more than this a copy, whatever unseen pictures allow
FLAT = 0.02  # root mean square around its mean, in [-1, 1] units, below which a picture is flat
BLOCK = 1024  # queries at once

Pictures = Float[np.ndarray, "n c h w"]
Rows = Float[np.ndarray, "n d"]

# Orthonormal axes of color: gray, and two across it, in whose plane a turn of the hue is a turn.
AXES = np.array([[1, 1, 1], [2, -1, -1], [0, math.sqrt(3), -math.sqrt(3)]], np.float32)
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


@dataclass(frozen=True)
class Orbit:
    """What a training moved its pictures by, beside mirroring, which always counts.

    Attributes:
        shift: pixels of circular shifts along each axis.
        hues: colors turned about the gray axis, by any angle.
        turns: quarter turns, mirrored or not: all eight.
    """

    shift: int = 0
    hues: bool = False
    turns: bool = False


AUGMENTED = Orbit(shift=4, hues=True)  # of `ambient.diffusion.augment`


def aligned_neighbors(
    queries: Pictures,
    train: Pictures,
    groups: NDArray[np.int64],
    orbit: Orbit | None = None,
    own: NDArray[np.int64] | None = None,
    tell: Tell = silent,
) -> Neighbors:
    """Nearest training picture of each query, and nearest of another twin group, aligned.

    Args:
        queries: float32 (q, c, h, w) in [-1, 1].
        train: float32 (n, c, h, w).
        groups: int64 (n,), the twin group of each training picture.
        orbit: further moves of the training; None: none.
        own: int64 (q,), a group whose pictures each query does not see.
        tell: progress in queries.

    Returns:
        Neighbors whose distances are those of unit vectors, in [0, 2].

    Raises:
        InputError: different shapes, or fewer than 2 groups, or than 3 where `own` takes one away.
    """
    if queries.shape[1:] != train.shape[1:]:
        raise InputError(
            f"pictures of {queries.shape[1:]} and {train.shape[1:]} (channels, height, width) "
            "cannot be aligned; read both at one size."
        )
    needed, found = 2 if own is None else 3, len(np.unique(groups))
    if found < needed:
        raise InputError(
            f"the training images form {found} groups of twins; at least {needed} are needed. "
            "Add images that differ."
        )
    orbit = orbit or Orbit()
    index = np.zeros((2, len(queries)), np.int64)
    alike = np.zeros((2, len(queries)), np.float32)
    for start in range(0, len(queries), BLOCK):
        some = slice(start, start + BLOCK)
        best = _likeness(queries[some], train, orbit)
        if own is not None:
            best[groups[None, :] == own[some, None]] = -2
        for rank in range(2):
            place = best.argmax(axis=1)
            index[rank, some] = place
            alike[rank, some] = np.take_along_axis(best, place[:, None], 1)[:, 0]
            best[groups[None, :] == groups[place][:, None]] = -2
        tell("comparing images", min(start + BLOCK, len(queries)), len(queries))
    d1, d2 = np.sqrt(np.maximum(2 - 2 * alike, 0))
    return Neighbors(index[0], index[1], d1, d2)


def aligned_threshold(calibration: NDArray[np.float32], false_alarms: float = 0.01) -> float:
    """The largest ratio that at most this share of unseen pictures fall below; `CAP` at most.

    With m pictures it is the floor(false_alarms (m + 1))-th smallest, so a new one of the same
    kind falls below it with that probability at most. Of fewer than 1 / false_alarms - 1 pictures
    it is the smallest, with a probability of 1 / (m + 1); without any it is 1/3.
    """
    if not len(calibration):
        return RATIO_CAP
    allowed = int(false_alarms * (len(calibration) + 1))
    return float(min(CAP, np.sort(calibration)[max(allowed - 1, 0)]))


def _likeness(queries: Pictures, train: Pictures, orbit: Orbit) -> Float[np.ndarray, "q n"]:
    """The largest cosine of each pair over all guises of the training picture."""
    turned = orbit.hues and train.shape[1] == 3
    asked = _split(_unit(queries)) if turned else [_unit(queries)]
    best = np.full((len(queries), len(train)), -1, np.float32)
    for guise in _guises(train, orbit):
        keys = _unit(guise)
        alike = _over_hues(asked, _split(keys)) if turned else asked[0] @ keys.T
        np.maximum(best, alike, out=best)
    return best


def _guises(pictures: Pictures, orbit: Orbit) -> Iterator[Pictures]:
    """The pictures mirrored, turned and shifted: the edge goes on outward, or comes round."""
    h, w = pictures.shape[2:]
    if orbit.turns and h != w:
        raise InputError(f"pictures of {h}x{w} pixels have no quarter turns; crop them square.")
    for quarter in range(4 if orbit.turns else 1):
        upright = np.rot90(pictures, quarter, axes=(2, 3))
        for picture in (upright, upright[..., ::-1]):
            padded = np.pad(picture, ((0, 0), (0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
            for dy in range(2 * REACH + 1):
                for dx in range(2 * REACH + 1):
                    yield padded[:, :, dy : dy + h, dx : dx + w]
            for dy, dx in _around(orbit.shift):
                yield np.roll(picture, (dy, dx), axis=(2, 3))


def _around(shift: int) -> Iterator[tuple[int, int]]:
    """Every shift of up to so many pixels along each axis, but none."""
    for dy in range(-shift, shift + 1):
        for dx in range(-shift, shift + 1):
            if dy or dx:
                yield dy, dx


def _unit(pictures: Pictures) -> Rows:
    """Mean-free rows of unit length.

    A flat picture has no direction: it gets one of its own in one more place, the same for all, so
    that flat pictures are alike and unlike any other.
    """
    rows = np.zeros((len(pictures), pictures[0].size + 1 if len(pictures) else 1), np.float32)
    x = rows[:, :-1]
    x[:] = pictures.reshape(len(pictures), -1)
    x -= x.mean(axis=1, keepdims=True)
    length = np.linalg.norm(x, axis=1)
    flat = length < FLAT * math.sqrt(max(x.shape[1], 1))
    x /= np.where(flat, np.inf, length)[:, None]
    rows[flat, -1] = 1
    return rows


def _split(rows: Rows) -> list[Rows]:
    """Unit rows of color pictures along the axes: gray (with the place of flat ones), across it."""
    colors = rows[:, :-1].reshape(len(rows), 3, -1)
    gray, *across = (np.einsum("k,nkp->np", axis, colors) for axis in AXES)
    return [np.concatenate([gray, rows[:, -1:]], axis=1), *across]


def _over_hues(a: list[Rows], b: list[Rows]) -> Float[np.ndarray, "q n"]:
    """The largest product of each pair over all turns of b's colors, in closed form.

    A turn by t leaves gray and multiplies u + iv by e^(it), so the product is
    g.g' + Re(e^(-it) (u + iv).(u' - iv')), whose maximum is g.g' + |(u + iv).(u' - iv')|.
    """
    real = a[1] @ b[1].T + a[2] @ b[2].T
    imaginary = a[2] @ b[1].T - a[1] @ b[2].T
    return a[0] @ b[0].T + np.hypot(real, imaginary)
