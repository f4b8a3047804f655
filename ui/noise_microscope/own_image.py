"""One picture of a visitor's own, read with suspicion and brought to the size of a run."""

from __future__ import annotations

import numpy as np

from ambient.config import Config
from ambient.errors import InputError
from ambient.images.read import read_croppable
from ambient.images.squares import crop
from ui.pictures import Images

FORMATS = ("PNG", "JPEG", "WEBP")
MEGABYTES = 10


def decode(data: bytes, config: Config, label: str = "your picture") -> Images:
    """(side, side, channels), cropped and resized as a folder of pictures is.

    Args:
        label: what the picture is called where it is refused.

    Raises:
        InputError: too large, not a picture of these formats, or too small.
    """
    if len(data) > MEGABYTES * 2**20:
        raise InputError(
            f"'{label}' has {len(data) / 2**20:.0f} MB; expected a picture of at most "
            f"{MEGABYTES} MB. Shrink it."
        )
    square = crop(read_croppable(data, label, FORMATS), config.side)
    return np.atleast_3d(np.asarray(square.convert("L" if config.channels == 1 else "RGB")))
