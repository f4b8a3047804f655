"""Noise to look at: numpy draws for illustration, not those of training."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from ambient.images.corpus import to_bytes, to_unit
from ui.pictures import Images, enlarge


def at(image: Images, sigma: float, seed: int = 0) -> NDArray[np.float32]:
    """An image (h, w, c) noised to one level, as the network gets it: (c, h, w), not clipped.

    The noise depends on the seed and the shape alone, so images and levels can be compared.
    """
    clean = to_unit(image[None])[0]
    noise = np.random.default_rng(seed).standard_normal(clean.shape, dtype=np.float32)
    return clean + np.float32(sigma) * noise


@st.cache_data(max_entries=64, show_spinner=False)
def noised(image: Images, levels: Sequence[float], seed: int = 0) -> Images:
    """One image at several noise levels with the same noise, clipped to what a screen shows."""
    return to_bytes(np.stack([at(image, s, seed) for s in levels]))


def half_noised(images: Images, columns: int, sigma: float) -> Images:
    """Images of a grid, those of its right half noised, each by noise of its own."""
    some = images.copy()
    for i in range(len(some)):
        if i % columns >= columns // 2:
            some[i] = noised(some[i], [sigma], i)[0]
    return some


LEVELS = (0.02, 0.05, 0.12, 0.3, 0.7, 1.7, 4.0, 9.5, 20.0)  # evenly spaced on a log axis


def strip(image: Images) -> dict[float, Image.Image]:
    """Pictures of one image at levels along the axis of the curves."""
    return dict(zip(LEVELS, (enlarge(x, 96) for x in noised(image, LEVELS)), strict=True))
