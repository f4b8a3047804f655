"""One picture of a visitor's own, read with suspicion and brought to the size of a run."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ambient.config import Config
from ambient.corpus import MAX_SIDE, decode_picture
from ambient.errors import InputError
from ui.pictures import Images

FORMATS = ("PNG", "JPEG", "WEBP")
MEGABYTES = 10
MEGAPIXELS = 25  # decoded, four bytes each, a few times over


def decode(data: bytes, config: Config) -> Images:
    """(side, side, channels), cropped and resized as a folder of pictures is.

    Raises:
        InputError: too large, not a picture of these formats, or too small.
    """
    if len(data) > MEGABYTES * 2**20:
        raise InputError(
            f"this file has {len(data) / 2**20:.0f} MB; expected a picture of at most "
            f"{MEGABYTES} MB. Shrink it."
        )
    _look_at_header(data)
    picture = decode_picture(data, "your picture")
    if max(picture.size) > 2 * MAX_SIDE:
        box = (2 * MAX_SIDE, 2 * MAX_SIDE)
        picture = ImageOps.contain(picture, box, Image.Resampling.LANCZOS)
    square = ImageOps.fit(picture, (config.side, config.side), Image.Resampling.LANCZOS)
    return np.atleast_3d(np.asarray(square.convert("L" if config.channels == 1 else "RGB")))


def _look_at_header(data: bytes) -> None:
    """Format and size, before anything is decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as e:
        raise InputError("this file is not a readable picture; expected PNG, JPEG or WebP.") from e
    if width * height > MEGAPIXELS * 10**6:
        raise InputError(
            f"this picture has {width}x{height} pixels; expected at most {MEGAPIXELS} million. "
            "Shrink it."
        )
