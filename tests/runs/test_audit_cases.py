"""What people really bring to an audit: each kind of set beside the answer that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from ambient.images.changes import changed
from ambient.reports import naming
from ambient.reports.answer import sentences
from ambient.reports.audit import audit
from scripts.scenes import scene, sprite

N = 48
SIDE = 32
Pictures = list[Image.Image]
SIDEWAYS = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.TRANSPOSE)


@pytest.fixture(autouse=True)
def few_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "PLANTED", 3)  # how many are found is not asked here


def scenes(n: int = N, first: int = 0, width: int = SIDE, height: int = SIDE) -> Pictures:
    return [scene(first + i, width, height) for i in range(n)]


def unseen(n: int = N, width: int = SIDE, height: int = SIDE) -> Pictures:
    return scenes(n, 50_000, width, height)


def sprites(first: int = 0, kept: tuple[int, int, int] = (0, 0, 0)) -> Pictures:
    return [sprite(first + i, SIDE, kept) for i in range(N)]


def letters(n: int = N, first: int = 0) -> Pictures:
    """Two lines of letters each, white on black."""
    font = ImageFont.load_default(15)
    found = []
    for i in range(first, first + n):
        picture = Image.new("L", (SIDE, SIDE))
        a, b, c, d = np.random.default_rng(i).integers(65, 91, 4)
        text = f"{chr(a)}{chr(b)}\n{chr(c)}{chr(d)}"
        ImageDraw.Draw(picture).multiline_text((3, 0), text, fill=255, font=font, spacing=0)
        found.append(picture)
    return found


def over(color: str, pictures: Pictures) -> Pictures:
    return [Image.alpha_composite(Image.new("RGBA", p.size, color), p) for p in pictures]


def each(change: Callable[[Image.Image], Image.Image], pictures: Pictures) -> Pictures:
    return [change(picture) for picture in pictures]


def turned(way: Image.Transpose, pictures: Pictures) -> Pictures:
    return [picture.transpose(way) for picture in pictures]


def padded(pictures: Pictures, color: str = "black", place: float = 0.5) -> Pictures:
    return [ImageOps.pad(p, (SIDE, SIDE), color=color, centering=(place, place)) for p in pictures]


def squashed(pictures: Pictures) -> Pictures:
    return [picture.resize((SIDE, SIDE)) for picture in pictures]


def gray(pictures: Pictures) -> Pictures:
    return [picture.convert("L") for picture in pictures]


def recolored(pictures: Pictures) -> Pictures:
    made = changed(np.stack(list(map(np.asarray, pictures))), "recolored", np.random.default_rng(1))
    return [Image.fromarray(x).filter(ImageFilter.GaussianBlur(0.4)) for x in made]


def shifted(pictures: Pictures) -> Pictures:
    return [picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1))
            for picture in pictures]  # fmt: skip


def smooth(n: int = N) -> Pictures:
    """Gradients from one color to another."""
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 256, (2, 2, 3), np.uint8)).resize((SIDE, SIDE))
        for _ in range(n)
    ]


def noise(n: int = N) -> Pictures:
    rng = np.random.default_rng(4)
    return [Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)) for _ in range(n)]


def blank(color: str = "black") -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), color)


def grainy(pictures: Pictures, seed: int, one_in: int = 3) -> Pictures:
    """Some of them an empty slide under a lens, each with grain of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    empty = (200 - 40 * (x**2 + y**2))[..., None]
    return [
        Image.fromarray((empty + rng.normal(size=(SIDE, SIDE, 3))).astype(np.uint8))
        if i % one_in == 0
        else picture
        for i, picture in enumerate(pictures)
    ]


def often(what: Image.Image, pictures: Pictures, one_in: int = 3) -> Pictures:
    return [what if i % one_in == 0 else picture for i, picture in enumerate(pictures)]


