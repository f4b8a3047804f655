"""Audits: are generated images, of whatever generator, copies of training images?

The report of `evaluation`, for files: every image by its name, beside the training images
nearest to it, and a few of them as pictures, so that the report can be shown by itself.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient import __version__
from ambient.copies.features import available, load_space
from ambient.copies.judge import Images, ImageSets, Told, judge_images, silent
from ambient.copies.likeness import likeness
from ambient.copies.rules import ORDERS, UNLIKE, choose
from ambient.copies.spaces import FEATURES
from ambient.errors import InputError
from ambient.files import Tell
from ambient.images.corpus import Corpus, load_corpus
from ambient.images.read import plain
from ambient.images.twins import apart, twin_radius
from ambient.runs.limits import Limits

SETS = {"train": "training", "generated": "generated", "heldout": "held-out"}
RULES = {"ratio": "copy", "similarity": "copy_by_similarity"}  # and where a sample's verdict stands
SHOWN = 8  # samples in each order
PICTURED = 120  # copies beside their originals
THUMB = 96  # pixels at most of a side there
EXPLAINED = 1000  # copies of which it is said how they differ from their originals
Record = dict[str, Any]


@dataclass(frozen=True)
class Sets:
    """What an audit compares.

    Attributes:
        made, known: generated and training images.
        unseen: held-out images, none of them a twin of a training image; None without.
        twins: held-out images that were left out, as twins of training images.
    """

    made: Corpus
    known: Corpus
    unseen: Corpus | None
    twins: int

    @property
    def images(self) -> ImageSets:
        made, known, unseen = self.made.images, self.known.images, self.unseen
        held = (known[:0], self.known.groups[:0]) if not unseen else (unseen.images, unseen.groups)
        return ImageSets(made, known, held[0], self.known.groups, held[1])


def audit(
    generated: str | Path | Corpus,
    train: str | Path,
    heldout: str | Path | None = None,
    *,
    side: int | None = None,
    features: str = FEATURES,
    seed: int = 0,
    quality: bool = True,
    told: Told = silent,
) -> dict[str, Any]:
    """Are generated images copies of training images? The report of `evaluate`, for any images.

    Args:
        generated, train, heldout: each what `load_corpus` reads: a folder, zip or npz of images,
            or the name of a corpus; generated ones may be read already. Held-out images are real
            ones the generator never saw; those that are twins of a training image are left out.
            With fewer than 100 of them, training images take their place, each judged against the
            others.
        side: read every picture at this size; default: the size of the training images.
        features: the space of the similarity rule and of quality; the rates of that rule in every
            other space that needs no download are told beside it.
        seed: of what the quality measures draw.
        quality: measure the quality of the generated images too.
        told: hears what is done, how much of it, and of how much; may raise to end the audit.

    Returns:
        A report (docs/reports.md), `run` and `checkpoint_sha256` None.

    Raises:
        InputError: a set that cannot be read, or sets of different sizes or channels.
    """
    load_space(features)
    sets = read_sets(generated, train, heldout, side, told)
    others = [name for name in available() if name != features]
    judged = judge_images(sets.images, features, seed, quality, told, others)
    return report_on(sets, judged, features, seed)


def read_sets(
    generated: str | Path | Corpus,
    train: str | Path,
    heldout: str | Path | None = None,
    side: int | None = None,
    told: Told = silent,
) -> Sets:
    """The images of an audit, in the form of the training images (see `audit`)."""

    def read(which: str, spec: str | Path, like: Corpus | None = None) -> Corpus:
        part = f"reading {SETS[which]} images"
        told(part, 0, 0)  # how many there are is not known yet
        return _read(which, spec, side, like, lambda _, done, total: told(part, done, total))

    if isinstance(generated, Corpus):  # other images are brought to its size, not it to theirs
        side = generated.images.shape[1]
    known = read("train", train)
    if isinstance(generated, Corpus):
        made = _alike("generated", generated, known)
    else:
        made = read("generated", generated, known)
    if heldout is None:
        return Sets(made, known, None, 0)
    unseen = read("heldout", heldout, known)
    told("looking for twins", 0, 1)
    return Sets(made, known, *without_twins(known, unseen))


def _read(
    which: str, spec: str | Path, side: int | None, like: Corpus | None, tell: Tell
) -> Corpus:
    """One of the sets of an audit, in the form of another; what is wrong with it names it."""
    try:
        side = side or (like.images.shape[1] if like else None)
        found = load_corpus(spec, side=side, tell=tell)
        Limits.here().check_pictures(len(found), max(found.images.shape[1:3]))
    except InputError as e:
        raise InputError(f"{which}: {e}") from e
    return _alike(which, found, like) if like else found


def _alike(which: str, found: Corpus, like: Corpus) -> Corpus:
    """A set of the same form as another one.

    Raises:
        InputError: colors beside gray training images, or another size.
    """
    name = plain(Path(found.name).name)
    try:
        found = in_channels(found, like.images.shape[3])
    except InputError as e:
        raise InputError(f"{which}: {e}") from e
    if found.images.shape[1:] != like.images.shape[1:]:
        raise InputError(
            f"{which}: '{name}' has {found.images.shape[1:]} images and the "
            f"training images are {like.images.shape[1:]} (height, width, channels); give both in "
            "one form."
        )
    return found


def in_channels(found: Corpus, channels: int) -> Corpus:
    """Gray images as color ones, or gray ones that were saved in color as gray ones.

    Raises:
        InputError: colors beside gray training images.
    """
    images = found.images
    if images.shape[3] == channels:
        return found
    if channels == 3:
        return replace(found, images=np.repeat(images, 3, axis=3))
    if (images == images[..., :1]).all():
        return replace(found, images=np.ascontiguousarray(images[..., :1]))
    raise InputError(
        f"'{plain(Path(found.name).name)}' is in color and the training images are gray; give gray "
        "ones, or training images in color."
    )


def without_twins(known: Corpus, unseen: Corpus) -> tuple[Corpus, int]:
    """Held-out images that have no twin among training images, and how many had."""
    _, kept, groups = apart(known.images, unseen.images)
    rest = Corpus(
        name=unseen.name,
        images=unseen.images[kept],
        names=tuple(unseen.names[i] for i in kept),
        categories=tuple(unseen.categories[i] for i in kept),
        groups=groups,
        license=unseen.license,
        notes=unseen.notes,
    )
    return rest, len(unseen) - len(kept)


def report_on(sets: Sets, judged: dict[str, Any], features: str, seed: int) -> dict[str, Any]:
    """A report of what `judge_images` says of the sets' images."""
    made, known, unseen = sets.made, sets.known, sets.unseen
    records = named(sets, judged.pop("samples"), judged.pop("most_similar"))
    explain(sets, records)
    duplicates = {
        "generated": len(made) - len(set(made.groups.tolist())),
        "training": len(known) - len(set(known.groups.tolist())),
        "heldout": len(unseen) - len(set(unseen.groups.tolist())) if unseen else 0,
        "heldout_twins_of_training": sets.twins,
    }
    return {
        "run": None,
        "checkpoint_sha256": None,
        "version": __version__,
        "corpus": {
            "name": plain(Path(known.name).name),
            "n_train": len(known),
            "n_heldout": len(sets.unseen) if sets.unseen else 0,
            "sha256": known.sha256,
        },
        "generated": {"name": plain(Path(made.name).name), "sha256": made.sha256},
        "shape": list(known.images.shape[1:]),
        "n_samples": len(made),
        "sampler": None,
        "seed": seed,
        "duplicates": duplicates,
        **judged,
        "warnings": [*notes(sets, duplicates), *judged["warnings"]],
        "samples": records,
        "evidence": list(evidence(sets, records)),
        "originals": list(originals(sets, records)),
    }


