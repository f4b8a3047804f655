"""Pictures drawn by seed, all different: scenes of sky, ground and things, sprites, photographs."""

import numpy as np
from numpy.typing import NDArray
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


def photograph(seed: int, side: int = 32) -> Image.Image:
    """Balls on a patterned floor under a low sun, through a lens, with haze and grain."""
    rng = np.random.default_rng([seed, 41])
    across, down = (np.mgrid[0:96, 0:96][::-1] - 47.5) / 48
    rays = np.stack([across, -down - rng.uniform(0.1, 0.5), np.full_like(across, 1.4)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    sun = rng.normal(size=3) * (1, 0, 1) + (0, rng.uniform(0.6, 2), 0)
    sun /= np.linalg.norm(sun)
    haze, skies, floor, tiles = rng.uniform(0.1, 1, (4, 3))
    radius = rng.uniform(0.3, 0.9, rng.integers(2, 6))
    balls = [(np.array([rng.uniform(-2, 2), r - 1, rng.uniform(2.5, 6)]), r) for r in radius]

    far = np.where(rays[..., 1] < -0.02, -1 / np.minimum(rays[..., 1], -0.02), np.inf)
    meets = np.where(np.isinf(far), 0, far)[..., None] * rays  # the floor lies 1 below the eye
    pattern = np.sin(rng.uniform(1, 4, 2) * meets[..., ::2]).prod(axis=-1, keepdims=True)
    lit = np.where(np.min([reached(meets, sun, ball) for ball in balls], axis=0) < np.inf, 0.4, 1)
    fade = np.exp(-rng.uniform(0.02, 0.2) * np.where(np.isinf(far), 1e3, far))[..., None]
    ground = np.where(pattern > 0, floor, tiles) * lit[..., None] * sun[1]
    colors = ground * fade + (haze + (skies - haze) * np.abs(rays[..., 1:2])) * (1 - fade)
    for center, r in balls:
        depth = reached(np.zeros(3), rays, (center, r))
        seen = depth < far
        far = np.where(seen, depth, far)
        normal = (np.where(seen, depth, 0)[..., None] * rays - center) / r
        bright = np.clip(normal @ sun, 0.15, 1)[..., None]
        shine = rng.uniform(0, 0.8) * bright ** rng.uniform(8, 40)
        colors = np.where(seen[..., None], rng.uniform(0.1, 1, 3) * bright + shine, colors)

    colors *= 1 - rng.uniform(0, 0.3) * (across**2 + down**2)[..., None]
    colors += rng.normal(scale=0.02, size=colors.shape)
    picture = Image.fromarray(np.rint(np.clip(colors, 0, 1) * 255).astype(np.uint8))
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def reached(
    begin: NDArray[np.floating],
    rays: NDArray[np.floating],
    ball: tuple[NDArray[np.floating], float],
) -> NDArray[np.floating]:
    """How far along rays (..., 3) of unit length a ball is met; inf where it is not."""
    center, radius = ball
    to = center - begin
    along = (to * rays).sum(axis=-1)
    inside = radius**2 - (to**2).sum(axis=-1) + along**2
    depth = along - np.sqrt(np.maximum(inside, 0))
    return np.where((inside > 0) & (depth > 1e-6), depth, np.inf)
