"""How long until copying starts on so few images: laws fitted to what was trained before.

Every stored run of the standard arm whose stages were judged tells how many images the network had
seen, repeats counted, when a tenth of its samples were copies by the strict rule, d1/d2 < 1/3 of
plain pixels: the sweeps among them were judged by no other. Against the number of training
images that is close to a power law, here one for each kind of pictures, by least squares in
logarithms over the means of runs that share kind and number: such runs are no independent evidence
of a slope. A law is used between the smallest and the largest number it was fitted to, and nowhere
else. For other pictures the interval spans all kinds; how often it held the runs of a kind that was
left out is counted and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from ambient.config import MAX_BATCH
from ambient.files import ASSETS, InputError, Record, read_record
from ambient.images.read import plain

ONSET = 0.1  # copying has begun when this share of the samples are copies
STORED = ASSETS / "results" / "onset.json"  # made by `python -m scripts.measure onset`
MOST_IMAGES = 10**9  # that a law is asked about


def usual_n_train(distinct: int) -> int:
    """How many of the distinct images to train on: three of four, the others stay unseen."""
    return max(2, round(0.75 * distinct))


def seen_at_onset(path: Iterable[tuple[int, float]], batch: int) -> float | None:
    """Images seen when a tenth of the samples are copies, on a straight line between two stages.

    Args:
        path: (step, copied share) of the judged stages of a run, in the order of training.
        batch: images a step.

    Returns:
        None where copying never began, or had begun at the first stage already.
    """
    before: tuple[int, float] | None = None
    for step, share in path:
        if share >= ONSET:
            if before is None:
                return None
            part = (ONSET - before[1]) / (share - before[1])
            return batch * (before[0] + part * (step - before[0]))
        before = (step, share)
    return None


class UntriedError(InputError):
    """No law was fitted to so many training images."""


class Onset(Record, frozen=True):
    """When a tenth of the samples are expected to be copies, for the standard arm.

    Attributes:
        step, low, high: the mean of the kinds whose runs had such a number of training images, and
            the 95 % prediction interval of a single run, from the lowest of these kinds to the
            highest.
        corpora: these kinds.
        runs: how many runs the laws are fitted to.
        held, asked: of the runs for which a number came out with their kind left out, how many lay
            in its interval.
    """

    n_train: int
    batch: int
    step: int
    low: int
    high: int
    corpora: tuple[str, ...]
    runs: int
    held: int
    asked: int

    def in_words(self) -> str:
        """The advice, with what it rests on."""
        kinds = " and ".join(self.corpora)
        return (
            f"With {self.n_train:,} images and {self.batch} a step, ordinary training on {kinds} "
            f"is expected to begin copying (a tenth of its samples by d1/d2 < 1/3, stricter than "
            f"verdicts) near step {self.step:,}; "
            f"single runs from {self.low:,} to {self.high:,} (95 % prediction interval, from "
            f"{self.runs} stored runs). Other pictures and networks may lie outside: of "
            f"{self.asked} runs whose own kind was left out, such intervals held {self.held}."
        )


class Started(Record, frozen=True, kw_only=True):
    """A run that began to copy: `seen` images, repeats counted, until a tenth were copies."""

    run: str = ""
    corpus: str
    n_train: int
    seed: int = 0
    seen: float


class _Stored(Record, frozen=True):
    share: float
    rows: tuple[Started, ...]


@dataclass(frozen=True)
class Law:
    """ln(images seen) of one kind over x = ln(training images): a line through means of runs.

    Attributes:
        x, y: one of each number of training images, means over its runs.
        within: squared deviations of runs from these means, summed, and their degrees of freedom.
    """

    x: np.ndarray
    y: np.ndarray
    within: tuple[float, int]

    @classmethod
    def of(cls, rows: Sequence[Started]) -> Law:
        runs: dict[int, list[float]] = {}
        for row in rows:
            runs.setdefault(row.n_train, []).append(math.log(row.seen))
        means = {n: float(np.mean(seen)) for n, seen in sorted(runs.items())}
        squares = sum(float(((np.array(seen) - means[n]) ** 2).sum()) for n, seen in runs.items())
        return cls(
            np.log(list(means)), np.array(list(means.values())), (squares, len(rows) - len(runs))
        )

    @property
    def power(self) -> float:
        """Images seen until onset grow as n to this power."""
        x = self.x - self.x.mean()
        return float(x @ self.y / (x @ x))

    def at(self, n_train: int) -> float:
        return float(self.y.mean() + self.power * (math.log(n_train) - self.x.mean()))

    @property
    def around(self) -> tuple[float, int]:
        """Squared distances of the means from the line, summed, and their degrees of freedom."""
        line = self.y.mean() + self.power * (self.x - self.x.mean())
        return float(((self.y - line) ** 2).sum()), len(self.x) - 2

    def leverage(self, n_train: int) -> float:
        x = self.x - self.x.mean()
        return float(1 / len(x) + (math.log(n_train) - self.x.mean()) ** 2 / (x @ x))

    def tried(self, n_train: int) -> bool:
        """Whether the law was fitted to fewer images and to more, or to as many."""
        return bool(self.x[0] - 1e-9 <= math.log(n_train) <= self.x[-1] + 1e-9)


def laws(rows: Sequence[Started]) -> dict[str, Law]:
    """One of each kind whose runs had different numbers of training images."""
    kinds = dict.fromkeys(r.corpus for r in rows)
    found = {kind: Law.of([r for r in rows if r.corpus == kind]) for kind in kinds}
    return {kind: law for kind, law in found.items() if len(law.x) > 1}


def interval(known: dict[str, Law], n_train: int) -> tuple[float, float, float] | None:
    """ln(images seen): the mean of the kinds that were tried at n, and the ends over them.

    What kinds have in common is their scatter: that of means around their line and that of runs
    around their mean, whose sum has Satterthwaite's degrees of freedom.
    """
    (among, free), (within, others) = (
        map(sum, zip(*pairs, strict=True))
        for pairs in (
            [law.around for law in known.values()],
            [law.within for law in known.values()],
        )
    )
    used = [law for law in known.values() if law.tried(n_train)]
    if not used or not free:
        return None
    inner = within / others if others else 0.0
    ends = []
    for law in used:
        outer = among / free * (1 + law.leverage(n_train))
        total = outer + inner
        degrees = total**2 / (outer**2 / free + (inner**2 / others if others else 0) or 1)
        reach = float(stdtrit(max(degrees, 1), 0.975)) * math.sqrt(total)
        ends.append((law.at(n_train) - reach, law.at(n_train) + reach))
    low, high = zip(*ends, strict=True)
    return float(np.mean([law.at(n_train) for law in used])), min(low), max(high)


def left_out(rows: Sequence[Started]) -> tuple[int, int]:
    """Of how many runs an interval comes out without their kind, and how many of these it holds."""
    held = asked = 0
    for kind in dict.fromkeys(r.corpus for r in rows):
        known = laws([r for r in rows if r.corpus != kind])
        for row in rows:
            found = interval(known, row.n_train) if known and row.corpus == kind else None
            if found:
                asked += 1
                held += found[1] <= math.log(row.seen) <= found[2]
    return held, asked


def expected_onset(n_train: int, batch: int, rows: Sequence[Started]) -> Onset:
    """What the laws fitted to `rows` say of a number of images.

    Raises:
        UntriedError: no such number was tried.
        InputError: rows of no two sizes of one kind; no images or too many for any training, or
            such a batch.
    """
    for name, value, most in (("n_train", n_train, MOST_IMAGES), ("batch", batch, MAX_BATCH)):
        if not 1 <= value <= most:
            raise InputError(f"{name} is {plain(value, 40)}; expected 1 to {most:,}.")
    known = laws(rows)
    if not known:
        raise InputError(
            f"{len(rows)} runs began to copy; a law over the number of images needs some of "
            "different sizes. Run `python -m scripts.measure onset`."
        )
    found = interval(known, n_train)
    if found is None:
        sizes = [r.n_train for r in rows]
        raise UntriedError(
            f"when ordinary training on {n_train:,} images begins to copy is not known: the "
            f"{len(rows)} stored runs, on {' and '.join(known)}, had {min(sizes):,} to "
            f"{max(sizes):,}; train, and judge the stages."
        )
    step, low, high = (max(1, round(math.exp(v) / batch)) for v in found)
    used = tuple(kind for kind, law in known.items() if law.tried(n_train))
    return Onset(n_train, batch, step, low, high, used, len(rows), *left_out(rows))


def stored_rows() -> tuple[Started, ...]:
    """The runs that the law is fitted to.

    Raises:
        InputError: they were never measured.
    """
    found = read_record(STORED, _Stored)
    if found is None:
        raise InputError(f"'{STORED}' does not exist; run `python -m scripts.measure onset`.")
    return found.rows
