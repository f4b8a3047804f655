"""Which images an audit names, and what it would name among images that are no copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ambient.copies.aligned import find_neighbors
from ambient.copies.guises import Orbit
from ambient.copies.likeness import flat, is_exact, likenesses
from ambient.copies.pixels import effort
from ambient.copies.records import Verdicts
from ambient.copies.rules import UNLIKE, UNSEEN
from ambient.copies.sets import Images, no_copies, one_of_each, stand_ins
from ambient.files import Tell
from ambient.images.changes import CHANGES, changed
from ambient.images.twins import twin_radius
from ambient.reports.answer import beyond
from ambient.reports.records import COMMON, NOTHING, Recall, Tally
from ambient.reports.sets import Sets

PLANTED = 40  # copies of each kind
FEWEST = 3  # images, for a nearest and a second nearest of each

Words = list[str | None]  # what an image is, None where it is not named


@dataclass(frozen=True)
class Look:
    """A second look at images and the training images nearest to them.

    An image is named where the ratio of distances calls it a copy, or where it is, by pixels, that
    training image changed in a way that is known.

    Attributes:
        chained: the training images are one chain of near-duplicates, so that the ratio means
            nothing: only equal images are named.
    """

    sets: Sets
    judged: Verdicts
    orbit: Orbit
    chained: bool

    @cached_property
    def radius(self) -> float:
        return twin_radius(self.sets.known.images)

    @property
    def effort(self) -> int:
        return effort(self.sets.images)

    def generated(self) -> Words:
        """What each generated image is; what real images repeat as often is `COMMON`."""
        nearest = [s.nearest for s in self.judged.samples]
        called = [s.copy for s in self.judged.samples]
        words = self._words(self.sets.made.images, nearest, called)
        common = self.sets.common
        if common is None or self.chained:
            return words
        showing = {i for i, word in enumerate(words) if word and common[nearest[i]]}
        if beyond(len(showing), len(words), *self.sets.expected):
            return words
        return [COMMON if i in showing else word for i, word in enumerate(words)]

    def unseen(self) -> Tally:
        """What is named among the images that calibrate the rule."""
        if self.chained or self.judged.calibrated_on is None:
            return NOTHING
        images = self.sets.images
        pictures, _ = no_copies(images, images.train, images.heldout)
        called = np.array(self.judged.heldout_ratios) < self.judged.copies.ratio.threshold
        return count(self._words(pictures, self.judged.heldout_nearest, called.tolist()))

    def by_nature(self, words: Words) -> Tally:
        """What real images are of others: how often nature alone makes what would be named.

        Held-out images, with those that were left out as twins of training images; training
        images, each among the others, its twins too; and where none are held out, also those of
        the generated images that no word explains, each among themselves. What repeats often
        (`Sets.common`) counts here no more than among generated images.
        """
        known, common, unseen = self.sets.known.images, self.sets.common, self.unseen()
        rare = np.ones(len(known), bool) if common is None else ~common
        found = self._of_one_another(known, rare)
        if self.judged.calibrated_on == UNSEEN:
            counts = np.array([unseen.of, unseen.explained, unseen.exact]) + self.sets.single
        else:
            left = np.array([word in (None, UNLIKE) for word in words], bool)
            counts = self._of_one_another(self.sets.made.images[left], np.ones(left.sum(), bool))
        of, explained, exact = (found + counts).tolist()
        return Tally(of=of, named=explained, explained=explained, exact=exact)

    def _of_one_another(self, images: Images, rare: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Of how many images how many are a rare one of the others, changed in a way that is known,
        and how many are one that is merely mirrored or turned."""
        if len(images) < FEWEST:
            return np.zeros(3, np.int64)
        each = np.arange(len(images))
        some = stand_ins(each)
        nearest = find_neighbors(
            images[some], images, each, self.orbit, some, beside=self.effort
        ).aligned.nearest
        said = likenesses(images[some], images, nearest.tolist(), self.radius)
        shown = [word for word, one in zip(said, rare[nearest], strict=True) if one]
        explained = sum(word != UNLIKE for word in shown)
        turned = sum(word.startswith("identical,") for word in shown)
        return np.array([len(some), explained, turned])

    def recall(self, seed: int, tell: Tell) -> tuple[Recall, ...]:
        """What is named of copies of training images, changed in each of `CHANGES`."""
        train, groups = self.sets.known.images, self.sets.known.groups
        rng = np.random.default_rng([seed, 0x91A7])
        each = one_of_each(groups)
        each = each[~flat(train[each])]
        if not len(each):
            return ()
        some = train[rng.choice(each, min(PLANTED, len(each)), replace=False)]
        names = [name for name in CHANGES if train.shape[3] == 3 or name != "recolored"]
        planted = np.concatenate([changed(some, name, rng) for name in names])
        tell("looking for planted copies", 0, 1)
        found = find_neighbors(planted, train, groups, self.orbit, beside=self.effort).aligned
        called = found.ratio < self.judged.copies.ratio.threshold
        words = self._words(planted, found.nearest.tolist(), called.tolist())
        hits = np.reshape([word is not None for word in words], (len(names), len(some)))
        return tuple(
            Recall(change=name, planted=len(some), found=int(row.sum()))
            for name, row in zip(names, hits, strict=True)
        )

    def _words(self, images: Images, nearest: Sequence[int], called: Sequence[bool]) -> Words:
        said = likenesses(images, self.sets.known.images, nearest, self.radius)
        if self.chained:
            return [word if is_exact(word) else None for word in said]
        pairs = zip(said, called, strict=True)
        return [None if word == UNLIKE and not call else word for word, call in pairs]


def count(words: Words) -> Tally:
    """How many images are named, and how surely."""
    named = [word for word in words if word not in (None, COMMON)]
    return Tally(
        of=len(words),
        named=len(named),
        explained=sum(word != UNLIKE for word in named),
        exact=sum(map(is_exact, named)),
    )
