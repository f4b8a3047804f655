"""Does a picture show what was asked for? A probe of two linear maps, and what is stored of it.

Images and captions are mapped to where those that belong together lie closest: regularized
canonical correlation (Vinod 1976) in closed form, by features of a network that never saw this
project and by word vectors. It is weak: read its rates only between their floor and their ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambient.copies.intervals import clopper_pearson
from ambient.diffusion.records import Count, Interval, Share
from ambient.files import Record

Rows = NDArray[np.floating]
Matrix = NDArray[np.float64]

DIM = 128  # correlations that are kept
# Ridges in units of the mean variance, chosen on unseen emoji of one split.
RIDGE_IMAGES, RIDGE_TEXTS = 1.0, 0.1
SHUFFLES = 50  # of prompts, for the floor


class Fit(Record, frozen=True, kw_only=True):
    """How often a probe finds that a picture shows what was asked for.

    Attributes:
        among: what it chooses from.
        rate, ci95: of the samples.
        ceiling: of the real images of the same captions; None where there are none.
        floor: of the same samples and the prompts dealt out anew.
    """

    among: Count
    rate: Share
    ci95: Interval
    ceiling: Share | None
    floor: Share


class Asked(Record, frozen=True, kw_only=True):
    """Samples of one kind of prompt at one guidance.

    Attributes:
        kind: one of `KINDS` (`ambient.reports.prompts`).
        prompts: different ones.
        copies, copies_ci95: share by the report's rule; `strict` by d1/d2 < 1/3.
        own, own_ci95: share that copies an image trained with this very prompt; None where
            nothing was trained with it.
        kid, kid_noncopies: distance of all, and of those that are no copies, to unseen images.
        precision: R-precision at 1, its own prompt before the others of its kind.
        category: the prompt's category before the other categories.
    """

    kind: str
    guidance: float
    n_samples: Count
    prompts: Count
    copies: Share
    copies_ci95: Interval
    strict: Share | None = None
    own: Share | None = None
    own_ci95: Interval | None = None
    kid: float | None = None
    kid_noncopies: float | None = None
    precision: Fit | None = None
    category: Fit | None = None


class Prompts(Record, frozen=True, kw_only=True):
    """A report's section on prompts.

    Attributes:
        threshold: of the copy rule.
        features: those of the probe and of `kid`.
        n_probe: unseen images, whose captions are not asked for, that the probe was fitted to.
        asked: kind by kind.
    """

    threshold: float
    features: str
    n_probe: Count
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class Probe:
    """Both maps, and one to the categories.

    Attributes:
        centers: (d,) and (v,), the means of images' features and of captions.
        maps: (d, k) and (v, k).
        categories: their names; `category_map` (d + 1, categories) scores them.
    """

    centers: tuple[Matrix, Matrix]
    maps: tuple[Matrix, Matrix]
    categories: tuple[str, ...]
    category_map: Matrix

    def scores(self, images: Rows, texts: Rows) -> Matrix:
        """(images, texts), cosines where they are compared."""
        a, b = (
            _unit((rows - center) @ matrix)
            for rows, center, matrix in zip((images, texts), self.centers, self.maps, strict=True)
        )
        found: Matrix = a @ b.T
        return found

    def named(self, images: Rows) -> list[str]:
        """The likeliest category of each image."""
        ones = np.ones((len(images), 1))
        best = np.hstack([images - self.centers[0], ones]) @ self.category_map
        return [self.categories[i] for i in best.argmax(1)]


def fit_probe(images: Rows, texts: Rows, categories: Sequence[str]) -> Probe:
    """The probe of images' features, what is said of them, and their categories.

    Args:
        images: (n, d). texts: (n, v), the mean of a caption's word vectors.
    """
    x, y = np.asarray(images, np.float64), np.asarray(texts, np.float64)
    centers = x.mean(0), y.mean(0)
    x, y = x - centers[0], y - centers[1]
    white_x, white_y = _whitening(x, RIDGE_IMAGES), _whitening(y, RIDGE_TEXTS)
    left, strength, right = np.linalg.svd(white_x.T @ (x.T @ y / len(x)) @ white_y)
    k = min(DIM, len(strength))
    maps = white_x @ left[:, :k] * strength[:k], white_y @ right.T[:, :k] * strength[:k]
    names = tuple(sorted(set(categories)))
    chosen = (np.array(categories)[:, None] == np.array(names)).astype(np.float64)
    balanced = (chosen - chosen.mean(0)) / np.maximum(chosen.std(0), 1e-9)
    slopes = white_x @ (white_x.T @ (x.T @ balanced / len(x)))  # (C + ridge)^-1 x'y / n
    return Probe(centers, maps, names, np.vstack([slopes, np.zeros(len(names))]))


def _whitening(rows: Matrix, ridge: float) -> Matrix:
    """(C + ridge * mean variance)^-1/2, C their covariance, up to a rotation."""
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    values = np.maximum(values, 0)
    found: Matrix = vectors * (values + ridge * max(values.mean(), 1e-12)) ** -0.5
    return found


def _unit(rows: Matrix) -> Matrix:
    found: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def rated(
    found: Sequence[int] | Sequence[str],
    wanted: Sequence[int] | Sequence[str],
    real: Sequence[bool] | None,
    seed: int,
) -> Fit:
    """How often what was found is what was wanted, with floor and ceiling.

    Args:
        real: whether the probe is right on the real image of each; None: there are none.
        seed: of the shuffles behind the floor.
    """
    a, b = np.array(found), np.array(wanted)
    rng, n = np.random.default_rng([seed, 0xF100]), len(a)
    hits = int((a == b).sum())
    return Fit(
        among=len(set(wanted)),
        rate=hits / n,
        ci95=clopper_pearson(hits, n),
        ceiling=None if real is None else float(np.mean(real)),
        floor=float(np.mean([(a == rng.permutation(b)).mean() for _ in range(SHUFFLES)])),
    )
