"""What is kept of a network's look at one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambient.images.corpus import to_unit
from ui.pictures import Images

SEEDS = (0, 1)  # noises that are sampled down from; the first one is shown


@dataclass(frozen=True)
class Answers:
    """What a network makes of one picture at every noise level.

    Attributes:
        guesses: uint8 (levels, h, w, c), the clean picture as it guesses it.
        errors: float (levels,), mean squared, an element.
        returns: uint8 (levels, seeds, h, w, c), what it samples down to from there.
    """

    guesses: Images
    errors: NDArray[np.float64]
    returns: Images


def error(denoised: NDArray[np.float32], clean: Images) -> float:
    """Mean squared error an element.

    Args:
        denoised: (c, h, w) in [-1, 1], not clipped. clean: uint8 (h, w, c).
    """
    return float(((denoised.astype(np.float64) - to_unit(clean[None])[0]) ** 2).mean())