def notes(sets: Sets, duplicates: Mapping[str, int]) -> Iterator[str]:
    """What reading changed, and what is doubled."""
    given = {"train": sets.known, "generated": sets.made, "heldout": sets.unseen}
    for which, corpus in given.items():
        yield from (f"{which}: {note}" for note in (corpus.notes if corpus else ()))
    if sets.twins:
        yield (
            f"{sets.twins} held-out images are twins of training images and were left out: they "
            "are not unseen."
        )
    if doubled := duplicates["training"]:
        yield (
            f"the {len(sets.known)} training images are {len(sets.known) - doubled} different "
            "ones: near-duplicates count as one, and a copy of either is a copy."
        )
    if doubled := duplicates["heldout"]:
        yield (
            f"{doubled} held-out images are near-duplicates of other held-out ones: rules are "
            "calibrated on one of each."
        )
    if doubled := duplicates["generated"]:
        yield (
            f"the {len(sets.made)} generated images are {len(sets.made) - doubled} different ones: "
            "near-duplicates among them count each, so with many of them intervals are too narrow."
        )


def named(
    sets: Sets, records: Sequence[Record], most_similar: Sequence[int] | None
) -> list[Record]:
    """Each generated image by the name of its file, with the files nearest to it."""
    made, known, unseen = sets.made.names, sets.known.names, sets.unseen
    found = []
    for i, record in enumerate(records):
        similar = most_similar[i] if most_similar else None
        held = record["nearest_heldout"]
        found.append(
            {
                "file": made[i],
                **record,
                "most_similar": similar,
                "nearest_file": known[record["nearest"]],
                "second_file": known[record["second"]],
                "most_similar_file": None if similar is None else known[similar],
                "heldout_file": unseen.names[held] if unseen and held is not None else None,
                "likeness": None,
            }
        )
    return found


