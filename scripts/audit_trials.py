"""Audits whose answer is known: `make trials` writes assets/results/audits.json.

Sets without copies, half of them with held-out images; and sets with some, turned, or read
otherwise than the training files are read by default. Emoji, kanji and digits, and scenes,
photographs and sprites that are drawn by seed, which no network here has seen. One thread. What was
audited before stays: delete the file to begin anew.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageOps

from ambient.copies.intervals import clopper_pearson
from ambient.files import ASSETS, read_json, write_atomically
from ambient.images.changes import CHANGES
from ambient.images.corpus import load_corpus
from ambient.reports import naming
from ambient.reports.answer import ANSWERS, copied
from ambient.reports.audit import audit
from ambient.reports.records import Audit
from scripts.page import Table
from scripts.scenes import photograph, scene, sprite

RESULT = ASSETS / "results" / "audits.json"
N = 100  # images in each set
CORPORA = ("emoji", "kanji", "digits", "scenes", "photographs")
DRAWS = 12  # of each without copies
COPIED = 1  # draws of each with copies, of each share
PLANTED = 2  # draws without copies whose audits show what they find of what they plant
SHARES = (0.05, 0.2, 1.0)  # of copies among generated images
COPIED_FROM = 100  # the first seed of sets with copies
TAGGED = {"orientation ignored": 6}  # tags of training files
Row = dict[str, Any]
Pictures = Sequence[Image.Image]
Change = Callable[[Image.Image], Image.Image]


def padded(color: str, place: float) -> Change:
    return lambda p: ImageOps.pad(p, (64, 64), color=color, centering=(place, place))


def over(color: str) -> Change:
    return lambda p: Image.alpha_composite(Image.new("RGBA", p.size, color), p)


def turned(way: Image.Transpose) -> Change:
    return lambda p: p.transpose(way)


# What became of the files, by whom they were read, and of which pictures this is tried.
WAYS: dict[str, tuple[Change, Sequence[str]]] = {
    "unchanged": (lambda p: p, CORPORA),
    "gray": (lambda p: p.convert("L"), ("emoji", "scenes", "photographs")),
    "orientation ignored": (lambda p: p, ("scenes", "photographs")),
    "cropped to its middle": (lambda p: ImageOps.fit(p, (64, 64)), ("wide scenes",)),
    "squashed": (lambda p: p.resize((64, 64)), ("wide scenes",)),
    "padded, black on both sides": (padded("black", 0.5), ("wide scenes",)),
    "padded, white at the end": (padded("white", 0.0), ("wide scenes",)),
    "padded, a color at the start": (padded("#30a060", 1.0), ("wide scenes",)),
    "transparency on white": (over("white"), ("sprites",)),
    "transparency on black": (over("black"), ("sprites",)),
    "transparency dropped": (lambda p: p.convert("RGB"), ("sprites",)),
    **{
        f"turned: {way.name.lower().replace('_', ' ')}": (turned(way), ("emoji", "photographs"))
        for way in Image.Transpose
    },
}


@dataclass(frozen=True)
class Trial:
    """One audit: which pictures, what became of the copies, how many there are, and whether it is
    given held-out images."""

    corpus: str
    way: str
    copies: int
    seed: int
    heldout: bool = True


def trials() -> Iterator[Trial]:
    """Sets without copies, every other one without held-out images, and sets with copies."""
    for seed in range(DRAWS):
        for corpus in CORPORA:
            yield Trial(corpus, "unchanged", 0, seed, heldout=seed % 2 == 0)
        for way, (_, corpora) in WAYS.items() if seed < COPIED else ():
            for corpus in corpora:
                for share in SHARES:
                    yield Trial(corpus, way, round(share * N), COPIED_FROM + seed)


@cache
def pictures(corpus: str, seed: int) -> list[Image.Image]:
    """As many as three sets need, none another's twin."""
    numbers = range(10_000 * seed, 10_000 * seed + 3 * N)
    if corpus == "scenes":
        return [scene(i, 32, 32) for i in numbers]
    if corpus == "wide scenes":
        return [scene(i, 64, 48) for i in numbers]
    if corpus == "photographs":
        return [photograph(i) for i in numbers]
    if corpus == "sprites":
        return [sprite(i, kept=(90, 160, 60)) for i in numbers]
    found = load_corpus(corpus)
    each = np.unique(found.groups, return_index=True)[1]
    some = np.random.default_rng([seed, 0xA0D1]).permutation(each)[: 3 * N]
    return [Image.fromarray(x.squeeze()) for x in found.images[some]]


