"""Contact sheets: one picture of many, in rows and columns, where single ones are expected."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LARGEST = 1024  # pixels a side that are looked at
TILE = 16  # pixels a side of a picture in a sheet at least
MOST = 16  # pictures in a row at most
STEP = 2.0  # times the largest differences between neighboring lines within pictures
EVEN = 4.0  # of 256 levels: a line between two pictures that varies by less is a margin
MARGIN = 2  # pixels at most by which a line misses its place
LINES = 3  # between pictures at least: one or two may be what a picture shows


def is_sheet(picture: Image.Image) -> bool:
    """Whether a picture looks like several of one size in rows and columns."""
    gray = picture.convert("L")
    if max(gray.size) > LARGEST:
        gray.thumbnail((LARGEST, LARGEST))
    pixels = np.asarray(gray, np.float32)
    lines = max(_lines(pixels), default=0) + max(_lines(pixels.T), default=0)
    return lines >= LINES


def _lines(pixels: NDArray[np.float32]) -> Iterator[int]:
    """How many lines part the picture into columns of one width, for each way that does."""
    width = pixels.shape[1]
    steps = np.abs(np.diff(pixels, axis=1)).mean(axis=0)
    spread = pixels.std(axis=0)
    for count in range(2, min(MOST, width // TILE) + 1):
        within = np.ones(width - 1, bool)
        places = [round(width * i / count) for i in range(1, count)]
        near = [slice(max(x - MARGIN, 0), min(x + MARGIN, width - 1)) for x in places]
        for some in near:
            within[some] = False
        if not within.any():
            continue
        loud = max(float(np.quantile(steps[within], 0.95)), EVEN)
        if (
            min(steps[some].max() for some in near) > STEP * loud
            or max(spread[some].min() for some in near) < EVEN
            and np.quantile(spread[:-1][within], 0.2) > EVEN
        ):
            yield count - 1
