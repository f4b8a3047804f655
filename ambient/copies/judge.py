"""Verdicts on any images, whoever made them: copies by both rules, calibrated, with a null.

`ambient evaluate` samples a run and `ambient audit` reads files; both end here, so they agree to
the last digit on the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from ambient.copies.quality import quality, texture
from ambient.copies.rules import (
    FALSE_ALARMS,
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
from ambient.copies.spaces import find_space
from ambient.copies.stored import features_of
from ambient.errors import InputError
from ambient.images.neighbors import Table, nearest

Images = NDArray[np.uint8]
Groups = NDArray[np.int64]
# A score for each query against keys in groups; with `own`, its own group is left out.
Score = Callable[[Table, Table, Groups, Groups | None], NDArray[np.float32]]
# Told what is done, how much of it, of how much; may raise to end the work.
Told = Callable[[str, int, int], None]

AT_ONCE = 256  # pictures encoded between two words on how far it is
MANY_VALUES = 250_000_000  # of features at most: a gigabyte, and as much again while they are read
STAND_INS = 2000  # so many training images at most stand in for held-out ones: each searches all


@dataclass(frozen=True)
class ImageSets:
    """What a verdict compares.

    Attributes:
        samples, train, heldout: uint8 (n, h, w, c), one shape. With fewer than 100 different
            held-out images the training images, each judged against the others, take their place.
        groups, heldout_groups: int64 (n,), twin groups (`twin_groups`); rules are
            calibrated on one image of each.

    Raises:
        InputError: images of different sizes or channels.
    """

    samples: Images
    train: Images
    heldout: Images
    groups: Groups
    heldout_groups: Groups

    def __post_init__(self) -> None:
        for name, images in (("samples", self.samples), ("held-out images", self.heldout)):
            if images.shape[1:] != self.train.shape[1:]:
                raise InputError(
                    f"{name} are {_size(images)} and the training images {_size(self.train)}; "
                    "they must have the same size and channels."
                )


@dataclass(frozen=True)
class Rows:
    """One feature space: (n, d) of samples, training and held-out images, float32 or pixels."""

    samples: Table
    train: Table
    heldout: Table

    @classmethod
    def of(cls, sets: ImageSets, read: Callable[[Images], Table]) -> Rows:
        return cls(read(sets.samples), read(sets.train), read(sets.heldout))


def silent(part: str, done: int, total: int) -> None:
    """Nobody asks how far the work is."""


def judge_images(
    sets: ImageSets,
    features: str | None = None,
    seed: int = 0,
    measure_quality: bool = True,
    told: Told = silent,
    others: Sequence[str] = (),
) -> dict[str, Any]:
    """Who is a copy of a training image, by how much, and how far that verdict can be trusted.

    Args:
        sets: the images.
        features: a name in `ambient.copies.spaces.SPACES`, for the similarity rule and quality;
            without one only pixels are compared, which is much faster.
        seed: of what quality draws.
        measure_quality: where there are features and enough images, `quality` is measured.
        told: hears how far the work is.
        others: more feature spaces to apply the similarity rule in; one that can't be loaded or
            is too large for the memory is left out, which a warning says.

    Raises:
        InputError: more features than should be held at once.

    Returns:
        `copies`, `quality`, `calibrated_on`, `warnings`, `heldout_ratios` and `samples` of a
        report (docs/reports.md), and `most_similar`: the training image nearest to each sample in
        features, None without. With fewer than 100 samples or images to calibrate on the rates are
        None and a warning says why; every sample still has its distances.
    """
    if features:
        _check_values(sets, features)
    pixels = Rows.of(sets, lambda images: rearrange(images, "n h w c -> n (h w c)"))
    found = find_neighbors(
        pixels.samples,
        pixels.train,
        sets.groups,
        tell=lambda _, done, total: told("comparing pixels", done, total),
    )
    unseen = _unseen_scores(_by_ratio(told, "calibrating on pixels"), sets, pixels)
    by_ratio = _judged("ratio", found.ratio, unseen, sets)
    threshold = by_ratio.threshold if by_ratio else ratio_threshold(unseen)
    copies: dict[str, Any] = {
        "ratio": {
            **_rates(by_ratio, threshold),
            "null": _null("ratio", _by_ratio(told, "comparing with unseen images"), sets, pixels),
        },
        "similarity": None,
    }
    records = _records(found, found.ratio < threshold, _nearest_unseen(pixels, told))
    warnings = _warnings(sets, len(unseen))
    distances, most_similar = None, None
    if features:
        cloud = _encoded(sets, features, told)
        copies["similarity"], similar, most_similar = _by_features(sets, cloud, features)
        copies["similarity"]["null"] = _null("similarity", _by_similarity, sets, cloud)
        limit = copies["similarity"]["threshold"]
        for record, value in zip(records, similar, strict=True):
            record["similarity"] = round(float(value), 4)
            record["copy_by_similarity"] = bool(value > limit) if len(unseen) else None
        copies["agreement"] = agreement(records) if len(unseen) else None
        if measure_quality and min(len(sets.samples), len(sets.heldout)) >= MIN_SAMPLES:
            told("measuring quality", 0, 1)
            distances = quality(cloud.samples, cloud.train, cloud.heldout, features, seed)
            distances |= texture(sets.samples, sets.train, sets.heldout, seed)
            warnings += _about_quality(distances, len(cloud.samples), cloud.samples.shape[1])
    if others:
        copies["others"], left_out = _in_others(sets, others, told)
        warnings += left_out
    return {
        "copies": copies,
        "quality": distances,
        "calibrated_on": LEFT_OUT if _leave_out(sets) else UNSEEN if len(unseen) else None,
        "warnings": warnings,
        "heldout_ratios": [round(float(r), 4) for r in unseen],
        "samples": records,
        "most_similar": None if most_similar is None else most_similar.tolist(),
    }


def agreement(records: list[dict[str, Any]]) -> dict[str, int]:
    """How many samples both rules, one alone, or neither call a copy."""
    pairs = [(r["copy"], r["copy_by_similarity"]) for r in records]
    names = ("both", "ratio_only", "similarity_only", "neither")
    kinds = ((True, True), (True, False), (False, True), (False, False))
    return {name: pairs.count(kind) for name, kind in zip(names, kinds, strict=True)}


def _encoded(sets: ImageSets, features: str, told: Told) -> Rows:
    """The sets in a feature space, a few pictures at a time."""
    total = sum(map(len, (sets.samples, sets.train, sets.heldout)))
    done = 0

    def read(images: Images) -> Flat:
        nonlocal done
        parts = [features_of(images[:0], features)]
        for start in range(0, len(images), AT_ONCE):
            parts.append(features_of(images[start : start + AT_ONCE], features))
            done += len(parts[-1])
            told(f"comparing in {features}", done, total)
        return np.concatenate(parts)

    return Rows.of(sets, read)


def _by_ratio(told: Told, part: str) -> Score:
    """d1/d2 of each query, told as a part of the work."""

    def score(queries: Table, keys: Table, groups: Groups, own: Groups | None) -> Flat:
        def tell(_: str, done: int, total: int) -> None:
            told(part, done, total)

        return find_neighbors(queries, keys, groups, own, tell).ratio

    return score


def _by_similarity(queries: Table, keys: Table, groups: Groups, own: Groups | None) -> Flat:
    return similarities(queries, keys, groups, own)[0]


def one_of_each(groups: Groups) -> NDArray[np.int64]:
    """Position of the first image of each twin group: twins alarm together, so count them once."""
    return np.sort(np.unique(groups, return_index=True)[1])


def _by_features(
    sets: ImageSets, cloud: Rows, features: str
) -> tuple[dict[str, Any], Flat, NDArray[np.int64]]:
    """The similarity rule in one space: its rates, each sample's similarity, and to which image."""
    similar, most_similar = similarities(cloud.samples, cloud.train)
    unseen = _unseen_scores(_by_similarity, sets, cloud)
    verdict = _judged("similarity", similar, unseen, sets)
    limit = verdict.threshold if verdict else similarity_threshold(unseen)
    return {"features": features, **_rates(verdict, limit)}, similar, most_similar


