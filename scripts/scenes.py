"""Pictures drawn by seed, all different: scenes of sky, ground and things, sprites, letters."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Color = tuple[int, int, int]


def scene(seed: int, width: int, height: int) -> Image.Image:
    """Sky and ground, a few things before them, and texture."""
    rng = np.random.default_rng([seed, 77])
    long = max(width, height)
    y = np.mgrid[0:height, 0:width][0] / long
    top, bottom = rng.uniform(40, 230, 3), rng.uniform(20, 200, 3)
    horizon = rng.uniform(0.25, 0.75) * height / long
    ground = np.clip((y - horizon) * rng.uniform(2, 20) + 0.5, 0, 1)[..., None]
    texture = np.zeros((height, width))
    for size in (2, 4, 8, 16):
        grains = rng.normal(size=(height // size + 2, width // size + 2)) * size
        texture += np.kron(grains, np.ones((size, size)))[:height, :width]
    colors = top * (1 - ground) + bottom * ground + texture[..., None] * rng.uniform(0.5, 1.5)
    image = Image.fromarray(np.clip(colors, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 9)):
        things(draw, rng, width, height, height / 3)
    return image.filter(ImageFilter.GaussianBlur(0.6))


def sprite(seed: int, side: int = 32, kept: Color = (0, 0, 0), opaque: bool = False) -> Image.Image:
    """Things on nothing; `kept` is the color that the file has where it is transparent."""
    rng = np.random.default_rng([seed, 5])
    image = Image.new("RGBA", (side, side), (*kept, 255 * opaque))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(3, 7)):
        things(draw, rng, side, side, side / 4)
    return image


def things(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int, reach: float
) -> None:
    """One ellipse or rectangle."""
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    a, b = rng.uniform(2, reach, 2)
    color = tuple(int(v) for v in rng.uniform(0, 255, 3))
    place = (x - a, y - b, x + a, y + b)
    (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(place, fill=color)
