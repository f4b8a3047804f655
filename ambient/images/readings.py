"""Ways in which a training may have read pictures that are transparent or no squares.

Each way makes other images of the same files, and a copy of one that was read in one way may be far
from all that another way makes. Most sets can be read in one way only. Orientation tags and
quarter turns are no ways of reading: what compares images tries all eight turnings.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ambient.images.neighbors import nearest_of_two_groups
from ambient.images.read import KEPT_SIDE, flatten

T = TypeVar("T", bound=np.generic)

Images = NDArray[np.uint8]
Color = tuple[int, int, int]

GLANCE = 16  # pixels a side at which readings are told apart
NEAR = 0.5  # d1/d2 at that size below which an image speaks for a reading
MORE = 3  # images by which another reading must be ahead of the usual one
LEVELS = 8  # of 256: a border that varies by less is flat
BORDERS = 4  # ways of padding that are tried
PLACES = {0.0: "at the start", 0.5: "in the middle", 1.0: "at the end"}


@dataclass(frozen=True)
class Reading:
    """One way from a file's picture to a square."""

    # what shows where a picture is transparent: white, black, or the colors that its file keeps
    # there
    clear: str = "white"
    form: str = "cropped"  # cropped to its middle, squashed, or padded to a square
    # color, place: of the padding; where the picture lies in it, 0 (left, top) to 1
    color: Color = (0, 0, 0)
    place: float = 0.5

    def square(self, picture: Image.Image, side: int) -> Image.Image:
        """A picture, transparent or not, as `side` x `side` pixels in RGB or gray (L)."""
        picture = flatten(picture, self.clear)
        size = (side, side)
        if self.form == "squashed":
            return picture.resize(size, Image.Resampling.LANCZOS)
        if self.form == "padded":
            if picture.mode == "L" and len(set(self.color)) > 1:
                picture = picture.convert("RGB")
            color = self.color if picture.mode == "RGB" else self.color[0]
            middle = (self.place, self.place)
            return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color, middle)
        return crop(picture, side)

    def __str__(self) -> str:
        clear = "dropped" if self.clear == "kept" else f"on {self.clear}"
        form = f"{self.form} to squares"
        if self.form == "padded":
            form += f" with rgb{self.color}, the picture {PLACES[self.place]}"
        return f"transparency {clear}, {form}"


USUAL = Reading()


def crop(picture: Image.Image, side: int) -> Image.Image:
    """The middle of a picture at `side` x `side` pixels."""
    if max(picture.size) > KEPT_SIDE:
        picture = ImageOps.contain(picture, (KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)
    if picture.size == (side, side):
        return picture
    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)


@dataclass
class Seen:
    """What the pictures of a set leave open, one after the other.

    Attributes:
        clear: some are transparent. oblong: some are no squares.
    """

    clear: bool = False
    oblong: bool = False

    def __call__(self, picture: Image.Image) -> None:
        self.oblong |= picture.width != picture.height
        if not self.clear and picture.has_transparency_data:
            self.clear = bool(np.asarray(picture.convert("RGBA"))[..., 3].min() < 255)

    def readings(self, made: Images) -> list[Reading]:
        """The ways in which these can be read, the usual one first; pads as in images made."""
        clear = ("white", "black", "kept") if self.clear else ("white",)
        forms = [USUAL]
        if self.oblong:
            forms.append(Reading(form="squashed"))
            forms += [Reading(form="padded", color=c, place=p) for c, p in paddings(made)]
        return [replace(form, clear=color) for color, form in product(clear, forms)]


