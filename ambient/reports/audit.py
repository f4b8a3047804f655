"""Audits: are generated images, of whatever generator, copies of training images?

The report of `evaluate`, for files: every image by its name, beside the training images
nearest to it, and a few of them as pictures, so that the report can be shown by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from ambient import __version__
from ambient.copies.features import available, load_space
from ambient.copies.judge import judge_images
from ambient.copies.likeness import likeness
from ambient.copies.records import CorpusFacts, Verdicts
from ambient.copies.rules import ORDERS, UNLIKE, choose
from ambient.copies.sets import Images, ImageSets
from ambient.copies.spaces import FEATURES
from ambient.files import InputError, Tell, silent
from ambient.images.corpus import Corpus, load_corpus
from ambient.images.read import plain
from ambient.images.twins import apart, twin_radius
from ambient.reports.pictures import small, strip
from ambient.reports.records import (
    Audit,
    AuditedImage,
    Duplicates,
    Evidence,
    Generated,
    Origin,
    Original,
)
from ambient.runs.limits import Limits

SETS = {"train": "training", "generated": "generated", "heldout": "held-out"}
RULES = ("ratio", "similarity")
SHOWN = 8  # samples in each order
PICTURED = 120  # copies beside their originals
EXPLAINED = 1000  # copies of which it is said how they differ from their originals


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
    tell: Tell = silent,
    origin: Origin | None = None,
) -> Audit:
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
        seed: of the generated images, where they are samples of a model.
        quality: measure the quality of the generated images too.
        origin: of images that a model made, what the report says of it.
        tell: hears how far the work is; may raise to end the audit.

    Raises:
        InputError: a set that cannot be read, or sets of different sizes or channels.
    """
    load_space(features)
    sets = read_sets(generated, train, heldout, side, tell)
    others = [name for name in available() if name != features]
    judged = judge_images(sets.images, features, quality, tell, others)
    return report_on(sets, judged, seed, origin)


def read_sets(
    generated: str | Path | Corpus,
    train: str | Path,
    heldout: str | Path | None = None,
    side: int | None = None,
    tell: Tell = silent,
) -> Sets:
    """The images of an audit, in the form of the training images (see `audit`)."""

    def read(which: str, spec: str | Path, like: Corpus | None = None) -> Corpus:
        part = f"reading {SETS[which]} images"
        tell(part, 0, 0)  # how many there are is not known yet
        return _read(which, spec, side, like, lambda _, done, total: tell(part, done, total))

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
    tell("looking for twins", 0, 1)
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


def report_on(sets: Sets, judged: Verdicts, seed: int, origin: Origin | None = None) -> Audit:
    """A report of what `judge_images` says of the sets' images."""
    made, known, unseen = sets.made, sets.known, sets.unseen
    h, w, c = known.images.shape[1:]
    samples = explained(sets, named(sets, judged))
    duplicates = Duplicates(
        generated=_doubled(made),
        training=_doubled(known),
        heldout=_doubled(unseen) if unseen else 0,
        heldout_twins_of_training=sets.twins,
    )
    return Audit(
        version=__version__,
        checkpoint_sha256=origin.checkpoint_sha256 if origin else None,
        corpus=CorpusFacts(
            name=plain(Path(known.name).name),
            n_train=len(known),
            n_heldout=len(unseen) if unseen else 0,
            sha256=known.sha256,
        ),
        generated=Generated(name=plain(Path(made.name).name), sha256=made.sha256),
        shape=(h, w, c),
        n_samples=len(made),
        sampler=origin.sampler if origin else None,
        seed=seed,
        duplicates=duplicates,
        copies=judged.copies,
        quality=judged.quality,
        calibrated_on=judged.calibrated_on,
        heldout_ratios=judged.heldout_ratios,
        warnings=(*notes(sets, duplicates), *judged.warnings),
        samples=samples,
        evidence=tuple(evidence(sets, samples)),
        originals=tuple(originals(sets, samples)),
    )


def _doubled(corpus: Corpus) -> int:
    """How many images are near-duplicates of earlier ones."""
    return len(corpus) - len(set(corpus.groups.tolist()))


