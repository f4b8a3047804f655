"""How close the cloud of samples is to the cloud of held-out pictures, in feature space.

Numbers compare runs on the same corpus, split and n_samples only: Frechet distances carry a bias
that shrinks with the number of images, and features are this project's own (`FEATURES`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ambient.copies import halves
from ambient.errors import InputError
from ambient.features import FEATURES

Features = Float[np.ndarray, "n d"]


def frechet(a: Features, b: Features) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features.

    ||mu_a - mu_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), Heusel et al. 2017, eq. 6, in squared
    feature units; 0 for the same set.

    With factors C = F^T F the last trace is the nuclear norm of F_a F_b^T, which needs no matrix
    root: it is real, exact and a millisecond. torchmetrics takes roots of eigenvalues instead
    (tests hold the two together), and importing it costs seconds, as it loads torchvision.

    Args:
        a, b: float32 (n, d), n > d, else a covariance is singular and the distance mostly bias.

    Raises:
        InputError: different dimensions, or a set with no more images than features.
    """
    _check(a, b, at_least=a.shape[1] + 1)
    x, y = a.astype(np.float64), b.astype(np.float64)
    shift = x.mean(0) - y.mean(0)
    f, g = _covariance_factor(x), _covariance_factor(y)
    overlap = np.linalg.norm(f @ g.T, "nuc")
    return max(float(shift @ shift + (f**2).sum() + (g**2).sum() - 2 * overlap), 0.0)


def _covariance_factor(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """F (d, d) with F^T F the covariance of the rows of x."""
    return np.linalg.qr(x - x.mean(0), mode="r") / np.sqrt(len(x) - 1)


def kid(a: Features, b: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x y / d + 1)^3.

    Binkowski et al. 2018, "Demystifying MMD GANs", section 3 and eq. 4; may be slightly negative.
    All images of both sets count, where torchmetrics averages over random subsets of one size
    drawn from the global seed; on sets of that size the two agree.

    Args:
        a, b: float32 (n, d).

    Raises:
        InputError: different dimensions, or fewer than 2 images in a set.
    """
    _check(a, b, at_least=2)
    x, y = a.astype(np.float64), b.astype(np.float64)

    def kernel(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        return (p @ q.T / p.shape[1] + 1) ** 3

    def within(p: NDArray[np.float64]) -> float:
        k, n = kernel(p, p), len(p)
        return float((k.sum() - np.trace(k)) / (n * (n - 1)))

    return within(x) + within(y) - 2 * float(kernel(x, y).mean())


def quality(
    samples: Features, train: Features, heldout: Features, seed: int
) -> dict[str, str | float]:
    """Distances of samples to held-out pictures, and two yardsticks to read them by.

    A Frechet distance shrinks as either set grows, so all three are taken from n_samples images to
    one and the same reference: a random half of the held-out pictures. The other half is for the
    yardstick alone. Where it has fewer than n_samples pictures, it is drawn with replacement, as
    the training images always are; repeats add no information, so that yardstick then reads too
    high, and a score between it and the samples' is no evidence of anything.

    Args:
        samples, train, heldout: float32 (n, 64), features by `ambient.features.encode`.
        seed: of the halves and draws; keep it the same across runs to be compared.

    Returns:
        `features`: the feature network's name; `frechet`, `kid`: samples to the reference;
        `frechet_train`: training images drawn with replacement, a perfect copier's score;
        `frechet_heldout`: the other half of held-out, what a perfect model would score.

    Raises:
        InputError: fewer than 65 samples or 130 held-out pictures.
    """
    other, reference = (heldout[half] for half in halves(len(heldout), seed))
    rng = np.random.default_rng([seed, 0xF1D])
    n = len(samples)
    copier = train[rng.choice(len(train), n)]
    perfect = other[rng.choice(len(other), n, replace=len(other) < n)]
    return {
        "features": FEATURES,
        "frechet": frechet(samples, reference),
        "frechet_train": frechet(copier, reference),
        "frechet_heldout": frechet(perfect, reference),
        "kid": kid(samples, reference),
    }


def _check(a: Features, b: Features, at_least: int) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            f"features have {a.shape[1:]} and {b.shape[1:]} values an image; both sets must come "
            "from the same encoder."
        )
    if min(len(a), len(b)) < at_least:
        raise InputError(
            f"sets of {len(a)} and {len(b)} images; this distance needs at least {at_least} in "
            "each. Draw more samples or hold out more images."
        )
