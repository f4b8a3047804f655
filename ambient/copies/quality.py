"""How close the cloud of samples is to the cloud of held-out pictures, as an outsider sees them.

Features are those of a network that never saw this project (`ambient.copies.imagenet`). Which
measures may be used, and how far, is decided by `make quality` (docs/quality.md), not by habit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.special import logsumexp, softmax

from ambient.copies.features import in_turn
from ambient.copies.imagenet import imagenet_features
from ambient.copies.reader import told_apart
from ambient.copies.records import Quality
from ambient.copies.spaces import QUALITY
from ambient.files import InputError, Tell, silent

Features = Float[np.ndarray, "_ _"]
Images = UInt8[np.ndarray, "_ h w c"]
Positions = Int[np.ndarray, " _"]

REFERENCE = 700  # held-out images compared with, and as many more for the yardsticks
MOST = 1000  # samples whose features are computed
TOGETHER = 256  # samples of one Frechet distance, whose bias depends on their number
READ = 400  # images of each kind that the reader learns to tell apart
FEWEST = 20  # samples, or held-out images of each kind, below which nothing is said
STEPS = 20  # of expectation maximization
LEAST = 0.01  # variance of a Gaussian; an exact copy would have none
WIDE = 0.81  # of distances to the mean of training images, as the paper has it
DRAWS = 200  # of a bootstrap


def quality(
    samples: Images,
    train: Images,
    heldout: Images,
    copies: Bool[np.ndarray, " _"],
    tell: Tell = silent,
) -> Quality | None:
    """Distances of samples to held-out images, beside what real images would score.

    Which held-out images are the reference depends on the images alone: no seed changes it, and
    all runs of a split share it.

    Args:
        samples, train, heldout: of one size; the first `MOST` samples count.
        copies: which samples are copies.
        tell: progress in images; may raise to end the work.

    Returns:
        None with fewer than `FEWEST` samples, or twice as many held-out images.
    """
    samples, copies = samples[:MOST], copies[:MOST]
    reference, others = reference_of(heldout)
    if min(len(samples), len(reference)) < FEWEST:
        return None
    drawn = np.random.default_rng(0xF1D).integers(len(train), size=len(samples))
    once, back = np.unique(drawn, return_inverse=True)
    sets = (samples, train[once], heldout[reference], heldout[others])
    a, known, unseen, perfect = in_turn(sets, imagenet_features, "measuring quality", tell)
    copier, new = known[back], a[~copies]
    enough = len(new) >= FEWEST
    texture = None
    if min(len(samples), len(heldout)) >= READ:
        texture = told_apart(samples[:READ], heldout[order_of(heldout)[:READ]])
    return Quality(
        features=QUALITY,
        n_reference=len(reference),
        kid=kid(a, unseen),
        kid_ci95=kid_interval(a, unseen),
        kid_noncopies=kid(new, unseen) if enough else None,
        kid_noncopies_ci95=kid_interval(new, unseen) if enough else None,
        kid_train=kid(copier, unseen),
        kid_heldout=kid(perfect, unseen),
        frechet=frechet_together(a, unseen),
        frechet_train=frechet_together(copier, unseen),
        frechet_heldout=frechet_together(perfect, unseen),
        fld_gap=fld_gap(a, known, unseen),
        fld_gap_heldout=fld_gap(perfect, known, unseen),
        told_apart=texture.auc if texture else None,
        told_apart_ci95=texture.ci95 if texture else None,
    )


def order_of(images: Images) -> Positions:
    """Positions in an order as good as random that depends on the images alone."""
    return np.argsort([hashlib.blake2b(bytes(image)).digest() for image in images])


def reference_of(heldout: Images) -> tuple[Positions, Positions]:
    """The held-out images that samples are compared with, and as many others for yardsticks."""
    order = order_of(heldout)
    count = min(len(order) // 2, REFERENCE)
    return order[:count], order[count : 2 * count]


def frechet_together(a: Features, b: Features) -> float | None:
    """The mean Frechet distance to b of every `TOGETHER` rows of a; None where a has fewer."""
    starts = range(0, len(a) - TOGETHER + 1, TOGETHER)
    found = [frechet(a[start : start + TOGETHER], b) for start in starts]
    return float(np.mean(found)) if found else None


def frechet(a: Features, b: Features) -> float:
    """Squared Frechet distance of the Gaussians fitted to two sets of features.

    ||mu_a - mu_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), Heusel et al. 2017, eq. 6, in squared
    feature units; 0 for the same set. It has a bias that shrinks as sets grow.

    With factors C = F^T F the last trace is the nuclear norm of F_a F_b^T, which needs no matrix
    root and no more images than features.

    Raises:
        InputError: different dimensions, or fewer than 2 images in a set.
    """
    _check(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    shift = x.mean(0) - y.mean(0)
    f, g = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    overlap = np.linalg.norm(f @ g.T, "nuc")
    return max(float(shift @ shift + (f**2).sum() + (g**2).sum() - 2 * overlap), 0.0)


def kid(a: Features, b: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x y / d + 1)^3.

    Binkowski et al. 2018, "Demystifying MMD GANs", section 3 and eq. 4; may be slightly negative.
    All images of both sets count, where torchmetrics averages over random subsets of one size.

    Raises:
        InputError: different dimensions, or fewer than 2 images in a set.
    """
    _check(a, b)
    return next(_kids(a, b, draws=0))