def explain(sets: Sets, records: Sequence[Record]) -> None:
    """Say of each copy how it differs from the original that explains it, pixels' or features'."""
    made, known = sets.made.images, sets.known.images
    radius = twin_radius(known)
    for i in copied(records)[:EXPLAINED]:
        record = records[i]
        originals = dict.fromkeys(
            k for k in (record["nearest"], record["most_similar"]) if k is not None
        )
        found = [likeness(made[i], known[k], radius) for k in originals]
        record["likeness"] = next((word for word in found if word != UNLIKE), UNLIKE)


def evidence(sets: Sets, records: Sequence[Record]) -> Iterator[Record]:
    """Some samples under each rule, with a strip of pictures: generated, then what is nearest.

    Yields:
        `rule`, `order`, `sample` (its position), `roles` (what each picture of the strip is),
        `files` (their names) and `strip`, a PNG in base64.
    """
    for rule in RULES:
        sign = 1 if rule == "ratio" else -1
        scores = [sign * r[rule] for r in records if r[rule] is not None]
        for order in ORDERS if len(scores) == len(records) else ():
            for i in choose(scores, order, SHOWN, seed=0xA0D17):
                pictures = dict(_beside(sets, records[i], rule))
                yield {
                    "rule": rule,
                    "order": order,
                    "sample": i,
                    "roles": ["generated", *pictures],
                    "files": [records[i]["file"], *(name for name, _ in pictures.values())],
                    "strip": strip([sets.made.images[i], *(x for _, x in pictures.values())]),
                }


def originals(sets: Sets, records: Sequence[Record]) -> Iterator[Record]:
    """Every copy, the surest first, beside the training image that the rule says it is of.

    Yields:
        `sample` (its position), `files` (the names of both) and `strip`, a PNG in base64 of small
        pictures; for the first of them.
    """
    for i in sorted(copied(records), key=lambda i: records[i]["ratio"])[:PICTURED]:
        record = records[i]
        k = record["nearest"] if record["copy"] else record["most_similar"]
        yield {
            "sample": i,
            "files": [record["file"], sets.known.names[k]],
            "strip": strip([small(sets.made.images[i]), small(sets.known.images[k])]),
        }


def copied(records: Sequence[Record]) -> list[int]:
    """Positions of the copies by either rule."""
    return [i for i, r in enumerate(records) if r["copy"] or r["copy_by_similarity"]]


def small(image: Images) -> Images:
    """The same, of no more than `THUMB` pixels a side."""
    if len(image) <= THUMB:
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.atleast_3d(np.asarray(picture.resize((THUMB, THUMB), Image.Resampling.LANCZOS)))


def _beside(sets: Sets, record: Record, rule: str) -> Iterator[tuple[str, tuple[str, Images]]]:
    """The role, name and picture of each image that stands beside a sample."""
    roles = {"nearest training image": record["nearest"], "second nearest": record["second"]}
    if rule == "similarity":
        roles = {"most similar training image": record["most_similar"]} | {
            "nearest in pixels": record["nearest"]
        }
    for role, position in roles.items():
        yield role, (sets.known.names[position], sets.known.images[position])
    if sets.unseen and (held := record["nearest_heldout"]) is not None:
        yield "nearest unseen image", (sets.unseen.names[held], sets.unseen.images[held])


def strip(pictures: Sequence[Images]) -> str:
    """Pictures of one size side by side, as a PNG in base64."""
    wide: NDArray[np.uint8] = np.concatenate(pictures, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(wide[..., 0] if wide.shape[2] == 1 else wide).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
