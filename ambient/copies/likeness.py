"""How a copy differs from its original: not at all, or mirrored, shifted, recolored.

Two pictures are brought together by a mirroring, a shift of up to an eighth of the side and one
linear map of colors, the simplest first; what leaves no more between them than between twins
(`ambient.images.twins.twin_radius`) is the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ambient.copies.rules import UNLIKE
from ambient.images.twins import TWIN_LEAST, TWIN_RMS

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]


def likeness(image: Image, original: Image, radius: float = TWIN_RMS) -> str:
    """How `image` is made of `original`, both uint8 (h, w, c).

    Args:
        radius: what twins differ by at most, root-mean-square (`twin_radius`).

    Returns:
        `identical`, `nearly identical`, or some of `mirrored`, `shifted` and `recolored`;
        `resembling` where none of these explains it.
    """
    for word, change, rest in _attempts(_unit(image), _unit(original), radius):
        if word == "identical":
            if rest < TWIN_LEAST:
                return word
        elif rest < radius * change:
            return word
    return UNLIKE


def _attempts(a: Floats, b: Floats, radius: float) -> Iterator[tuple[str, float, float]]:
    """What was tried, how much less than a twin's may be left (1 is as much), and what is."""
    yield "identical", 1, _rms(a - b)
    yield "nearly identical", 1, _rms(a - b)
    mirrored = b[:, ::-1]
    yield "mirrored", 1, _rms(a - mirrored)
    yield "shifted", 1, _shifted(a, b)
    yield "mirrored and shifted", 1, _shifted(a, mirrored)
    # Any two flat pictures are one another's recoloring: the map must explain most of what differs.
    contrast = min(1.0, _rms(a - a.mean(axis=(0, 1))) / (2 * radius))
    yield "recolored", contrast, _recolored(a, b)
    yield "mirrored and recolored", contrast, _recolored(a, mirrored)


def _unit(image: Image) -> Floats:
    return image.astype(np.float32) / 127.5


def _rms(difference: NDArray[np.floating]) -> float:
    return float(np.sqrt((difference**2).mean()))


def _shifted(a: Floats, b: Floats) -> float:
    """What is left where the two overlap, at the best shift."""
    h, w = a.shape[:2]
    reach = max(1, min(h, w) // 8)
    steps = range(-reach, reach + 1)
    return min(_rms(_window(a, dy, dx) - _window(b, -dy, -dx)) for dy in steps for dx in steps)


def _window(x: Floats, dy: int, dx: int) -> Floats:
    h, w = x.shape[:2]
    return x[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)]


def _recolored(a: Floats, b: Floats) -> float:
    """What is left once b's colors are mapped linearly to a's."""
    colors = np.column_stack([b.reshape(-1, b.shape[2]), np.ones(b.shape[0] * b.shape[1])])
    wanted = a.reshape(-1, a.shape[2])
    mixed = colors @ np.linalg.lstsq(colors, wanted, rcond=None)[0]
    return _rms(wanted - mixed)
