"""Verdicts on any images, whoever made them: copies by both rules, calibrated, with a null.

`ambient evaluate` samples a run and `ambient audit` reads files; both end here, so they agree to
the last digit on the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from ambient.copies.quality import quality, texture
from ambient.copies.records import (
    Agreement,
    Copies,
    JudgedImage,
    Null,
    Quality,
    Rule,
    SimilarityRule,
    Verdicts,
)
from ambient.copies.rules import (
    LEFT_OUT,
    MIN_SAMPLES,
    UNSEEN,
    Flat,
    Neighbors,
    Verdict,
    find_neighbors,
    judge,
    ratio_threshold,
    similarities,
    similarity_threshold,
)
from ambient.copies.sets import (
    Groups,
    Images,
    ImageSets,
    leaves_out,
    one_of_each,
    stand_ins,
    strangers,
    warnings,
)
from ambient.copies.spaces import find_space
from ambient.copies.stored import features_of
from ambient.files import InputError, Tell, silent
from ambient.images.neighbors import Table, nearest

# A score for each query against keys in groups; with `own`, its own group is left out.
Score = Callable[[Table, Table, Groups, Groups | None], NDArray[np.float32]]

AT_ONCE = 256  # pictures encoded between two words on how far it is
MANY_VALUES = 250_000_000  # of features at most: a gigabyte, and as much again while they are read


@dataclass(frozen=True)
class Rows:
    """One feature space: (n, d) of samples, training and held-out images, float32 or pixels."""

    samples: Table
    train: Table
    heldout: Table

    @classmethod
    def of(cls, sets: ImageSets, read: Callable[[Images], Table]) -> Rows:
        return cls(read(sets.samples), read(sets.train), read(sets.heldout))


def judge_images(
    sets: ImageSets,
    features: str | None = None,
    seed: int = 0,
    measure_quality: bool = True,
    tell: Tell = silent,
    others: Sequence[str] = (),
) -> Verdicts:
    """Who is a copy of a training image, by how much, and how far that verdict can be trusted.

    With fewer than 100 samples or images to calibrate on, the rates are None and a warning says
    why; every sample still has its distances.

    Args:
        sets: the images.
        features: a name in `ambient.copies.spaces.SPACES`, for the similarity rule and quality;
            without one only pixels are compared, which is much faster.
        seed: of what quality draws.
        measure_quality: where there are features and enough images, measure `quality` too.
        tell: hears how far the work is.
        others: more feature spaces to apply the similarity rule in; one that can't be loaded or
            is too large for the memory is left out, which a warning says.

    Raises:
        InputError: more features than should be held at once.
    """
    if features:
        _check_values(sets, features)
    pixels = Rows.of(sets, lambda images: rearrange(images, "n h w c -> n (h w c)"))
    samples, ratio, unseen = _by_pixels(sets, pixels, tell)
    notes = warnings(sets, len(unseen))
    similarity, distances, most_similar = None, None, None
    if features:
        cloud = _encoded(sets, features, tell)
        similarity, similar, most_similar = _by_features(sets, cloud, features)
        null = _null("similarity", _by_similarity, sets, cloud)
        similarity = msgspec.structs.replace(similarity, null=null)
        samples = _compared(samples, similar, similarity.threshold, calibrated=len(unseen) > 0)
        if measure_quality and min(len(sets.samples), len(sets.heldout)) >= MIN_SAMPLES:
            tell("measuring quality", 0, 1)
            distances = _quality(sets, cloud, features, seed)
            notes += _about_quality(distances, len(cloud.samples), cloud.samples.shape[1])
    further, left_out = _in_others(sets, others, tell)
    return Verdicts(
        copies=Copies(
            ratio=ratio,
            similarity=similarity,
            agreement=agreement(samples) if similarity and len(unseen) else None,
            others=further,
        ),
        quality=distances,
        calibrated_on=LEFT_OUT if leaves_out(sets) else UNSEEN if len(unseen) else None,
        warnings=(*notes, *left_out),
        heldout_ratios=tuple(round(float(r), 4) for r in unseen),
        samples=tuple(samples),
        most_similar=None if most_similar is None else tuple(most_similar.tolist()),
    )


def _by_pixels(sets: ImageSets, pixels: Rows, tell: Tell) -> tuple[list[JudgedImage], Rule, Flat]:
    """Every sample beside its neighbors, the rule of pixels, and d1/d2 of images to go by."""
    found = find_neighbors(
        pixels.samples,
        pixels.train,
        sets.groups,
        tell=lambda _, done, total: tell("comparing pixels", done, total),
    )
    unseen = _unseen_scores(_by_ratio(tell, "calibrating on pixels"), sets, pixels)
    verdict = _judged("ratio", found.ratio, unseen, sets)
    threshold = verdict.threshold if verdict else ratio_threshold(unseen)
    null = _null("ratio", _by_ratio(tell, "comparing with unseen images"), sets, pixels)
    rule = Rule(**_rates(verdict, threshold), null=null)
    return _records(found, threshold, _nearest_unseen(pixels, tell)), rule, unseen


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


def _quality(sets: ImageSets, cloud: Rows, features: str, seed: int) -> Quality:
    found = quality(cloud.samples, cloud.train, cloud.heldout, features, seed)
    found |= texture(sets.samples, sets.train, sets.heldout, seed)
    return msgspec.convert(found, Quality)


def agreement(samples: Sequence[JudgedImage]) -> Agreement:
    """How many samples both rules, one alone, or neither call a copy."""
    pairs = [(s.copy, s.copy_by_similarity) for s in samples]
    return Agreement(
        both=pairs.count((True, True)),
        ratio_only=pairs.count((True, False)),
        similarity_only=pairs.count((False, True)),
        neither=pairs.count((False, False)),
    )


def _encoded(sets: ImageSets, features: str, tell: Tell) -> Rows:
    """The sets in a feature space, a few pictures at a time."""
    total = sum(map(len, (sets.samples, sets.train, sets.heldout)))
    done = 0

    def read(images: Images) -> Flat:
        nonlocal done
        parts = [features_of(images[:0], features)]
        for start in range(0, len(images), AT_ONCE):
            parts.append(features_of(images[start : start + AT_ONCE], features))
            done += len(parts[-1])
            tell(f"comparing in {features}", done, total)
        return np.concatenate(parts)

    return Rows.of(sets, read)


def _by_ratio(tell: Tell, part: str) -> Score:
    """d1/d2 of each query, told as a part of the work."""

    def score(queries: Table, keys: Table, groups: Groups, own: Groups | None) -> Flat:
        def looked(_: str, done: int, total: int) -> None:
            tell(part, done, total)

        return find_neighbors(queries, keys, groups, own, looked).ratio

    return score


def _by_similarity(queries: Table, keys: Table, groups: Groups, own: Groups | None) -> Flat:
    return similarities(queries, keys, groups, own)[0]


def _by_features(
    sets: ImageSets, cloud: Rows, features: str
) -> tuple[SimilarityRule, Flat, NDArray[np.int64]]:
    """The similarity rule in one space, each sample's similarity, and to which image."""
    similar, most_similar = similarities(cloud.samples, cloud.train)
    unseen = _unseen_scores(_by_similarity, sets, cloud)
    verdict = _judged("similarity", similar, unseen, sets)
    limit = verdict.threshold if verdict else similarity_threshold(unseen)
    return SimilarityRule(features=features, **_rates(verdict, limit)), similar, most_similar


