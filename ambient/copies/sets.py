"""The images that a verdict compares, which of them calibrate a rule, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ambient.copies.rules import FALSE_ALARMS, MIN_SAMPLES, promised
from ambient.files import InputError
from ambient.images.corpus import Corpus, Split

Images = NDArray[np.uint8]
Groups = NDArray[np.int64]
Rows = TypeVar("Rows", bound=NDArray[np.generic])

MIN_HELDOUT = 100  # fewer unseen images calibrate worse than as many training images and more
IN_FEATURES = 6000  # training images at most, and held-out ones, whose features are computed
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


def sets_of(corpus: Corpus, split: Split, samples: Images) -> ImageSets:
    """Samples beside the training and held-out images of a split."""
    return ImageSets(
        samples,
        corpus.images[split.train],
        corpus.images[split.heldout],
        corpus.groups[split.train],
        corpus.groups[split.heldout],
    )


def one_of_each(groups: Groups) -> NDArray[np.int64]:
    """Position of the first image of each twin group: twins alarm together, so count them once."""
    return np.sort(np.unique(groups, return_index=True)[1])


def leaves_out(sets: ImageSets) -> bool:
    """Whether training images stand in for held-out ones, of which there are too few."""
    unseen, known = (len(one_of_each(g)) for g in (sets.heldout_groups, sets.groups))
    return unseen < min(MIN_HELDOUT, known) and known >= MIN_SAMPLES


def stand_ins(groups: Groups) -> NDArray[np.int64]:
    """Which training images stand in for held-out ones."""
    return drawn(one_of_each(groups), STAND_INS)


def drawn(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the positions, the same ones every time."""
    if len(positions) <= most:
        return positions
    return np.sort(np.random.default_rng(0x57A7).choice(positions, most, replace=False))


def in_part(sets: ImageSets) -> tuple[ImageSets, NDArray[np.int64]]:
    """The sets with some of their training and held-out images, and which training images."""
    known, held = (
        drawn(np.arange(len(images)), IN_FEATURES) for images in (sets.train, sets.heldout)
    )
    if len(known) == len(sets.train) and len(held) == len(sets.heldout):
        return sets, known
    part = ImageSets(
        sets.samples,
        sets.train[known],
        sets.heldout[held],
        sets.groups[known],
        sets.heldout_groups[held],
    )
    return part, known


def no_copies(sets: ImageSets, train: Rows, heldout: Rows) -> tuple[Rows, Groups | None]:
    """What is no copy, one of each twin group: held-out images; or training images, with the
    groups that they must not see.

    Args:
        train, heldout: (n, ...), the images of the sets, or their features.
    """
    if not leaves_out(sets):
        unseen: Any = heldout[one_of_each(sets.heldout_groups)]
        return unseen, None
    some = stand_ins(sets.groups)
    known: Any = train[some]
    return known, sets.groups[some]


def strangers(sets: ImageSets) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Held-out positions that play a training set no model saw, and the rest to calibrate on.

    They give the disjoint-split null: how many samples count as copies of images their model never
    saw? That is the false-alarm rate of *generated* images, where `heldout_rate` is that of real
    ones. As many as there are training images, or half of the held-out ones where those are fewer;
    no twin of one is among the rest, nor of another there.

    Returns:
        None where too few images are left to calibrate on, or too few samples.
    """
    order = np.random.default_rng(0x57A6).permutation(len(sets.heldout))
    first = order[: min(len(sets.train), len(order) // 2)]
    rest = one_of_each(sets.heldout_groups)
    rest = rest[~np.isin(sets.heldout_groups[rest], sets.heldout_groups[first])]
    different = len(np.unique(sets.heldout_groups[first]))
    if min(len(rest), len(sets.samples)) < MIN_SAMPLES or different < 2:
        return None
    return np.sort(first), rest


def _size(images: Images) -> str:
    return "x".join(map(str, images.shape[1:]))


def warnings(sets: ImageSets, n_unseen: int) -> list[str]:
    """Why there is no rate, or how far it can be trusted, by the sizes of the sets."""
    found: list[str] = []
    n_samples, n_heldout = len(sets.samples), len(one_of_each(sets.heldout_groups))
    different = "different " if n_heldout < len(sets.heldout) else ""
    unseen = f"{n_heldout or 'no'} {different}held-out image{'s' * (n_heldout != 1)}"
    if n_samples < MIN_SAMPLES:
        few = "1 sample is" if n_samples == 1 else f"{n_samples} samples are"
        found.append(f"{few} too few for a rate; take at least {MIN_SAMPLES}.")
    if leaves_out(sets):
        less = f"{unseen} {'is' if n_heldout == 1 else 'are'} too few"
        less = less if n_heldout else f"there are {unseen}"
        found.append(
            f"{less}: the rules are calibrated on training images, each judged against the "
            "others, and quality is not measured. If new images resemble them more than they do "
            f"each other, a rule calls too many copies; hold out {MIN_HELDOUT} to be sure."
        )
    elif n_unseen < MIN_SAMPLES:
        known = len(one_of_each(sets.groups))
        found.append(
            f"{unseen} and {known:,} different training images are too few to calibrate a rule; at "
            f"least {MIN_SAMPLES} of either are needed."
        )
    if n_unseen >= MIN_SAMPLES and promised(n_unseen) > FALSE_ALARMS:
        found.append(
            f"the rule is calibrated on {n_unseen // 2} images, so it cannot promise fewer than "
            f"{100 * promised(n_unseen):.1f} % false alarms."
        )
    return found
