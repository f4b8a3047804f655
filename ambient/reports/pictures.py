"""Pictures that a report carries: strips of images of one size, as PNG in base64."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMB = 96  # pixels at most of a side of a small picture


def strip(pictures: Sequence[NDArray[np.uint8]]) -> str:
    """Pictures (h, w, c) of one size side by side."""
    wide: NDArray[np.uint8] = np.concatenate(pictures, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(wide[..., 0] if wide.shape[2] == 1 else wide).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def unstrip(text: str, count: int) -> list[NDArray[np.uint8]]:
    """The pictures of a strip, uint8 (h, w, c) each."""
    with Image.open(io.BytesIO(base64.b64decode(text)), formats=["PNG"]) as picture:
        wide = np.atleast_3d(np.asarray(picture))
    return np.split(wide, count, axis=1)


def small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same picture (h, w, c) of no more than `THUMB` pixels a side."""
    if len(image) <= THUMB:
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.atleast_3d(np.asarray(picture.resize((THUMB, THUMB), Image.Resampling.LANCZOS)))