def _in_others(
    sets: ImageSets, others: Sequence[str], tell: Tell
) -> tuple[tuple[SimilarityRule, ...], list[str]]:
    """The similarity rule in more spaces, and a warning for each that was left out."""
    found, left_out = [], []
    for name in others:
        try:
            _check_values(sets, name)
            found.append(_by_features(sets, _encoded(sets, name, tell), name)[0])
        except InputError as e:
            left_out.append(f"the features {name} were left out: {e}")
    return tuple(found), left_out


def _check_values(sets: ImageSets, features: str) -> None:
    """Raises InputError where a space has more numbers than should be held at once."""
    images = sum(map(len, (sets.samples, sets.train, sets.heldout)))
    values = images * find_space(features).dim_of(sets.train.shape)
    if values > MANY_VALUES:
        raise InputError(
            f"{images:,} images are {values:,} numbers in the features {features}; expected at "
            f"most {MANY_VALUES:,}. Take fewer or smaller images, or other features."
        )


def _unseen_scores(score: Score, sets: ImageSets, rows: Rows) -> Flat:
    """Scores of images that are no copies: held-out ones, or each training image by the others."""
    if leaves_out(sets):
        some = stand_ins(sets.groups)
        return score(rows.train[some], rows.train, sets.groups, sets.groups[some])
    return score(rows.heldout[one_of_each(sets.heldout_groups)], rows.train, sets.groups, None)


