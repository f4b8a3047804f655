"""What may have happened to a picture on its way: mirrored, moved, recolored, saved as JPEG.

An audit changes a few of its own training images so, and says how many of them it finds.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

Images = NDArray[np.uint8]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]

NOISE = 0.1  # in [-1, 1] units
HUE = 1.0  # radians
QUALITY = 50  # of JPEG
CROP = 0.8  # of the side that is left


def _shift(pixels: int) -> Change:
    def moved(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        dx, dy = pixels * rng.choice([-1, 1], 2)
        padded = np.pad(np.asarray(picture), ((pixels,) * 2, (pixels,) * 2, (0, 0)), mode="edge")
        y, x = pixels + dy, pixels + dx
        h, w = picture.height, picture.width
        return Image.fromarray(padded[y : y + h, x : x + w])

    return moved


def _recolor(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Its hue turned about the gray axis."""
    axis = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(HUE) * np.eye(3) + np.sin(HUE) * cross + (1 - np.cos(HUE)) * axis
    return _clipped(np.asarray(picture) @ turn.T)


def _noisy(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture)
    return _clipped(pixels + rng.normal(scale=NOISE * 127.5, size=pixels.shape))


def _saved(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return Image.open(buffer)


def _cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    size = picture.size
    w, h = (round(CROP * side) for side in size)
    x, y = rng.integers([size[0] - w + 1, size[1] - h + 1]).tolist()
    return picture.crop((x, y, x + w, y + h)).resize(size, Image.Resampling.LANCZOS)


def _clipped(pixels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "unchanged": lambda picture, rng: picture,
    "mirrored": lambda picture, rng: ImageOps.mirror(picture),
    "shifted 1 pixel": _shift(1),
    "shifted 2 pixels": _shift(2),
    "turned": lambda picture, rng: picture.rotate(90 * int(rng.integers(1, 4))),
    "recolored": _recolor,
    "brighter": lambda picture, rng: ImageEnhance.Brightness(picture).enhance(1.25),
    "saved as JPEG": _saved,
    "noisy": _noisy,
    "blurred": lambda picture, rng: picture.filter(ImageFilter.GaussianBlur(picture.width / 40)),
    "cropped": _cropped,
}


def changed(images: Images, name: str, rng: np.random.Generator) -> Images:
    """Images (n, h, w, c) after one of `CHANGES`."""
    gray = images.shape[3] == 1
    found = np.empty_like(images)
    for to, image in zip(found, images, strict=True):
        picture = Image.fromarray(np.repeat(image, 3, axis=2) if gray else image)
        back = CHANGES[name](picture, rng)
        to[:] = np.atleast_3d(np.asarray(back.convert("L" if gray else "RGB")))
    return found