def paddings(images: Images) -> list[tuple[Color, float]]:
    """Colors and places of flat bars at the borders of images (n, h, w, c), most frequent first.

    A picture at one end is tried at the other too: images may be turned.
    """
    thick = max(1, images.shape[1] // 16)
    strips = (images[:, :thick], images[:, -thick:], images[:, :, :thick], images[:, :, -thick:])
    flat, colors = zip(*(_flat(strip) for strip in strips), strict=True)
    votes: Counter[tuple[Color, bool]] = Counter()
    for first, last in ((0, 1), (2, 3)):
        start, end = flat[first], flat[last]
        alike = np.abs(colors[first] - colors[last]).max(axis=1) < LEVELS
        barred = (start | end) & (alike | ~(start & end))
        color = np.where(start[:, None], colors[first], colors[last])
        for i in np.flatnonzero(barred):
            votes[_rgb(color[i]), bool(start[i] and end[i])] += 1
    least = max(MORE, len(images) // 100)
    found = [key for key, count in votes.most_common(BORDERS) if count >= least]
    return [(color, place) for color, both in found for place in ((0.5,) if both else (0.0, 1.0))]


def _flat(strip: Images) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which strips (n, h, w, c) are flat, and the mean color of each."""
    pixels = strip.reshape(len(strip), -1, strip.shape[3]).astype(np.float64)
    return pixels.std(axis=1).max(axis=1) < LEVELS, pixels.mean(axis=1)


def _rgb(color: NDArray[np.float64]) -> Color:
    """A color as one of few, so that those that differ by noise are one."""
    r, g, b = np.resize(np.minimum(LEVELS * np.round(color / LEVELS), 255).astype(int), 3).tolist()
    return r, g, b


@dataclass
class Glances:
    """Small images of the pictures of a set, in each of several readings."""

    readings: Sequence[Reading]
    found: dict[Reading, list[Images]] = field(default_factory=dict)
    near: dict[Reading, NDArray[np.bool_]] = field(default_factory=dict)

    def __call__(self, picture: Image.Image) -> None:
        for reading in self.readings:
            small = reading.square(picture, GLANCE).convert("L")
            self.found.setdefault(reading, []).append(np.asarray(small))

    def best(self, made: Images, groups: NDArray[np.int64]) -> Reading:
        """The reading that most of the images made are near to; the usual one in doubt.

        Args:
            made: uint8 (n, h, w, c).
            groups: of twins, one of each picture seen.
        """
        small = glance(made)
        near = {r: speaking(small, np.stack(seen), groups) for r, seen in self.found.items()}
        self.near = near
        best = max(near, key=lambda r: near[r].sum())
        return best if near[best].sum() >= near[USUAL].sum() + MORE else USUAL

    def otherwise(self, best: Reading) -> tuple[Reading, int] | None:
        """Another reading that more than a few images speak for which do not for this one."""
        rest = {r: int((near & ~self.near[best]).sum()) for r, near in self.near.items()}
        other = max(rest, key=lambda r: rest[r])
        return (other, rest[other]) if rest[other] >= MORE else None


def glance(images: Images) -> Images:
    """Small gray images, uint8 (n, 16, 16), of uint8 (n, h, w, c)."""
    found = np.empty((len(images), GLANCE, GLANCE), np.uint8)
    for small, image in zip(found, images, strict=True):
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L")
        small[:] = np.asarray(picture.resize((GLANCE, GLANCE), Image.Resampling.LANCZOS))
    return found


def speaking(made: Images, known: Images, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images made (q, s, s) are far nearer to one image than to all of other groups.

    Those that are known are (n, s, s); images made may be turned.
    """
    keys = _unit(known)
    far, near = [], []
    for turned in turnings(made):
        distance, index = nearest_of_two_groups(_unit(turned), keys, groups)
        far.append(distance)
        near.append(groups[index])
    distance, group = np.stack(far), np.stack(near)  # (8, q, 2)
    first = distance[..., 0].argmin(axis=0)
    q = np.arange(len(made))
    other = np.where(group == group[first, q, 0][None, :, None], np.inf, distance)
    second = other.min(axis=(0, 2))
    found: NDArray[np.bool_] = distance[first, q, 0] < NEAR * second
    return found


def turnings(images: NDArray[T]) -> Iterator[NDArray[T]]:
    """Square images (n, s, s, ...) in all eight turnings, the first as they are, then mirrored."""
    for quarter in range(4):
        turned = np.rot90(images, quarter, axes=(1, 2))
        yield from (turned, turned[:, :, ::-1])


def _unit(images: Images) -> NDArray[np.float32]:
    """Rows without their mean, of unit length; flat ones are far from all others, and alike."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), LEVELS * GLANCE)
