"""Ways of reading files: which there are, and which one a generator's images speak for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from ambient.images.corpus import load_corpus
from ambient.images.readings import USUAL, Glances, Reading, Seen, paddings, turnings
from scripts.scenes import scene, sprite

N = 24
SIDE = 32
Made = Callable[[Image.Image], Image.Image]


def wide(i: int) -> Image.Image:
    return scene(i, 64, 48)


def tall(i: int) -> Image.Image:
    return scene(i, 40, 64)


def both(i: int) -> Image.Image:
    return wide(i) if i % 2 else tall(i)


def padded(color: str, place: float = 0.5) -> Made:
    return lambda p: ImageOps.pad(p, (64, 64), color=color, centering=(place, place))


def kept(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB")


def over(color: str) -> Made:
    return lambda p: Image.alpha_composite(Image.new("RGBA", p.size, color), p)


# What the files are, what the training made of them, and the reading that says so.
CASES: list[tuple[Callable[[int], Image.Image], Made, Reading]] = [
    (sprite, over("white"), USUAL),
    (sprite, over("black"), Reading(clear="black")),
    (lambda i: sprite(i, kept=(90, 160, 60)), kept, Reading(clear="kept")),
    (wide, lambda p: ImageOps.fit(p, (64, 64)), USUAL),
    (wide, lambda p: p.resize((64, 64)), Reading(form="squashed")),
    (both, lambda p: p.resize((32, 32)), Reading(form="squashed")),
    (wide, padded("black"), Reading(form="padded")),
    (both, padded("white"), Reading(form="padded", color=(255, 255, 255))),
    (tall, padded("#808080"), Reading(form="padded", color=(128, 128, 128))),
    (tall, padded("black", 0.0), Reading(form="padded", place=0.0)),
    (both, padded("#f01818", 1.0), Reading(form="padded", color=(240, 24, 24), place=1.0)),
    (lambda i: scene(i, 32, 32), lambda p: p, USUAL),
]


@pytest.mark.parametrize("turned", [0, 3])
@pytest.mark.parametrize(("file", "made", "reading"), CASES)
def test_the_reading_of_a_training_is_found(
    file: Callable[[int], Image.Image], made: Made, reading: Reading, turned: int, tmp_path: Path
) -> None:
    """Even if only a third of the images are copies, and these are turned."""
    for i in range(N):
        file(i).save(tmp_path / f"{i:03}.png")
    seen = Seen()
    known = load_corpus(tmp_path, side=SIDE, see=seen)
    pictures = [made(file(i if i < N // 3 else 900 + i)) for i in range(N)]
    images = np.stack([np.asarray(p.convert("RGB").resize((SIDE, SIDE))) for p in pictures])
    images = list(turnings(images))[turned]
    readings = seen.readings(images)
    if len(readings) == 1:
        assert reading == USUAL
        return
    glances = Glances(readings)
    load_corpus(tmp_path, side=SIDE, see=glances)
    found = glances.best(images, known.groups)
    assert found == reading
    again = load_corpus(tmp_path, side=SIDE, reading=found)
    assert again.images.shape == (N, SIDE, SIDE, 3)


def test_plain_squares_are_read_in_one_way() -> None:
    seen = Seen()
    for picture in (scene(0, 32, 32), sprite(1, opaque=True), scene(2, 32, 32).convert("L")):
        seen(picture)
    assert seen.readings(np.zeros((20, 32, 32, 3), np.uint8)) == [USUAL]


def test_a_picture_without_bars_has_no_padding() -> None:
    images = np.stack([np.asarray(scene(i, 32, 32)) for i in range(N)])
    assert paddings(images) == []


def test_there_are_eight_turnings() -> None:
    image = np.arange(18, dtype=np.uint8).reshape(1, 3, 3, 2)
    assert len({turned.tobytes() for turned in turnings(image)}) == 8
