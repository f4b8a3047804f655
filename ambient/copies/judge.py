"""Verdicts on any images, whoever made them: copies by both rules, calibrated, with a null.

`ambient evaluate` samples a run and `ambient audit` reads files; both end here, so they agree to
the last digit on the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from ambient.copies.features import features_of, in_turn
from ambient.copies.guises import STILL, Orbit
from ambient.copies.pixels import by_pixels
from ambient.copies.quality import quality
from ambient.copies.records import (
    Agreement,
    Copies,
    JudgedImage,
    Null,
    SimilarityRule,
    Verdicts,
)
from ambient.copies.rules import (
    LEFT_OUT,
    MIN_SAMPLES,
    RATES,
    UNSEEN,
    Flat,
    judge,
    similarity_threshold,
)
from ambient.copies.sets import (
    ImageSets,
    in_part,
    leaves_out,
    no_copies,
    strangers,
    warnings,
)
from ambient.copies.spaces import find_space
from ambient.files import InputError, Tell, silent
from ambient.images.neighbors import Table, nearest, nearest_of_two_groups, values

MANY_VALUES = 250_000_000  # of features at most: a gigabyte, and as much again while they are read


@dataclass(frozen=True)
class Rows:
    """One feature space: (n, d) of samples, training and held-out images, float32 or pixels."""

    samples: Table
    train: Table
    heldout: Table


def judge_images(
    sets: ImageSets,
    features: str | None = None,
    measure_quality: bool = True,
    tell: Tell = silent,
    orbit: Orbit = STILL,
) -> Verdicts:
    """Who is a copy of a training image, by how much, and how far that verdict can be trusted.

    With fewer than 20 samples or images to calibrate on, the rates are None and a warning says
    why; every sample still has its distances.

    Args:
        sets: the images.
        features: a name in `ambient.copies.spaces.SPACES`, for the similarity rule; without one
            only pixels are compared, which is much faster.
        measure_quality: where there are features and enough images, measure `quality` too.
        tell: hears how far the work is.
        orbit: moves of training images that count as copies: those of their training.

    Raises:
        InputError: more features than should be held at once.
    """
    if features:
        _check_values(sets, features)
    pixels = by_pixels(sets, orbit, tell)
    samples, unseen = pixels.samples, pixels.unseen
    notes = warnings(sets, len(unseen))
    similarity, distances, most_similar = None, None, None
    if features:
        part, kept = in_part(sets)
        if len(kept) < len(sets.train):
            notes.append(
                f"similarity is that to {len(kept):,} of {len(sets.train):,} training images, "
                "drawn at random."
            )
        read = partial(features_of, features=features)
        images = part.samples, part.train, part.heldout
        cloud = Rows(*in_turn(images, read, f"comparing in {features}", tell))
        similarity, similar, nearest_part = _by_features(part, cloud, features)
        most_similar = kept[nearest_part]
        null = _null(part, cloud)
        similarity = msgspec.structs.replace(similarity, null=null)
        samples = _compared(samples, similar, similarity.threshold, calibrated=len(unseen) > 0)
        if measure_quality:
            copies = np.array([sample.copy for sample in samples], bool)
            distances = quality(sets.samples, sets.train, sets.heldout, copies, tell)
    return Verdicts(
        copies=Copies(
            ratio=pixels.ratio,
            operating=pixels.operating,
            strict=pixels.strict,
            orbit=None if orbit == STILL else orbit,
            similarity=similarity,
            agreement=agreement(samples) if similarity and len(unseen) else None,
        ),
        quality=distances,
        calibrated_on=LEFT_OUT if leaves_out(sets) else UNSEEN if len(unseen) else None,
        warnings=tuple(notes),
        heldout_ratios=tuple(round(float(r), 4) for r in unseen),
        heldout_nearest=tuple(pixels.nearest.tolist()),
        samples=tuple(samples),
        most_similar=None if most_similar is None else tuple(most_similar.tolist()),
    )


def similarities(
    queries: Table,
    train: Table,
    groups: NDArray[np.int64] | None = None,
    own: NDArray[np.int64] | None = None,
) -> tuple[Flat, NDArray[np.int64]]:
    """Largest cosine similarity of each query's features to the training set's, and whose it is.

    Args:
        queries, train: (q, k) and (n, k), float32 or pixels.
        groups, own: twin groups of the training set, and of each query the one it does not see.
    """

    def unit(table: Table) -> Flat:
        x = values(table)
        lengths = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12).astype(np.float32)
        return np.divide(x, lengths, dtype=np.float32)

    if groups is None or own is None:
        distance, index = nearest(unit(queries), unit(train), k=1)
    else:
        distance, index = nearest_of_two_groups(unit(queries), unit(train), groups, own)
    return (1 - distance[:, 0] ** 2 / 2).astype(np.float32), index[:, 0]


def _compared(
    samples: Sequence[JudgedImage], similar: Flat, threshold: float, calibrated: bool
) -> list[JudgedImage]:
    """The samples with what the similarity rule says of them."""
    return [
        msgspec.structs.replace(
            sample,
            similarity=round(float(value), 4),
            copy_by_similarity=bool(value > threshold) if calibrated else None,
        )
        for sample, value in zip(samples, similar, strict=True)
    ]


def agreement(samples: Sequence[JudgedImage]) -> Agreement:
    """How many samples both rules, one alone, or neither call a copy."""
    pairs = [(s.copy, s.copy_by_similarity) for s in samples]
    return Agreement(
        both=pairs.count((True, True)),
        ratio_only=pairs.count((True, False)),
        similarity_only=pairs.count((False, True)),
        neither=pairs.count((False, False)),
    )


def _by_features(
    sets: ImageSets, cloud: Rows, features: str
) -> tuple[SimilarityRule, Flat, NDArray[np.int64]]:
    """The similarity rule in one space, each sample's similarity, and to which image."""
    similar, most_similar = similarities(cloud.samples, cloud.train)
    innocent, own = no_copies(sets, cloud.train, cloud.heldout)
    unseen = similarities(innocent, cloud.train, sets.groups, own)[0]
    enough = min(len(similar), len(unseen)) >= MIN_SAMPLES
    verdict = judge(similar, unseen, "similarity") if enough else None
    limit = verdict.threshold if verdict else similarity_threshold(unseen)
    rates = {name: getattr(verdict, name, None) for name in RATES}
    rule = SimilarityRule(features=features, threshold=limit, **rates)
    return rule, similar, most_similar


def _check_values(sets: ImageSets, features: str) -> None:
    """Raises InputError where a space has more numbers than should be held at once."""
    images = sum(map(len, (sets.samples, sets.train, sets.heldout)))
    values = images * find_space(features).dim_of(sets.train.shape)
    if values > MANY_VALUES:
        raise InputError(
            f"{images:,} images are {values:,} numbers in the features {features}; expected at "
            f"most {MANY_VALUES:,}. Take fewer or smaller images, or other features."
        )


def _null(sets: ImageSets, cloud: Rows) -> Null | None:
    """The disjoint-split null of similarity (`strangers`)."""
    if not (parted := strangers(sets)):
        return None
    taken, rest = parted
    keys = cloud.heldout[taken]
    samples, unseen = (similarities(some, keys)[0] for some in (cloud.samples, cloud.heldout[rest]))
    verdict = judge(samples, unseen, "similarity")
    return Null(n_train=len(taken), rate=verdict.rate, ci95=verdict.ci95)