def tried(trial: Trial) -> Row:
    """What an audit says of a set with so many copies; of its other images none is one.

    Who reads files otherwise, or turns them, does so with all that it generates.
    """
    drawn = pictures(trial.corpus, trial.seed)
    train, new, heldout = drawn[:N], drawn[N : 2 * N], drawn[2 * N :]
    change = WAYS[trial.way][0]
    made = [change(p) for p in [*train[: trial.copies], *new[trial.copies :]]]
    recall = not trial.copies and trial.seed < PLANTED  # elsewhere it would change no answer
    with patch.object(naming, "PLANTED", naming.PLANTED if recall else 1):
        found = audited(train, made, heldout if trial.heldout else [], TAGGED.get(trial.way, 1))
    row = {**asdict(trial), "answer": found.answer.key, "named": found.answer.named}
    if trial.copies:
        return {**row, "ci95": copied(found.tally, found.unseen)}
    each = found.recall if recall else ()
    return {**row, "recall": {r.change: [r.found, r.planted] for r in each}}


def audited(train: Pictures, made: Pictures, heldout: Pictures, tag: int) -> Audit:
    """The audit of these pictures; training files have this orientation tag."""
    with tempfile.TemporaryDirectory() as scratch:
        places = [Path(scratch) / name for name in ("train", "made", "heldout")]
        for folder, some in zip(places, (train, made, heldout), strict=True):
            folder.mkdir()
            exif = Image.Exif()
            if tag > 1 and folder == places[0]:
                exif[0x112] = tag
            for i, picture in enumerate(some):
                picture.save(folder / f"{i:04}.png", exif=exif)
        unseen = places[2] if heldout else None
        return audit(places[1], places[0], unseen, features=None, quality=False)


def figures() -> dict[str, Any]:
    found = read_json(RESULT)
    assert found  # bundled
    rows = found["rows"]
    clean = [r for r in rows if not r["copies"]]
    with_copies = [r for r in rows if r["copies"]]
    return {
        "images": found["images"],
        "missing": len(list(trials())) - len(rows),
        "clean": [by_corpus(clean, heldout) for heldout in (True, False)],
        "yes": sum(r["answer"] == "copies" for r in with_copies),
        "within": sum(within(r) for r in with_copies),
        "copied": len(with_copies),
        "by_way": by_way(with_copies),
        "recall": found_of_planted(clean),
    }


def within(row: Row) -> bool:
    """Whether the interval of the share of copies holds it."""
    low, high = row["ci95"]
    return bool(low <= row["copies"] / N <= high)


def by_corpus(rows: Sequence[Row], heldout: bool) -> dict[str, Any]:
    """Answers on sets without copies, by what is in them."""
    rows = [r for r in rows if r["heldout"] == heldout]
    yes = sum(r["answer"] == "copies" for r in rows)
    table = [["images", "audits", *ANSWERS.values(), "named, of all images"]]
    for corpus in CORPORA:
        some = [r for r in rows if r["corpus"] == corpus]
        said = [r["answer"] for r in some]
        share = sum(r["named"] for r in some) / max(1, N * len(some))
        counts = (str(said.count(key)) for key in ANSWERS)
        table.append([corpus, str(len(said)), *counts, f"{share:.1%}"])
    return {"table": table, "of": len(rows), "yes": yes, "most": clopper_pearson(yes, len(rows))[1]}


def by_way(rows: Sequence[Row]) -> Table:
    """How often "Yes" is said of sets with copies, and how many images are named."""
    table = [["copies", "images", *(f"{round(share * N)} of {N}" for share in SHARES)]]
    for way in dict.fromkeys(r["way"] for r in rows):
        of_way = [r for r in rows if r["way"] == way]
        cells = []
        for share in SHARES:
            some = [r for r in of_way if r["copies"] == round(share * N)]
            if not some:
                cells.append("-")
                continue
            yes = sum(r["answer"] == "copies" for r in some)
            named = sorted({r["named"] for r in some})
            span = "-".join(str(n) for n in dict.fromkeys((named[0], named[-1])))
            cells.append(f"{yes} of {len(some)}, {span} named")
        table.append([way, ", ".join(dict.fromkeys(r["corpus"] for r in of_way)), *cells])
    return table


def found_of_planted(rows: Sequence[Row]) -> Table:
    """Percent of copies that audits found of those that they themselves planted."""
    table = [["planted by the audit", *CORPORA]]
    for change in CHANGES:
        cells = []
        for corpus in CORPORA:
            some = [r["recall"].get(change) for r in rows if r["corpus"] == corpus]
            found, planted = (sum(x[i] for x in some if x) for i in (0, 1))
            cells.append(f"{100 * found / planted:.0f}" if planted else "-")
        table.append([change, *cells])
    return table


def main() -> None:
    before = read_json(RESULT)
    rows = before["rows"] if before else []
    done = {tuple(row[name] for name in Trial.__dataclass_fields__) for row in rows}
    asked = list(trials())
    for trial in asked:
        if tuple(asdict(trial).values()) in done:
            continue
        rows.append(tried(trial))
        found = {"images": N, "rows": rows}
        write_atomically(RESULT, json.dumps(found, indent=0) + "\n")
        print(len(rows), "of", len(asked), rows[-1], flush=True)
    print(f"{RESULT.name} is complete")


if __name__ == "__main__":
    main()