def _in_others(
    sets: ImageSets, others: Sequence[str], told: Told
) -> tuple[list[dict[str, Any]], list[str]]:
    """The similarity rule in more spaces, and a warning for each that was left out."""
    found, left_out = [], []
    for name in others:
        try:
            _check_values(sets, name)
            found.append(_by_features(sets, _encoded(sets, name, told), name)[0])
        except InputError as e:
            left_out.append(f"the features {name} were left out: {e}")
    return found, left_out


def _check_values(sets: ImageSets, features: str) -> None:
    """Raises InputError where a space has more numbers than should be held at once."""
    images = sum(map(len, (sets.samples, sets.train, sets.heldout)))
    values = images * find_space(features).dim_of(sets.train.shape)
    if values > MANY_VALUES:
        raise InputError(
            f"{images:,} images are {values:,} numbers in the features {features}; expected at "
            f"most {MANY_VALUES:,}. Take fewer or smaller images, or other features."
        )


def _leave_out(sets: ImageSets) -> bool:
    """Whether training images stand in for held-out ones, of which there are too few."""
    unseen, known = (len(one_of_each(g)) for g in (sets.heldout_groups, sets.groups))
    return unseen < MIN_SAMPLES <= known


def _stand_ins(groups: Groups) -> NDArray[np.int64]:
    """Which training images stand in for held-out ones."""
    each = one_of_each(groups)
    if len(each) <= STAND_INS:
        return each
    return np.sort(np.random.default_rng(0x57A7).choice(each, STAND_INS, replace=False))


def _unseen_scores(score: Score, sets: ImageSets, rows: Rows) -> Flat:
    """Scores of images that are no copies: held-out ones, or each training image by the others."""
    if _leave_out(sets):
        some = _stand_ins(sets.groups)
        return score(rows.train[some], rows.train, sets.groups, sets.groups[some])
    return score(rows.heldout[one_of_each(sets.heldout_groups)], rows.train, sets.groups, None)


