"""Audits: are generated images, of whatever generator, copies of training images?

The report of `evaluate`, for files: every image by its name, beside the training images
nearest to it, and a few of them as pictures, so that the report can be shown by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from ambient import __version__
from ambient.copies.features import load_space
from ambient.copies.guises import Orbit
from ambient.copies.judge import judge_images
from ambient.copies.likeness import flat
from ambient.copies.records import Copies, CorpusFacts, Verdicts
from ambient.copies.rules import MIN_SAMPLES, ORDERS, RATES, choose
from ambient.copies.sets import Images, one_of_each
from ambient.copies.spaces import FEATURES
from ambient.files import Tell, silent
from ambient.images.corpus import Corpus, Source
from ambient.images.read import plain
from ambient.reports.answer import conclude
from ambient.reports.naming import Look, Words, count
from ambient.reports.pictures import small, strip
from ambient.reports.records import (
    Audit,
    AuditedImage,
    Duplicates,
    Evidence,
    Generated,
    Origin,
    Original,
    Tally,
)
from ambient.reports.sets import SWAPPED, Sets, equal_groups, read_sets

CHAINED = 0.5  # of images that are no copies are named: they are one another's copies
FEWEST = 3  # groups of different training images, for a second nearest one of every image
SHOWN = 8  # samples in each order
PICTURED = 120  # copies beside their originals
MOSTLY = 0.5  # of the generated images
FEW = 0.2  # of them that differ: they have collapsed
CHAIN = (
    "the training images are one chain of near-duplicates, as the frames of a video are: only "
    "equal images are named, without a rate."
)


def audit(
    generated: Source,
    train: Source,
    heldout: Source | None = None,
    *,
    side: int | None = None,
    features: str | None = FEATURES,
    seed: int = 0,
    quality: bool = True,
    tell: Tell = silent,
    origin: Origin | None = None,
    show: Callable[[Sets], None] | None = None,
) -> Audit:
    """Are generated images copies of training images? The report of `evaluate`, for any images.

    Args:
        generated, train, heldout: each what `load_corpus` reads: a folder, zip or npz of images,
            or the name of a corpus; generated ones may be read already. Held-out images are real
            ones the generator never saw; those that are twins of a training image are left out.
            With fewer than 100 of them, training images take their place, each judged against the
            others.
        side: read every picture at this size; default: the size of the training images.
        features: the space of the similarity rule, which names nothing and is told beside.
        seed: of planted copies, and of generated images that are samples of a model.
        quality: measure the quality of the generated images too.
        origin: of images that a model made, what the report says of it.
        tell: hears how far the work is; may raise to end the audit.
        show: is shown what was read, before it is compared.

    Raises:
        InputError: a set that cannot be read, or sets of different sizes.
    """
    if features:
        load_space(features)
    sets = read_sets(generated, train, heldout, side, tell)
    if show:
        show(sets)
    return report_on(sets, features, seed, quality, tell, origin)


def report_on(
    sets: Sets,
    features: str | None = None,
    seed: int = 0,
    quality: bool = False,
    tell: Tell = silent,
    origin: Origin | None = None,
) -> Audit:
    """The report on images that are read (see `audit`)."""
    chained = len(np.unique(sets.known.groups)) < FEWEST
    if chained:
        sets = replace(sets, known=replace(sets.known, groups=equal_groups(sets.known.images)))
    made, known = sets.made, sets.known
    orbit = Orbit(turns=known.images.shape[1] == known.images.shape[2])
    judged = judge_images(sets.images, features, quality, tell, orbit=orbit)
    tell("looking at the nearest images", 0, 1)
    look = Look(sets, judged, orbit, chained)
    unseen = look.unseen()
    if unseen.named > CHAINED * unseen.of:
        chained, look = True, replace(look, chained=True)
        unseen = look.unseen()
    words = look.generated()
    samples = named(sets, judged, words)
    recall = look.recall(seed, tell)
    one = one_of_each(made.groups)
    h, w, c = known.images.shape[1:]
    return Audit(
        version=__version__,
        answer=conclude(
            samples,
            count(words),
            count([words[i] for i in one]),
            unseen,
            partial(look.by_nature, words),
            recall,
            sets.single,
            obstacle(sets, unseen, chained),
            remark(sets),
        ),
        reading=str(sets.reading),
        readings=sets.tried,
        tally=count(words),
        unseen=unseen,
        recall=recall,
        checkpoint_sha256=origin.checkpoint_sha256 if origin else None,
        corpus=CorpusFacts(
            name=plain(Path(known.name).name),
            n_train=len(known),
            n_heldout=len(sets.unseen) if sets.unseen else 0,
            sha256=known.sha256,
        ),
        generated=Generated(name=plain(Path(made.name).name), sha256=made.sha256),
        shape=(h, w, c),
        n_samples=len(made),
        sampler=origin.sampler if origin else None,
        seed=seed,
        duplicates=duplicates(sets),
        copies=without_rates(judged.copies) if chained else judged.copies,
        quality=judged.quality,
        calibrated_on=None if chained else judged.calibrated_on,
        heldout_ratios=judged.heldout_ratios,
        warnings=(*notes(sets, chained), *judged.warnings),
        samples=samples,
        evidence=tuple(evidence(sets, samples)),
        originals=tuple(originals(sets, samples)),
    )


def without_rates(copies: Copies) -> Copies:
    """The same verdicts, without rates of the aligned rule, which mean nothing."""
    rates = dict.fromkeys(RATES)
    return msgspec.structs.replace(
        copies,
        ratio=msgspec.structs.replace(copies.ratio, null=None, **rates),
        operating=tuple(msgspec.structs.replace(p, **rates) for p in copies.operating),
    )


def obstacle(sets: Sets, unseen: Tally, chained: bool) -> str:
    """Why nothing can be said of images of which none is named; '' where nothing is in the way."""
    n = len(sets.made)
    if SWAPPED in sets.notes:
        return f"Nothing can be said: {SWAPPED}"
    if len(sets.sheets) >= MOSTLY * n:
        return f"Nothing can be said: {about_sheets(sets)}"
    if chained:
        return f"Nothing more can be said: {CHAIN}"
    if n < MIN_SAMPLES:
        few = "1 generated image is" if n == 1 else f"{n} generated images are"
        return f"{few} too few to say; give at least {MIN_SAMPLES}."
    if not unseen.of:
        return (
            f"{len(sets.known)} training images are too few to say what chance names; give more, "
            "or held-out images."
        )
    return ""


def remark(sets: Sets) -> str:
    """What generated images are that are mostly flat, or mostly one."""
    n, showing = len(sets.made), int((~flat(sets.made.images)).sum())
    if n - showing >= MOSTLY * n:
        return f"{n - showing:,} of {n:,} generated images are flat; they show nothing to compare."
    different = len(set(sets.made.groups.tolist()))
    if different < max(2, FEW * n):
        return f"the {n:,} generated images are {_ones(different)}."
    return ""


def _counted(n: int, many: str, one: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _ones(different: int) -> str:
    return "all the same" if different == 1 else f"{different} different ones"


def about_sheets(sets: Sets) -> str:
    look = _counted(len(sets.sheets), "generated files look", "generated file looks")
    first = ", ".join(f"'{plain(Path(name).name)}'" for name in sets.sheets[:3])
    more = ", ..." if len(sets.sheets) > 3 else ""
    return (
        f"{look} like contact sheets, many pictures in one ({first}{more}); cut them into single "
        "pictures."
    )


def duplicates(sets: Sets) -> Duplicates:
    """How many images are near-duplicates of earlier ones."""

    def doubled(corpus: Corpus | None) -> int:
        return len(corpus) - len(set(corpus.groups.tolist())) if corpus else 0

    return Duplicates(
        generated=doubled(sets.made),
        training=doubled(sets.known),
        heldout=doubled(sets.unseen),
        heldout_twins_of_training=sets.twins,
    )


def notes(sets: Sets, chained: bool) -> Iterator[str]:
    """What reading changed, and what is odd or doubled."""
    for which, corpus in sets.named():
        yield from (f"{which}: {note}" for note in corpus.notes)
    yield from sets.notes
    found = duplicates(sets)
    if sets.sheets:
        yield about_sheets(sets)
    if chained:
        yield CHAIN
    if said := remark(sets):
        yield said
    if sets.twins:
        yield (
            f"{_counted(sets.twins, 'held-out images are twins', 'held-out image is a twin')} of "
            "training images: left out of what calibrates a rule. Did one set leak into the other, "
            "or does nature repeat? What several held-out images show no less often is not named."
        )
    if found.training:
        different = len(sets.known) - found.training
        yield (
            f"the {len(sets.known)} training images are {_ones(different)}: "
            "near-duplicates count as one, and a copy of either is a copy."
        )
    if found.heldout:
        yield (
            f"{_counted(found.heldout, 'held-out images are', 'held-out image is')} like other "
            "held-out ones, near-duplicates: rules are calibrated on one of each."
        )
    if found.generated:
        yield (
            f"the {len(sets.made)} generated images are "
            f"{_ones(len(sets.made) - found.generated)}: intervals are too narrow by as much."
        )


def named(sets: Sets, judged: Verdicts, words: Words) -> tuple[AuditedImage, ...]:
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
            likeness=words[i],
        )
        for i, (image, alike) in enumerate(zip(judged.samples, similar, strict=True))
    )


def evidence(sets: Sets, samples: Sequence[AuditedImage]) -> Iterator[Evidence]:
    """Some samples beside the images nearest to them."""
    for order in ORDERS:
        for i in choose([s.ratio for s in samples], order, SHOWN, seed=0xA0D17):
            beside = list(_beside(sets, samples[i]))
            yield Evidence(
                rule="ratio",
                order=order,
                sample=i,
                roles=("generated", *(role for role, _, _ in beside)),
                files=(samples[i].file, *(name for _, name, _ in beside)),
                strip=strip([sets.made.images[i], *(picture for _, _, picture in beside)]),
            )


def _beside(sets: Sets, sample: AuditedImage) -> Iterator[tuple[str, str, Images]]:
    """The role, name and picture of each image that stands beside a sample."""
    for role, position in (
        ("nearest training image", sample.nearest),
        ("second nearest", sample.second),
    ):
        yield role, sets.known.names[position], sets.known.images[position]
    if sets.unseen and (held := sample.nearest_heldout) is not None:
        yield "nearest unseen image", sets.unseen.names[held], sets.unseen.images[held]


def originals(sets: Sets, samples: Sequence[AuditedImage]) -> Iterator[Original]:
    """Copies beside their originals: the surest of each training image, then the next of each."""
    times: Counter[int] = Counter()
    ranked = []
    for i in sorted(range(len(samples)), key=lambda i: samples[i].ratio):
        if samples[i].named:
            ranked.append((times[samples[i].nearest], i))
            times[samples[i].nearest] += 1
    for _, i in sorted(ranked, key=lambda pair: pair[0])[:PICTURED]:
        k = samples[i].nearest
        yield Original(
            sample=i,
            files=(samples[i].file, sets.known.names[k]),
            strip=strip([small(sets.made.images[i]), small(sets.known.images[k])]),
        )