def _judged(rule: str, samples: Flat, unseen: Flat, sets: ImageSets) -> Verdict | None:
    enough = min(len(samples), len(unseen)) >= MIN_SAMPLES
    return judge(samples, unseen, rule) if enough else None


def _rates(verdict: Verdict | None, threshold: float) -> dict[str, Any]:
    """The fields of a rule; rates are None where there is no verdict."""
    names = ("rate", "ci95", "heldout_rate", "heldout_ci95")
    return {"threshold": threshold, **{name: getattr(verdict, name, None) for name in names}}


def _null(rule: str, score: Score, sets: ImageSets, rows: Rows) -> Null | None:
    """The disjoint-split null: how many samples count as copies of images their model never saw?

    The false-alarm rate of *generated* images, where `heldout_rate` is that of real ones. None
    where too few images are left to calibrate on.
    """
    taken, rest = strangers(sets)
    keys, groups = rows.heldout[taken], sets.heldout_groups[taken]
    if min(len(rest), len(sets.samples)) < MIN_SAMPLES or len(np.unique(groups)) < 2:
        return None
    verdict = judge(
        score(rows.samples, keys, groups, None), score(rows.heldout[rest], keys, groups, None), rule
    )
    return Null(n_train=len(taken), rate=verdict.rate, ci95=verdict.ci95)


def _nearest_unseen(pixels: Rows, tell: Tell) -> list[tuple[int | None, float | None]]:
    """Position and distance of each sample's nearest held-out image; None if there is none."""
    total = len(pixels.samples)
    if not len(pixels.heldout):
        return [(None, None)] * total
    found: list[tuple[int | None, float | None]] = []
    for start in range(0, total, AT_ONCE):
        tell("looking for the nearest unseen images", start, total)
        distance, index = nearest(pixels.samples[start : start + AT_ONCE], pixels.heldout, k=1)
        pairs = zip(index[:, 0], distance[:, 0], strict=True)
        found += [(int(i), round(float(d), 4)) for i, d in pairs]
    return found


def _about_quality(distances: Quality, n_samples: int, dim: int) -> list[str]:
    if distances.frechet is not None:
        return []
    fewest = min(n_samples, distances.n_reference or 0)
    return [
        f"no Frechet distance: {fewest} images in a set are too few for {dim} features; more than "
        f"{dim} are needed in each."
    ]


def _records(
    found: Neighbors, threshold: float, unseen: Sequence[tuple[int | None, float | None]]
) -> list[JudgedImage]:
    ratio = found.ratio
    return [
        JudgedImage(
            nearest=int(found.nearest[i]),
            second=int(found.second[i]),
            d1=round(float(found.d1[i]), 4),
            d2=round(float(found.d2[i]), 4),
            ratio=round(float(ratio[i]), 4),
            copy=bool(ratio[i] < threshold),
            nearest_heldout=position,
            d_heldout=distance,
        )
        for i, (position, distance) in enumerate(unseen)
    ]