def notes(sets: Sets, duplicates: Duplicates) -> Iterator[str]:
    """What reading changed, and what is doubled."""
    given = {"train": sets.known, "generated": sets.made, "heldout": sets.unseen}
    for which, corpus in given.items():
        yield from (f"{which}: {note}" for note in (corpus.notes if corpus else ()))
    if sets.twins:
        yield (
            f"{sets.twins} held-out images are twins of training images and were left out: they "
            "are not unseen."
        )
    if doubled := duplicates.training:
        yield (
            f"the {len(sets.known)} training images are {len(sets.known) - doubled} different "
            "ones: near-duplicates count as one, and a copy of either is a copy."
        )
    if doubled := duplicates.heldout:
        yield (
            f"{doubled} held-out images are near-duplicates of other held-out ones: rules are "
            "calibrated on one of each."
        )
    if doubled := duplicates.generated:
        yield (
            f"the {len(sets.made)} generated images are {len(sets.made) - doubled} different ones: "
            "near-duplicates among them count each, so with many of them intervals are too narrow."
        )


def named(sets: Sets, judged: Verdicts) -> tuple[AuditedImage, ...]:
    """Each generated image by the name of its file, with the files nearest to it."""
    made, known = sets.made.names, sets.known.names
    unseen = sets.unseen.names if sets.unseen else ()
    similar = judged.most_similar or (None,) * len(made)
    return tuple(
        AuditedImage(
            **msgspec.structs.asdict(image),
            file=made[i],
            most_similar=alike,
            nearest_file=known[image.nearest],
            second_file=known[image.second],
            most_similar_file=None if alike is None else known[alike],
            heldout_file=None if image.nearest_heldout is None else unseen[image.nearest_heldout],
        )
        for i, (image, alike) in enumerate(zip(judged.samples, similar, strict=True))
    )


def explained(sets: Sets, samples: Sequence[AuditedImage]) -> tuple[AuditedImage, ...]:
    """Says of the first copies how each differs from its original, by pixels or by features."""
    made, known = sets.made.images, sets.known.images
    radius, found = twin_radius(known), list(samples)
    for i in copied(samples)[:EXPLAINED]:
        nearest = dict.fromkeys((samples[i].nearest, samples[i].most_similar))
        words = [likeness(made[i], known[k], radius) for k in nearest if k is not None]
        word = next((word for word in words if word != UNLIKE), UNLIKE)
        found[i] = msgspec.structs.replace(found[i], likeness=word)
    return tuple(found)


def evidence(sets: Sets, samples: Sequence[AuditedImage]) -> Iterator[Evidence]:
    """Some samples under each rule, beside the images nearest to them."""
    for rule in RULES:
        sign = 1 if rule == "ratio" else -1
        scores = [getattr(sample, rule) for sample in samples]
        if None in scores:
            continue
        for order in ORDERS:
            for i in choose([sign * s for s in scores], order, SHOWN, seed=0xA0D17):
                beside = list(_beside(sets, samples[i], rule))
                yield Evidence(
                    rule=rule,
                    order=order,
                    sample=i,
                    roles=("generated", *(role for role, _, _ in beside)),
                    files=(samples[i].file, *(name for _, name, _ in beside)),
                    strip=strip([sets.made.images[i], *(picture for _, _, picture in beside)]),
                )


def originals(sets: Sets, samples: Sequence[AuditedImage]) -> Iterator[Original]:
    """The first copies, the surest first, each beside the training image that it is of."""
    for i in sorted(copied(samples), key=lambda i: samples[i].ratio)[:PICTURED]:
        sample = samples[i]
        similar = sample.nearest if sample.most_similar is None else sample.most_similar
        k = sample.nearest if sample.copy else similar
        yield Original(
            sample=i,
            files=(sample.file, sets.known.names[k]),
            strip=strip([small(sets.made.images[i]), small(sets.known.images[k])]),
        )


def copied(samples: Sequence[AuditedImage]) -> list[int]:
    """Positions of the copies by either rule."""
    return [i for i, sample in enumerate(samples) if sample.named]


def _beside(sets: Sets, sample: AuditedImage, rule: str) -> Iterator[tuple[str, str, Images]]:
    """The role, name and picture of each image that stands beside a sample."""
    roles = {"nearest training image": sample.nearest, "second nearest": sample.second}
    if rule == "similarity" and sample.most_similar is not None:
        roles = {"most similar training image": sample.most_similar}
        roles["nearest in pixels"] = sample.nearest
    for role, position in roles.items():
        yield role, sets.known.names[position], sets.known.images[position]
    if sets.unseen and (held := sample.nearest_heldout) is not None:
        yield "nearest unseen image", sets.unseen.names[held], sets.unseen.images[held]
