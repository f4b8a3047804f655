"""Audits whose answer is known: sets without copies, and copies read or turned in many ways.

`python -m scripts.audit_trials` writes assets/results/audits.json, anew after each trial.
Emoji, kanji, digits, and scenes and sprites that are drawn by seed: no network has seen the latter.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ambient.copies.intervals import clopper_pearson
from ambient.files import ASSETS, write_atomically
from ambient.images.corpus import load_corpus
from ambient.reports import naming
from ambient.reports.audit import audit
from ambient.reports.records import Audit
from tests.core.scenes import scene, sprite

RESULT = ASSETS / "results" / "audits.json"
TRAIN, MADE, HELDOUT = 100, 160, 200  # images
PLANTED = 5  # copies of each kind that an audit itself plants: its recall is not asked here
CLEAN = 15  # draws of each corpus
SHARES = (0.05, 0.2, 1.0)  # of copies among generated images
DRAWS = 1  # of each way and share
ROTATED = 6  # an orientation tag
Pictures = Sequence[Image.Image]
Change = Callable[[Image.Image], Image.Image]


def same(picture: Image.Image) -> Image.Image:
    return picture


def turned(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.ROTATE_90)


def on_black(picture: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)


def dropped(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB")


def gray(picture: Image.Image) -> Image.Image:
    return picture.convert("L")


def padded(picture: Image.Image) -> Image.Image:
    return ImageOps.pad(picture, (64, 64))


def squashed(picture: Image.Image) -> Image.Image:
    return picture.resize((64, 64))


# What was done, to which corpus.
WAYS: tuple[tuple[str, str, Change], ...] = (
    ("unchanged", "kanji", same),
    ("turned", "emoji", turned),
    ("turned", "kanji", turned),
    ("turned", "digits", turned),
    ("turned", "scenes", turned),
    ("gray", "emoji", gray),
    ("gray", "scenes", gray),
    ("padded", "wide scenes", padded),
    ("squashed", "wide scenes", squashed),
    ("orientation ignored", "scenes", same),
    ("transparency on black", "sprites", on_black),
    ("transparency dropped", "sprites", dropped),
)


def drawn(corpus: str, n: int, seed: int) -> list[Image.Image]:
    """So many pictures of a corpus, none another's twin."""
    first = 10_000 * seed
    if corpus == "scenes":
        return [scene(first + i, 32, 32) for i in range(n)]
    if corpus == "wide scenes":
        return [scene(first + i, 64, 48) for i in range(n)]
    if corpus == "sprites":
        return [sprite(first + i, kept=(90, 160, 60)) for i in range(n)]
    found = load_corpus(corpus)
    each = np.unique(found.groups, return_index=True)[1]
    some = np.random.default_rng([seed, 0xA0D1]).permutation(each)[:n]
    return [Image.fromarray(x[..., 0] if x.shape[2] == 1 else x) for x in found.images[some]]


def audited(train: Pictures, made: Pictures, heldout: Pictures, tag: int = 0) -> Audit:
    """The audit of these pictures; training files have an orientation tag, if any."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, pictures in (("train", train), ("made", made), ("heldout", heldout)):
            folder = Path(scratch) / name
            folder.mkdir()
            exif = Image.Exif()
            if tag and name == "train":
                exif[0x112] = tag
            for i, picture in enumerate(pictures):
                picture.save(folder / f"{i:04}.png", exif=exif)
        places = [Path(scratch) / name for name in ("train", "made", "heldout")]
        return audit(places[1], places[0], places[2], features=None, quality=False)


def trial(corpus: str, way: str, change: Change, share: float, seed: int) -> dict[str, Any]:
    """One audit, with so many copies that were changed."""
    pictures = drawn(corpus, TRAIN + MADE + HELDOUT, seed)
    train, new = pictures[:TRAIN], pictures[TRAIN : TRAIN + MADE]
    copies = round(share * MADE)
    picked = np.resize(np.arange(TRAIN), copies)
    made = [change(train[i]) for i in picked] + [change(p) for p in new[copies:]]
    tag = ROTATED if way == "orientation ignored" else 0
    found = audited(train, made, pictures[TRAIN + MADE :], tag)
    low, high = clopper_pearson(found.answer.named, MADE)
    print(f"{corpus}, {way}, {share:.0%}: {found.answer.key} {found.answer.named}", flush=True)
    return {
        "corpus": corpus,
        "way": way,
        "share": share,
        "seed": seed,
        "answer": found.answer.key,
        "named": found.answer.named,
        "within": low <= share <= high,
    }


def trials() -> Iterator[tuple[str, str, Change, float, int]]:
    """What is tried: corpus, way, what it does, share of copies and seed."""
    for seed in range(CLEAN):
        for corpus in ("emoji", "kanji", "digits", "scenes"):
            yield corpus, "no copies", same, 0.0, seed
    for seed in range(100, 100 + DRAWS):
        for way, corpus, change in WAYS:
            for share in SHARES:
                yield corpus, way, change, share, seed


def main() -> None:
    naming.PLANTED = PLANTED
    found: list[dict[str, Any]] = []
    for tried in trials():
        found.append(trial(*tried))
        write_atomically(RESULT, json.dumps(summary(found), indent=1) + "\n")
    print(f"wrote {RESULT.name}")


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    clean = [t for t in found if not t["share"]]
    planted = [t for t in found if t["share"]]
    return {
        "command": "python -m scripts.audit_trials",
        "images": {"train": TRAIN, "made": MADE, "heldout": HELDOUT},
        "clean": len(clean),
        "false_yes": sum(t["answer"] == "copies" for t in clean),
        "planted": len(planted),
        "yes": sum(t["answer"] == "copies" for t in planted),
        "within": sum(t["within"] for t in planted),
        "trials": list(found),
    }


if __name__ == "__main__":
    main()
