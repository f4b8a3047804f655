"""Verdicts: which samples are copies of training images, by a rule calibrated on unseen images.

A rule is a score and a threshold. The threshold comes from one half of the held-out images; the
other half, never used for it, says how often the rule cries wolf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ambient.copies.aligned import Neighbors, find_neighbors
from ambient.copies.intervals import clopper_pearson
from ambient.files import InputError
from ambient.images.arrays import Given, as_images
from ambient.images.twins import twin_groups

STRICT = 1 / 3  # plain d1/d2 below this is the field's usual rule (Yoon et al. 2023)
CAP = 0.6  # no ratio above this makes a copy, whatever unseen pictures allow
ORDERS = ("worst", "median", "random")
FALSE_ALARMS = 0.01  # the share of unseen images a rule may call copies
RESEMBLING = 0.05  # the same of what resembles a training image
OPERATING = (0.001, 0.005, FALSE_ALARMS, 0.02, RESEMBLING)
UNLIKE = "resembling"  # what a copy is to an original that no simple change explains
MIN_SAMPLES = 20  # fewer samples or held-out images carry no verdict
UNSEEN = "held-out images"  # which a rule is calibrated on
RATES = ("rate", "ci95", "heldout_rate", "heldout_ci95")  # what a verdict and a rule say alike
LEFT_OUT = "training images, each judged against the others"  # where too few of those are given

Flat = NDArray[np.float32]
Scores = NDArray[np.floating]


@dataclass(frozen=True)
class Verdict:
    """One rule applied to samples and to held-out images it was not calibrated on.

    Attributes:
        threshold: a sample is a copy beyond it (below for ratios, above for similarities).
        copies: bool (n_samples,).
        rate, ci95: copied share and its Clopper-Pearson interval.
        heldout_rate, heldout_ci95: the same of the reporting half of held-out images.
    """

    threshold: float
    copies: NDArray[np.bool_]
    rate: float
    ci95: tuple[float, float]
    heldout_rate: float
    heldout_ci95: tuple[float, float]


def choose(
    scores: Sequence[float] | Flat, order: str, count: int, seed: int | Sequence[int]
) -> list[int]:
    """Positions of those nearest to being copies, of those around the median, or of random ones.

    Args:
        scores: the smaller, the more of a copy.
        order: one of `ORDERS`.
        count: how many; fewer where there are fewer.
        seed: of random ones.
    """
    ranked = np.argsort(np.asarray(scores), kind="stable")
    count = min(count, len(ranked))
    if order == "worst":
        return [int(i) for i in ranked[:count]]
    if order == "median":
        start = max(0, len(ranked) // 2 - count // 2)
        return [int(i) for i in ranked[start : start + count]]
    drawn = np.random.default_rng(seed).choice(len(ranked), count, replace=False)
    return sorted(int(i) for i in drawn)


def halves(n: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Held-out positions to calibrate on, and to report on: disjoint random halves."""
    order = np.random.default_rng([seed, 0xCA11]).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def ratio_threshold(calibration: NDArray[np.float32], false_alarms: float = FALSE_ALARMS) -> float:
    """The largest aligned ratio that at most this share of unseen images fall below.

    With m images it is the floor(false_alarms (m + 1))-th smallest ratio: a new image of the same
    kind falls below it with that probability at most. Of fewer than 1 / false_alarms - 1 images it
    is the smallest, with a probability of 1 / (m + 1) (`promised`). Without any it is 1/3. What is
    to be called a copy has no ratio above `CAP`.
    """
    if not len(calibration):
        return STRICT
    allowed = int(false_alarms * (len(calibration) + 1)) - 1
    limit = float(np.sort(calibration)[max(allowed, 0)])
    return min(CAP, limit) if false_alarms <= FALSE_ALARMS else limit


def similarity_threshold(calibration: NDArray[np.float32]) -> float:
    """The similarity that at most 1 % of calibration images exceed; 1 without any to go by."""
    if not len(calibration):
        return 1.0
    allowed = int(FALSE_ALARMS * (len(calibration) + 1)) - 1
    return float(np.sort(calibration)[::-1][max(allowed, 0)])


