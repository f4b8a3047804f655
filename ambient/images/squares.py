"""Many pictures of any size as one array of squares, and what was done to them."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.files import InputError, Tell
from ambient.images.read import (
    MAX_PICTURE_BYTES,
    MAX_SIDE,
    PICTURES,
    check_croppable,
    gain,
    open_picture,
)
from ambient.images.readings import USUAL, Reading
from ambient.images.sources import Choice, Source

DEFAULT_SIDE = 32
KEPT_UP_TO = 64  # pixels a side of files that are kept as they are

See = Callable[[Image.Image], object]  # is shown each picture as its file has it


def accepted(height: int, width: int, most: int = MAX_SIDE) -> bool:
    """Whether networks take images of this size as they are."""
    return height == width <= most and width % 4 == 0


@dataclass
class Squares:
    """Pictures that are read one after the other."""

    side: int | None  # pixels a side of all; None: their own where networks take it, else 32
    reading: Reading = USUAL  # how a square is made of a picture
    see: See | None = None  # is shown each picture, upright, before that
    # names, squares: those that could be read
    names: list[str] = field(default_factory=list)
    squares: list[Image.Image] = field(default_factory=list)
    met: list[tuple[int, int, str]] = field(default_factory=list)  # their widths, heights and modes
    refused: list[str] = field(default_factory=list)  # why the others could not
    deepest: float = 0.0  # the largest level of those with more than 8 bits, in levels of 8 bits

    def add(self, name: str, picture: Image.Image) -> None:
        """One more picture."""
        if self.see:
            self.see(picture)
        if picture.mode == "F":
            self.deepest = max(self.deepest, float(np.asarray(picture).max()))
        width, height = picture.size
        usual = width if accepted(height, width, KEPT_UP_TO) else DEFAULT_SIDE
        self.names.append(name)
        self.squares.append(self.reading.square(picture, self.side or usual))
        self.met.append((width, height, self.squares[-1].mode))

    def add_all(self, sources: Iterable[Source], total: int, tell: Tell) -> None:
        """All files that can be read."""
        for count, source in enumerate(sources):
            tell("reading pictures", count, total)
            try:
                data = source.read(MAX_PICTURE_BYTES + 1)
                picture = check_croppable(open_picture(data, source.name), source.name)
            except InputError as e:
                self.refused.append(str(e))
            else:
                self.add(source.name, picture)

    def images(self) -> NDArray[np.uint8]:
        """uint8 (n, side, side, c), of 32 pixels where sizes differ; gray if all are."""
        sides = {p.width for p in self.squares}
        side = sides.pop() if len(sides) == 1 else DEFAULT_SIDE
        channels = 3 if any(p.mode == "RGB" for p in self.squares) else 1
        images = np.zeros((len(self.squares), side, side, channels), np.uint8)
        bright = gain(self.deepest)
        for image, picture in zip(images, self.squares, strict=True):  # one by one: many
            levels = np.asarray(USUAL.square(picture, side), np.float32)
            levels = levels * bright if picture.mode == "F" else levels
            image[:] = np.clip(np.rint(levels), 0, 255).reshape(side, side, -1)
        return images

    def notes(self, side: int) -> Iterator[str]:
        """What was done to the pictures, and which of them were left out."""
        met = self.met
        if resized := [(w, h) for w, h, _ in met if (w, h) != (side, side)]:
            small, large = ("x".join(map(str, f(resized, key=math.prod))) for f in (min, max))
            sizes = small if small == large else f"{small} to {large}"
            yield (
                f"{len(resized)} of {len(met)} pictures ({sizes} pixels) {self.reading.form} to a "
                f"square and resized to {side}x{side}."
            )
        if 0 < (gray := sum(mode != "RGB" for *_, mode in met)) < len(met):
            count = f"{gray} of {len(met)}"
            yield f"{count} pictures are gray; they are read as color, like the others."
        if gain(self.deepest) > 1:
            deep = sum(mode == "F" for *_, mode in met)
            yield f"{deep} pictures hold fewer than 16 bits in 16; they are read as bright as that."
        if refused := self.refused:
            more = f" And {len(refused) - 1} more." if len(refused) > 1 else ""
            count = f"{len(refused)} of {len(met) + len(refused)}"
            yield f"{count} pictures left out: {refused[0]}{more}"


def read_squares(choice: Choice, squares: Squares, label: str, tell: Tell) -> NDArray[np.uint8]:
    """The pictures of a choice that can be read, uint8 (n, side, side, c).

    Raises:
        InputError: there are none, or none that can be read.
    """
    squares.add_all(choice.pictures, len(choice.pictures), tell)
    if squares.squares:
        return squares.images()
    refused = squares.refused
    if not refused:
        said = [f"'{label}' holds no pictures.", *choice.notes()]
        raise InputError(f"{' '.join(said)} Expected {', '.join(PICTURES)}.")
    only = "" if len(refused) == 1 else f"none of {len(refused)} pictures can be used: "
    raise InputError(only + refused[0])