def sheets(pictures: Pictures) -> Pictures:
    found = []
    for i in range(len(pictures)):
        found.append(Image.new("RGB", (4 * SIDE, 4 * SIDE)))
        for k in range(16):
            picture = pictures[(i + k) % len(pictures)]
            found[-1].paste(picture, (SIDE * (k % 4), SIDE * (k // 4)))
    return found


def frames(first: int, n: int) -> Pictures:
    """A camera that pans over a few scenes."""
    pan = np.concatenate([np.asarray(scene(first + k, 96, 64)) for k in range(4)], axis=1)
    return [Image.fromarray(pan[:, 2 * i : 2 * i + 64]).resize((SIDE, SIDE)) for i in range(n)]


@dataclass(frozen=True)
class Case:
    """Sets, and what is right.

    Attributes:
        says: words of the answer's sentence, of the reading or of a warning.
        exif: the orientation tag of training files, which are JPEG then.
    """

    name: str
    key: str
    train: Pictures
    made: Pictures
    heldout: Pictures = field(default_factory=list)
    says: Sequence[str] = ()
    exif: int = 0

    def __str__(self) -> str:
        return self.name


def readings() -> Iterator[Case]:
    """A: training pictures can be read in more than one way."""
    clear, green = sprites(), sprites(kept=(90, 160, 60))
    wide, tall = scenes(width=64, height=48), scenes(width=40, height=64)
    mixed = wide[:24] + tall[24:]
    square, new = scenes(), unseen()
    yield Case("alpha on white", "copies", clear, over("white", clear))
    yield Case("alpha on black", "copies", clear, over("black", clear), says=["on black"])
    kept = each(lambda p: p.convert("RGB"), green)
    yield Case("alpha dropped", "copies", green, kept, says=["dropped"])
    yield Case("alpha, no copies", "none", clear, over("black", sprites(900)))
    few = over("black", clear)[:12] + over("black", sprites(900))[:36]
    yield Case("alpha, a quarter copied", "copies", clear, few, says=["on black"])
    for tag in (3, 5, 6, 8):
        yield Case(f"orientation {tag}", "copies", square, square, exif=tag, says=["turned"])
    yield Case("orientation, no copies", "none", square, new, exif=6)
    many, others = scenes(100), unseen(95)
    tipped = turned(SIDEWAYS[0], many[:5] + others)
    yield Case("5 of 100 turned", "copies", many, tipped, says=["5 of 100", "turned"])
    for way in (*SIDEWAYS, Image.Transpose.FLIP_TOP_BOTTOM):
        said = ["turned"]
        yield Case(f"turned {way.name}", "copies", square, turned(way, square), says=said)
    yield Case("turned, no copies", "none", square, turned(SIDEWAYS[0], new))
    yield Case("letterbox", "copies", wide, padded(wide), says=["padded"])
    yield Case("pillarbox in white", "copies", tall, padded(tall, "white"), says=["padded"])
    yield Case("both, in gray", "copies", mixed, padded(mixed, "gray"), says=["padded"])
    yield Case("picture at the end", "copies", tall, padded(tall, "blue", 1.0), says=["at the end"])
    yield Case("squashed", "copies", wide, squashed(wide), says=["squashed"])
    yield Case("squashed, both", "copies", mixed, squashed(mixed), says=["squashed"])
    yield Case("cropped", "copies", wide, each(lambda p: ImageOps.fit(p, (SIDE, SIDE)), wide))
    yield Case("padded, no copies", "none", wide, padded(unseen(width=64, height=48)))
    yield Case("gray", "copies", square, gray(square), says=["gray"])
    yield Case("a quarter gray copies", "copies", square, gray(square[:12]) + new[:36])
    yield Case("colored", "copies", gray(square), square, says=["gray"])
    yield Case("gray, no copies", "none", square, gray(new))


def accusations() -> Iterator[Case]:
    """B: no accusation without a pair."""
    square, new = scenes(), unseen()
    flat = ["flat"]
    yield Case("one red", "none", square, [blank("red")] * N, says=flat)
    colors = [Image.new("RGB", (SIDE, SIDE), (5 * i, 99, 255 - 5 * i)) for i in range(N)]
    yield Case("flat colors", "none", square, colors, says=flat)
    yield Case("flat, and blanks in training", "none", often(blank(), square), [blank()] * N)
    yield Case("collapsed", "none", square, [scene(7777, SIDE, SIDE)] * N, says=["all the same"])
    yield Case("smooth", "none", square, smooth())
    yield Case("noise", "none", square, noise())
    yield Case("letters beside scenes", "none", square, letters())
    dark = each(lambda p: ImageEnhance.Brightness(p).enhance(0.15), new)
    yield Case("darkened", "none", square, dark)
    yield Case("posterized", "none", square, each(lambda p: ImageOps.posterize(p, 2), new))
    blurred = each(lambda p: p.filter(ImageFilter.GaussianBlur(4)), new)
    yield Case("blurred", "none", square, blurred)
    yield Case("contact sheets", "unknown", square, sheets(new), says=["contact sheets"])


def repetitions() -> Iterator[Case]:
    """C: what repeats in nature counts in held-out sets as in generated ones."""
    square, new, held = scenes(), unseen(), scenes(120, 90_000)
    logo = scene(123_456, SIDE, SIDE)
    sets = [often(blank(), pictures) for pictures in (square, new, held)]
    yield Case("blanks everywhere", "none", *sets)
    yield Case("blanks, nothing held out", "none", *sets[:2])
    sets = [grainy(pictures, i) for i, pictures in enumerate((square, new, held))]
    yield Case("empty slides everywhere", "none", *sets)
    yield Case("empty slides, nothing held out", "none", *sets[:2])
    sets = [often(logo, pictures, 4) for pictures in (square, new, held)]
    yield Case("a logo everywhere", "none", *sets)
    yield Case("a logo, nothing held out", "none", *sets[:2])
    leaked = held[:72] + square[:30]
    yield Case("a split that leaked", "unclear", square, square[:12] + new, leaked, says=["leak"])
    copied = often(logo, new[:24] + square[24:], 4)
    yield Case("a logo and copies", "copies", sets[0], copied, sets[2])
    yield Case("a logo that is made only", "copies", [logo, *square[1:]], sets[1], held)


def sizes() -> Iterator[Case]:
    """E: intervals, not cliffs; sets given for one another; videos."""
    many, new = scenes(60), unseen()
    blurred = each(lambda p: p.filter(ImageFilter.GaussianBlur(0.8)), many)
    yield Case("all of 60, blurred", "copies", many, blurred, says=["60 of 60"])
    yield Case("20 of 20", "copies", many, blurred[:20], says=["20 of 20"])
    yield Case("none of 20", "none", many, new[:20])
    yield Case("3 identical of 10", "copies", many, many[:3] + new[:7], says=["3 of 10"])
    yield Case("none of 12", "unknown", many, new[:12], says=["too few"])
    yield Case("held-out ones generated", "unknown", many, new, new, says=["swapped"])
    yield Case("all held-out, more generated", "unknown", many, new[:30], new, says=["swapped"])
    yield Case("one set twice", "copies", many, many, says=["60 identical", "given twice"])
    yield Case("training set held out", "none", many, new, many, says=["given twice"])
    pan = frames(900, 60)
    chain = ["chain of near-duplicates"]
    yield Case("frames of a video", "copies", pan, pan[:25], says=chain)
    yield Case("frames, mirrored", "copies", pan, each(ImageOps.mirror, pan[:25]), says=chain)
    yield Case("another video", "unknown", pan, frames(950, 25), says=chain)


def changes() -> Iterator[Case]:
    """I: what the audit is to find."""
    known, others = letters(120), letters(120, 400)
    some = shifted(known[:40]) + others[:60]
    yield Case("letters shifted, 40 %", "copies", known, some, says=["shifted"])
    yield Case("other letters", "none", known, others[:60])
    square = scenes(60)
    bright = each(lambda p: ImageEnhance.Brightness(p).enhance(1.25), square[:30])
    yield Case("brighter, half", "copies", square, bright + unseen(30))
    half = recolored(square[:30]) + unseen(30)
    yield Case("recolored, half", "copies", square, half, says=["recolored"])
    yield Case("mirrored, half", "copies", square, each(ImageOps.mirror, square[:30]) + unseen(30))


CASES = [*readings(), *accusations(), *repetitions(), *sizes(), *changes()]


def write(folder: Path, pictures: Pictures, exif: int) -> Path:
    folder.mkdir()
    options: dict[str, Any] = {}
    if exif:
        tags = Image.Exif()
        tags[0x112] = exif
        options = {"exif": tags, "quality": 95}
    for i, picture in enumerate(pictures):
        picture.save(folder / f"{i:03}.{'jpg' if exif else 'png'}", **options)
    return folder


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_answer_is_right(case: Case, tmp_path: Path) -> None:
    train = write(tmp_path / "train", case.train, case.exif)
    made = write(tmp_path / "made", case.made, 0)
    held = write(tmp_path / "held", case.heldout, 0) if case.heldout else None
    found = audit(made, train, held, features=None, quality=False)
    answer = found.answer
    assert answer.key == case.key, (answer, found.warnings)
    assert (answer.key == "copies") <= (answer.named > 0)
    assert answer.named == sum(sample.named for sample in found.samples)
    told = " ".join([answer.sentence, *sentences(found), *found.warnings])
    assert all(words in told for words in case.says), told