def _judged(rule: str, samples: Flat, unseen: Flat, sets: ImageSets) -> Verdict | None:
    enough = min(len(samples), len(unseen)) >= MIN_SAMPLES
    return judge(samples, unseen, rule) if enough else None


def _rates(verdict: Verdict | None, threshold: float) -> dict[str, Any]:
    if verdict is None:
        nothing = dict.fromkeys(("rate", "ci95", "heldout_rate", "heldout_ci95"))
        return {"threshold": threshold, **nothing}
    return {
        "threshold": verdict.threshold,
        "rate": verdict.rate,
        "ci95": list(verdict.ci95),
        "heldout_rate": verdict.heldout_rate,
        "heldout_ci95": list(verdict.heldout_ci95),
    }


def strangers(sets: ImageSets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Held-out positions that play a training set no model saw, and the rest to calibrate on.

    As many as there are training images, or half of the held-out ones where those are fewer; no
    twin of one is among the rest, nor of another there.
    """
    order = np.random.default_rng(0x57A6).permutation(len(sets.heldout))
    first = order[: min(len(sets.train), len(order) // 2)]
    rest = one_of_each(sets.heldout_groups)
    apart = ~np.isin(sets.heldout_groups[rest], sets.heldout_groups[first])
    return np.sort(first), rest[apart]


def _null(rule: str, score: Score, sets: ImageSets, rows: Rows) -> dict[str, Any] | None:
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
    return {"n_train": len(taken), "rate": verdict.rate, "ci95": list(verdict.ci95)}


def _nearest_unseen(pixels: Rows, told: Told) -> list[tuple[int | None, float | None]]:
    """Position and distance of each sample's nearest held-out image; None if there is none."""
    total = len(pixels.samples)
    if not len(pixels.heldout):
        return [(None, None)] * total
    found: list[tuple[int | None, float | None]] = []
    for start in range(0, total, AT_ONCE):
        told("looking for the nearest unseen images", start, total)
        distance, index = nearest(pixels.samples[start : start + AT_ONCE], pixels.heldout, k=1)
        pairs = zip(index[:, 0], distance[:, 0], strict=True)
        found += [(int(i), round(float(d), 4)) for i, d in pairs]
    return found


def _size(images: Images) -> str:
    return "x".join(map(str, images.shape[1:]))


def _warnings(sets: ImageSets, n_unseen: int) -> list[str]:
    warnings = []
    n_samples, n_heldout = len(sets.samples), len(one_of_each(sets.heldout_groups))
    different = "different " if n_heldout < len(sets.heldout) else ""
    unseen = f"{n_heldout or 'no'} {different}held-out image{'s' * (n_heldout != 1)}"
    if n_samples < MIN_SAMPLES:
        few = "1 sample is" if n_samples == 1 else f"{n_samples} samples are"
        warnings.append(f"{few} too few for a rate; take at least {MIN_SAMPLES}.")
    if _leave_out(sets):
        less = f"{unseen} {'is' if n_heldout == 1 else 'are'} too few"
        less = less if n_heldout else f"there are {unseen}"
        warnings.append(
            f"{less}: the rules are calibrated on training images, each judged against the "
            "others, and quality is not measured. If new images resemble them more than they do "
            f"each other, a rule calls too many copies; hold out {MIN_SAMPLES} to be sure."
        )
    elif n_unseen < MIN_SAMPLES:
        known = len(one_of_each(sets.groups))
        warnings.append(
            f"{unseen} and {known:,} different training images are too few to calibrate a rule; at "
            f"least {MIN_SAMPLES} of either are needed."
        )
    if n_unseen >= MIN_SAMPLES and n_unseen // 2 + 1 < 1 / FALSE_ALARMS:
        warnings.append(
            f"the rule is calibrated on {n_unseen // 2} images, so it cannot promise fewer than "
            f"{100 / (n_unseen // 2 + 1):.1f} % false alarms."
        )
    return warnings


def _about_quality(distances: dict[str, Any], n_samples: int, dim: int) -> list[str]:
    if distances["frechet"] is not None:
        return []
    fewest = min(n_samples, distances["n_reference"])
    return [
        f"no Frechet distance: {fewest} images in a set are too few for {dim} features; more than "
        f"{dim} are needed in each."
    ]


def _records(
    found: Neighbors,
    copies: NDArray[np.bool_],
    unseen: list[tuple[int | None, float | None]],
) -> list[dict[str, Any]]:
    return [
        {
            "nearest": int(found.nearest[i]),
            "second": int(found.second[i]),
            "d1": round(float(found.d1[i]), 4),
            "d2": round(float(found.d2[i]), 4),
            "ratio": round(float(found.ratio[i]), 4),
            "similarity": None,
            "copy": bool(copies[i]),
            "copy_by_similarity": None,
            "nearest_heldout": unseen[i][0],
            "d_heldout": unseen[i][1],
        }
        for i in range(len(copies))
    ]
