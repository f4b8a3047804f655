"""How a copy differs from its original: not at all, or mirrored, turned, shifted, recolored.

Two pictures are brought together by a turning, a shift of up to a sixteenth of the side and one
linear map of colors, the simplest first. What leaves no more between them than between twins
(`ambient.images.twins.twin_radius`), and little of what the picture shows, is the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from einops import rearrange, reduce
from numpy.typing import NDArray
from scipy import fft

from ambient.copies.rules import UNLIKE
from ambient.images.readings import glance, turnings
from ambient.images.threads import at_once
from ambient.images.twins import TWIN_LEAST, TWIN_RMS

Image = NDArray[np.uint8]
Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

FLAT = 0.04  # root mean square around its mean, in [-1, 1] units, below which a picture is flat
EXPLAINED = 0.5  # of a picture's contrast may be left between twins
RECOLORED = 0.25  # and so much after a map of colors: any two smooth pictures are nearly one's map
EDGES = 0.7  # of a picture's edges may be left by such a map: light and shade alone are no copy
ALIKE = 0.7  # cosine of two coarse views below which nothing above explains a likeness
PART = 64  # pairs that one thread looks at
COARSE = 8  # blocks along a side of a view in which a small shift is no difference
TURNINGS = ("", "mirrored", *("turned",) * 6)


def likenesses(
    images: Images, originals: Images, nearest: Sequence[int], radius: float
) -> list[str]:
    """How each image (n, h, w, c) is made of the original nearest to it (see `likeness`)."""
    index = np.asarray(nearest, np.int64)

    def look(some: NDArray[np.int64]) -> list[str]:
        beside = originals[index[some]]
        worth = _alike(images[some], beside) > ALIKE
        return [
            likeness(image, original, radius) if alike else UNLIKE
            for image, original, alike in zip(images[some], beside, worth, strict=True)
        ]

    parts = np.split(np.arange(len(index)), range(PART, len(index), PART))
    return list(chain.from_iterable(at_once(look, parts)))


def likeness(image: Image, original: Image, radius: float = TWIN_RMS) -> str:
    """How `image` is made of `original`, both uint8 (h, w, c), in any turning if square.

    Args:
        radius: what twins differ by at most, root-mean-square (`twin_radius`).

    Returns:
        `identical`, `nearly identical`, or some of `mirrored`, `turned`, `shifted` and `recolored`,
        with `identical` before them where nothing else differs; `resembling` where none of these
        explains it, or the picture is flat.
    """
    a = _unit(image)
    contrast = _rms(a - a.mean(axis=(0, 1)))
    if contrast < FLAT:
        return UNLIKE
    turning, b = _turned(a, _unit(original))
    for word, limit, rest in _attempts(a, b, radius, contrast):
        if rest < limit:
            return _said(word, turning)
    return UNLIKE


def is_exact(word: str | None) -> bool:
    """Whether nothing but a turning lies between a copy and its original."""
    return bool(word) and str(word).startswith("identical")


def flat(images: Images) -> NDArray[np.bool_]:
    """Which images (n, h, w, c) show nothing."""
    return np.array([_rms(a - a.mean(axis=(0, 1))) < FLAT for a in map(_unit, images)], bool)


def _attempts(
    a: Floats, b: Floats, radius: float, contrast: float
) -> Iterator[tuple[str, float, float]]:
    """What was tried, what may be left, and what is."""
    rest = _rms(a - b)
    yield "identical", min(TWIN_LEAST, contrast * EXPLAINED), rest
    yield "nearly identical", min(radius, contrast * EXPLAINED), rest
    yield "shifted", min(radius, contrast * EXPLAINED), _shifted(a, b)
    yield "recolored", min(radius, contrast * RECOLORED), _recolored(a, b)


def _said(word: str, turning: str) -> str:
    if not turning:
        return word
    if word == "nearly identical":
        return turning
    return f"{word}, {turning}" if word == "identical" else f"{turning} and {word}"


def _turned(a: Floats, b: Floats) -> tuple[str, Floats]:
    """The turning of b that is the most like a, in words; as it is where it is as like."""
    square = b.shape[0] == b.shape[1]
    ways = [w[0] for w in turnings(b[None])] if square else [b, b[:, ::-1]]
    wanted = _coarse(a[None])[0]
    alike = _coarse(np.stack(ways)) @ wanted
    alike[0] += 1e-3
    best = int(alike.argmax())
    return TURNINGS[best], ways[best]


def _alike(images: Images, others: Images) -> Floats:
    """The largest cosine (n,) of each image and its other, small and gray, in any turning."""
    a = _coarse(glance(images)[..., None])
    turned = turnings(glance(others)[..., None])
    return np.max([np.einsum("nd,nd->n", a, _coarse(b)) for b in turned], axis=0)


def _coarse(images: NDArray[np.generic]) -> Floats:
    """Mean-free rows of unit length, averages over blocks of images (n, h, w, c)."""
    h, w = (max(1, side // COARSE) for side in images.shape[1:3])
    whole = images[:, : images.shape[1] // h * h, : images.shape[2] // w * w]
    blocks = reduce(whole.astype(np.float32), "n (y h) (x w) c -> n y x c", "mean", h=h, w=w)
    rows = rearrange(blocks, "n y x c -> n (y x c)")
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3)


def _unit(image: Image) -> Floats:
    return image.astype(np.float32) / 127.5


def _rms(difference: NDArray[np.floating]) -> float:
    return float(np.sqrt((difference**2).mean()))


def _shifted(a: Floats, b: Floats) -> float:
    """What is left where the two overlap, at the best shift.

    Of all shifts at once: the sum of (a - b)^2 is that of a^2 and b^2 less twice their correlation.
    """
    h, w = a.shape[:2]
    reach = max(2, min(h, w) // 16)
    steps = np.arange(-reach, reach + 1)
    seen = np.ix_(steps, steps)
    sides = [fft.rfft2(x.astype(np.float64), (h + reach, w + reach), (0, 1)) for x in (a, b)]
    product = (sides[0] * sides[1].conj()).sum(axis=2)
    alike = fft.irfft2(product, (h + reach, w + reach))[seen]
    overlap = np.outer(h - abs(steps), w - abs(steps)) * a.shape[2]
    squares = _in_windows(a, steps) + _in_windows(b, -steps) - 2 * alike
    return float(np.sqrt(np.maximum(squares / overlap, 0).min()))


def _in_windows(x: Floats, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of squares over what the picture shares with one that is shifted along each axis."""
    sums = np.zeros((x.shape[0] + 1, x.shape[1] + 1))
    sums[1:, 1:] = (x.astype(np.float64) ** 2).sum(axis=2).cumsum(axis=0).cumsum(axis=1)
    (top, bottom), (left, right) = (
        (np.maximum(steps, 0), side + np.minimum(steps, 0)) for side in x.shape[:2]
    )
    near = sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)]
    return np.asarray(near - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)])


def _recolored(a: Floats, b: Floats) -> float:
    """What is left once b's colors are mapped linearly to a's; all, where edges are others."""
    colors = np.column_stack([b.reshape(-1, b.shape[2]), np.ones(b.shape[0] * b.shape[1])])
    wanted = a.reshape(-1, a.shape[2])
    mixed = colors @ np.linalg.lstsq(colors.T @ colors, colors.T @ wanted, rcond=None)[0]
    left = a - mixed.reshape(a.shape)
    return _rms(left) if _edges(left) < EDGES * _edges(a) else np.inf


def _edges(picture: Floats) -> float:
    """How much neighboring pixels differ."""
    steps = [np.diff(picture, axis=axis).ravel() for axis in (0, 1)]
    return _rms(np.concatenate(steps))