def kid_interval(
    a: Features, b: Features, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % interval of `kid` from a bootstrap over the images of both sets.

    Drawing images again makes distances larger, as repeats add no information; the draws' spread
    is therefore laid around the value itself (a centered bootstrap).
    """
    _check(a, b)
    value, *again = _kids(a, b, draws, seed)
    low, high = np.quantile(again, [0.025, 0.975]) - np.mean(again)
    return value + float(low), value + float(high)


def _kids(a: Features, b: Features, draws: int, seed: int = 0) -> Iterator[float]:
    """The estimate, then that of each set of images drawn again."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    xx, yy, xy = ((p @ q.T / a.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
    rng = np.random.default_rng([seed, 0xB007])

    def within(k: Float[np.ndarray, "n n"], times: Float[np.ndarray, " n"]) -> float:
        n = len(k)
        return float((times @ k @ times - times @ np.diag(k)) / (n * (n - 1)))

    for draw in range(draws + 1):
        v, w = (
            rng.multinomial(len(z), np.full(len(z), 1 / len(z))).astype(np.float64)
            if draw
            else np.ones(len(z))
            for z in (x, y)
        )
        yield within(xx, v) + within(yy, w) - 2 * float(v @ xy @ w) / xy.size


def fld_gap(samples: Features, train: Features, unseen: Features) -> float:
    """How much likelier held-out images are than training images; negative of a copier.

    Jiralerspong et al. 2023, "Feature likelihood divergence": a Gaussian around each sample, each
    as wide as makes the training images likeliest (by expectation maximization), and a wide one
    for those that no sample is near; then the difference of mean log-likelihoods a dimension,
    held-out less training, times 100. Features are scaled by the mean variance of both kinds: by
    that of held-out images alone, as in the paper, training images become outliers in features
    that few held-out ones have. As the widths are fitted to training images, a perfect model is
    not at 0 either: see `fld_gap_heldout`.
    """
    mean, scale = unseen.mean(0), np.sqrt((unseen.var(0) + train.var(0)) / 2)
    scale = np.maximum(scale, scale.mean() / 10)
    a, known, new = ((x.astype(np.float64) - mean) / scale for x in (samples, train, unseen))
    d, m = a.shape[1], len(a)

    def likelihoods(
        distance: Float[np.ndarray, "n m"], variance: Float[np.ndarray, " m"]
    ) -> Float[np.ndarray, "n m"]:
        return -0.5 * (distance / variance + d * np.log(2 * np.pi * variance))

    # One wide Gaussian more, around the mean of training images, takes those that are near no
    # sample: without it samples would spread to reach them.
    center = known.mean(0)

    def distances(x: Features) -> Float[np.ndarray, "n k"]:
        return np.append(_squared(x, a), WIDE * ((x - center) ** 2).sum(1)[:, None], axis=1)

    far = distances(known)
    variance = np.maximum(far.min(0) / d, LEAST)
    weight = np.log(np.append(np.full(m, 1 / m), 1.0) / 2)
    for _ in range(STEPS):
        share = softmax(likelihoods(far, variance) + weight, axis=1)
        total = share.sum(0)
        best = (share * far).sum(0) / np.maximum(d * total, 1e-300)
        variance = np.where(total > 1e-6, np.maximum(best, LEAST), variance)
    seen, new = (
        logsumexp(likelihoods(x, variance) + weight, axis=1).mean() / d
        for x in (far, distances(new))
    )
    return 100 * float(new - seen)


def _squared(x: Features, y: Features) -> Float[np.ndarray, "n m"]:
    """Squared distances of all pairs of rows."""
    found = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.maximum(found, 0)


def _check(a: Features, b: Features) -> None:
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            f"features have {a.shape[1:]} and {b.shape[1:]} values an image; both sets must come "
            "from the same network."
        )
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"sets of {len(a)} and {len(b)} images; a distance needs at least 2 in each. Draw more "
            "samples or hold out more images."
        )
