"""How long until copying starts on so few images: a law fitted to what was trained before.

Every stored run of the standard arm whose stages were judged tells how many images the network had
seen, repeats counted, when a tenth of its samples were copies. Against the number of training
images that is close to a power law, here fitted by least squares in logarithms: one power, and a
level for each kind of pictures. For other pictures the interval spans those of all kinds, with the
spread of single runs around each; another network may lie outside of it all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import stdtrit

from ambient.config import MAX_BATCH
from ambient.files import ASSETS, InputError, Record, read_record
from ambient.images.read import plain

ONSET = 0.1  # copying has begun when this share of the samples are copies
STORED = ASSETS / "results" / "onset.json"  # made by `python -m scripts.measure onset`
FEWEST = 4  # runs that a law is fitted to
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


class Onset(Record, frozen=True):
    """When a tenth of the samples are expected to be copies, for the standard arm.

    Attributes:
        step, low, high: the law, in the middle of all kinds of pictures, and the 95 % prediction
            interval of a single run, from the lowest of any kind to the highest.
        power: images seen until onset grow as n to this power.
        runs: how many runs the law is fitted to; `corpora`: of which pictures.
        smallest, largest: numbers of training images of these runs.
    """

    n_train: int
    batch: int
    step: int
    low: int
    high: int
    power: float
    runs: int
    corpora: tuple[str, ...]
    smallest: int
    largest: int

    @property
    def beyond(self) -> bool:
        """Whether so many images lie well outside of what was tried."""
        return not self.smallest / 2 <= self.n_train <= 2 * self.largest

    def in_words(self) -> str:
        """The advice, with what it rests on."""
        text = (
            f"With {self.n_train:,} images and {self.batch} a step, ordinary training is expected "
            f"to begin copying (a tenth of its samples) near step {self.step:,}; single runs may "
            f"do so from {self.low:,} to {self.high:,} (95 % prediction interval, from {self.runs} "
            f"stored runs on {' and '.join(self.corpora)} of {self.smallest:,} to "
            f"{self.largest:,} images; other pictures or networks may differ more)."
        )
        if self.beyond:
            text += " This number of images was never tried here: it is an extrapolation."
        return text


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


def expected_onset(n_train: int, batch: int, rows: Sequence[Started]) -> Onset:
    """The law at another number of images, fitted to `rows`.

    Raises:
        InputError: fewer rows than a law needs, or all of one size; no images or too many for any
            training, or such a batch.
    """
    for name, value, most in (("n_train", n_train, MOST_IMAGES), ("batch", batch, MAX_BATCH)):
        if not 1 <= value <= most:
            raise InputError(f"{name} is {plain(value, 40)}; expected 1 to {most:,}.")
    corpora = tuple(dict.fromkeys(r.corpus for r in rows))
    sizes = [r.n_train for r in rows]
    kinds = [[float(r.corpus == name) for name in corpora] for r in rows]
    design = np.column_stack([np.reshape(kinds, (len(rows), len(corpora))), np.log(sizes)])
    free = len(rows) - design.shape[1]
    if len(rows) < FEWEST or free < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError(
            f"{len(rows)} runs began to copy; a law over the number of images needs {FEWEST} or "
            "more, of different sizes. Run `python -m scripts.measure onset`."
        )
    y = np.log([r.seen for r in rows])
    inverse = np.linalg.inv(design.T @ design)
    law = inverse @ design.T @ y
    scatter = float(((y - design @ law) ** 2).sum() / free)
    # One row a kind of pictures: what the law says of so many of them.
    asked = np.column_stack([np.eye(len(corpora)), np.full(len(corpora), math.log(n_train))])
    at = asked @ law
    spread = np.sqrt(scatter * (1 + np.einsum("ij,jk,ik->i", asked, inverse, asked)))
    reach = float(stdtrit(free, 0.975)) * spread
    ends = (float(at.mean()), float((at - reach).min()), float((at + reach).max()))
    step, low, high = (max(1, round(math.exp(v) / batch)) for v in ends)
    power = float(law[-1])
    return Onset(n_train, batch, step, low, high, power, len(rows), corpora, min(sizes), max(sizes))


def stored_rows() -> tuple[Started, ...]:
    """The runs that the law is fitted to.

    Raises:
        InputError: they were never measured.
    """
    found = read_record(STORED, _Stored)
    if found is None:
        raise InputError(f"'{STORED}' does not exist; run `python -m scripts.measure onset`.")
    return found.rows
