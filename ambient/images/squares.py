"""Many pictures of any size as one array of squares: what is read, left out and resized."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.files import InputError, Tell
from ambient.images.read import (
    MAX_PICTURE_BYTES,
    check_croppable,
    guarded,
    open_picture,
    plain,
)
from ambient.images.readings import USUAL, Reading, crop

DEFAULT_SIDE = 32
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}

Pictures = Sequence[tuple[str, Callable[[], bytes]]]  # the name of each, and what reads it
See = Callable[[Image.Image], object]  # is shown each picture as its file has it


def is_picture(name: PurePath) -> bool:
    """Whether a name has the suffix of a picture and is not one that macOS leaves beside others."""
    hidden = name.name.startswith(".") or "__MACOSX" in name.parts
    return name.suffix.lower() in SUFFIXES and not hidden


def folder_pictures(folder: Path) -> Pictures:
    """The pictures in a folder and below it, by name."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if is_picture(name) and path.is_file():
            found.append((str(name), partial(_file_bytes, path)))
    return found


def _file_bytes(path: Path) -> bytes:
    closed = f"'{plain(path.name)}' cannot be read. Remove it, or allow reading."
    with guarded(closed), path.open("rb") as f:
        return f.read(MAX_PICTURE_BYTES + 1)


def read_squares(
    label: str,
    pictures: Pictures,
    side: int | None,
    most: int,
    tell: Tell,
    reading: Reading = USUAL,
    see: See | None = None,
) -> tuple[NDArray[np.uint8], list[str], tuple[str, ...]]:
    """All pictures that can be read, as squares of one size.

    Args:
        label: what to call all of them.
        side: see `square`.
        most: pictures that are looked at.
        tell: progress in pictures.
        reading: how they are read.
        see: is shown each of them, upright, before that.

    Returns:
        uint8 (n, side, side, c), the names of these pictures, and a note each on what was resized,
        made color or left out.

    Raises:
        InputError: too many pictures, none, or none that can be read.
    """
    check_count(len(pictures), most)
    names: list[str] = []
    squares: list[Image.Image] = []
    met: list[tuple[int, int, str]] = []
    refused: list[str] = []
    for count, (name, content) in enumerate(pictures):
        tell("reading pictures", count, len(pictures))
        try:
            picture = check_croppable(open_picture(content(), name), name)
        except InputError as e:
            refused.append(str(e))
            continue
        names.append(name)
        if see:
            see(picture)
        squares.append(square(picture, side, reading))
        met.append((*picture.size, squares[-1].mode))
    if refused and not squares:
        only = "" if len(refused) == 1 else f"none of {len(refused)} pictures can be used: "
        raise InputError(only + refused[0])
    if not squares:
        expected = ", ".join(sorted(SUFFIXES))
        raise InputError(f"'{plain(label)}' holds no pictures; expected files with {expected}.")
    images = stack(squares)
    return images, names, tuple(_notes(images.shape[1], reading.form, met, refused))


def check_count(count: int, most: int) -> None:
    """Refuse more than `most` pictures."""
    if count > most:
        raise InputError(f"more than {most} pictures were given; use fewer.")


def _notes(
    side: int, form: str, met: Sequence[tuple[int, int, str]], refused: Sequence[str]
) -> Iterator[str]:
    """What was done to pictures of these widths, heights and modes, and what was left out."""
    if resized := [(w, h) for w, h, _ in met if (w, h) != (side, side)]:
        small, large = ("x".join(map(str, f(resized, key=math.prod))) for f in (min, max))
        sizes = small if small == large else f"{small} to {large}"
        yield (
            f"{len(resized)} of {len(met)} pictures ({sizes} pixels) {form} to a square and "
            f"resized to {side}x{side}."
        )
    if 0 < (gray := sum(mode == "L" for *_, mode in met)) < len(met):
        yield f"{gray} of {len(met)} pictures are gray; they are read as color, like the others."
    if refused:
        more = f" And {len(refused) - 1} more." if len(refused) > 1 else ""
        yield f"{len(refused)} of {len(met) + len(refused)} pictures left out: {refused[0]}{more}"


def square(picture: Image.Image, side: int | None, reading: Reading = USUAL) -> Image.Image:
    """A picture at `side` pixels; without a side, a size that the network accepts is kept."""
    width, height = picture.size
    accepted = width == height and width <= 64 and width % 4 == 0
    return reading.square(picture, side or (width if accepted else DEFAULT_SIDE))


def stack(squares: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """uint8 (n, side, side, c) at their own size, or 32 where they differ; gray if all are."""
    sides = {p.width for p in squares}
    side = sides.pop() if len(sides) == 1 else DEFAULT_SIDE
    mode = "L" if all(p.mode == "L" for p in squares) else "RGB"
    images = np.zeros((len(squares), side, side, len(mode)), np.uint8)
    for image, picture in zip(images, squares, strict=True):  # one by one: they may be many
        image[:] = np.atleast_3d(np.asarray(crop(picture, side).convert(mode)))
    return images