def promised(n_unseen: int, false_alarms: float = FALSE_ALARMS) -> float:
    """The share of false alarms that calibration on one half of so many images can promise."""
    return max(false_alarms, 1 / (n_unseen // 2 + 1))


def judge(
    samples: NDArray[np.float32],
    heldout: NDArray[np.float32],
    rule: str,
    seed: int = 0,
) -> Verdict:
    """Calibrate a rule on one half of the held-out scores, apply it to samples and the other half.

    Args:
        samples: a score a sample.
        heldout: a score a held-out image, against the same training set.
        rule: `ratio` (small is a copy) or `similarity` (large is a copy).
        seed: of the random halves.

    Raises:
        InputError: fewer than 20 samples or held-out images: nothing can be concluded.
    """
    for name, scores in (("samples", samples), ("held-out images", heldout)):
        if len(scores) < MIN_SAMPLES:
            raise InputError(
                f"{len(scores)} {name}; at least {MIN_SAMPLES} are needed for a verdict."
            )
    calibration, _ = halves(len(heldout), seed)
    limit = ratio_threshold if rule == "ratio" else similarity_threshold
    return verdict_at(rule, limit(heldout[calibration]), samples, heldout, seed)


def are_copies(rule: str, scores: Scores, threshold: float) -> NDArray[np.bool_]:
    """Which scores make a copy: ratios below the threshold, similarities above it."""
    return scores < threshold if rule == "ratio" else scores > threshold


def verdict_at(
    rule: str, threshold: float, samples: Scores, heldout: Scores, seed: int = 0
) -> Verdict:
    """A rule at any threshold; false alarms are those of the half that `judge` reports on.

    Args:
        samples: at least one score. heldout: the scores that `judge` was given.
    """
    copies = are_copies(rule, samples, threshold)
    alarms = are_copies(rule, heldout[halves(len(heldout), seed)[1]], threshold)
    return Verdict(
        threshold=threshold,
        copies=copies,
        rate=float(copies.mean()),
        ci95=clopper_pearson(int(copies.sum()), len(copies)),
        heldout_rate=float(alarms.sum() / max(len(alarms), 1)),
        heldout_ci95=clopper_pearson(int(alarms.sum()), len(alarms)),
    )


def find_copies(
    samples: Given,
    train: Given,
    heldout: Given | None = None,
    groups: ArrayLike | None = None,
) -> tuple[Verdict, Neighbors]:
    """The aligned verdict on any images: who is a copy of a training image, and of which one.

    Args:
        samples, train, heldout: images of one shape, each in any form of `as_images`. Without
            held-out ones the rule is calibrated on training images, each against the others.
        groups: twin groups of the training images; default: near-duplicates (`twin_groups`).

    Returns:
        The verdict by the aligned ratio, and each sample's neighbors.

    Raises:
        InputError: images that `as_images` refuses, of different shapes, or too few.

    Example:
        >>> verdict, neighbors = find_copies(samples, train, heldout)
        >>> verdict.rate, verdict.ci95, verdict.heldout_rate
    """
    made, known = as_images(samples, "samples"), as_images(train, "train")
    unseen = known if heldout is None else as_images(heldout, "heldout")
    for name, images in (("samples", made), ("heldout", unseen)):
        if images.shape[1:] != known.shape[1:]:
            raise InputError(
                f"{name} are {images.shape[1:]} and train {known.shape[1:]} (height, width, "
                "channels); give all in one form."
            )
    twins = twin_groups(known) if groups is None else np.asarray(groups)
    if twins.shape != (len(known),) or twins.dtype.kind not in "iu":
        raise InputError(
            f"groups are {twins.dtype.name} {twins.shape}; expected one whole number for each of "
            f"{len(known)} training images."
        )
    found = find_neighbors(made, known, twins).aligned
    null = find_neighbors(unseen, known, twins, own=twins if heldout is None else None).aligned
    return judge(found.ratio, null.ratio, "ratio"), found
