"""What the data alone give away at each noise level, in numpy: no training and no torch.

The posterior is always over the clean training images: which of them, all equally likely, gave
this noisy one? Images are rows: float32 in [-1, 1], or their bytes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from ambient.images.neighbors import values

AMBIENT_MARGIN = 1.05  # below this multiple of the cutoff the ambient closed form blows up
CONFIDENCE = 5.0  # c: shells hold a noised image with probability >= 1 - exp(-c) on each side
COVERED = 0.05  # `suggest_cutoff`: below it, nothing unseen passes for a training image
SUGGESTION = (
    f"the largest noise level whose coverage is at most {100 * COVERED:g} %, interpolated in "
    "ln sigma; a heuristic of this project, not of the paper"
)
BLOCK = 1024  # keys in float64 at once: 25 MB at 32x32x3

Keys = Shaped[np.ndarray, "n d"]  # float32 in [-1, 1], or uint8
Doubles = Float[np.ndarray, "q n"]


def noise_levels(cutoff: float = 0.0, count: int = 24) -> list[float]:
    """`count` log-spaced levels in [0.02, 20], and the cutoff between them."""
    levels = [round(float(s), 5) for s in np.geomspace(0.02, 20, count)]
    return sorted({*levels, cutoff} if cutoff else levels)


def squared_distances(queries: Float[np.ndarray, "q d"], keys: Keys) -> Doubles:
    """||q - k||^2 in float64 by expanding the square, never negative."""
    q = queries.astype(np.float64)
    norms = (q**2).sum(1, keepdims=True)
    parts = [norms + (b**2).sum(1) - 2 * q @ b.T for b in double_blocks(keys)]
    return np.maximum(np.concatenate(parts, axis=1), 0)


def double_blocks(keys: Keys) -> Iterator[Float[np.ndarray, "m d"]]:
    """The keys in float64, `BLOCK` rows at a time."""
    for start in range(0, len(keys), BLOCK):
        rows = keys[start : start + BLOCK]
        yield (values(rows) if rows.dtype == np.uint8 else rows).astype(np.float64)


def posterior(d2: Doubles, variance: float | Float[np.ndarray, " q"]) -> Doubles:
    """p(image i | x) when one of n images, all equally likely, plus N(0, variance) noise gave x.

    That is softmax(-d2 / (2 variance)), d2 the squared distances from each x to every image.
    """
    spread = 2 * np.reshape(variance, (-1, 1))
    w = np.exp((d2.min(1, keepdims=True) - d2) / spread)
    return w / w.sum(1, keepdims=True)


def mean_image(weights: Doubles, images: Keys) -> Float[np.ndarray, "q d"]:
    """sum_i w_i x_i over the images that weigh anything: few at low noise.

    Under the posterior that is the denoiser that memorizes: it minimises the standard loss on these
    images exactly, and sampled it returns them.
    """
    heavy = np.flatnonzero((weights > 1e-15).any(0))
    total = np.zeros((len(weights), images.shape[1]))
    for start, block in enumerate(double_blocks(images[heavy])):
        some = heavy[start * BLOCK : (start + 1) * BLOCK]
        total += weights[:, some] @ block
    return total


def posterior_summary(weights: Doubles) -> tuple[float, float]:
    """W and leakage at one level, by the posterior of each noised training image over all of them.

    Returns:
        posterior_max: mean over queries of the largest posterior weight (1/n to 1).
        leakage: 1 - H / ln n, H the mean posterior entropy: the share of an image's identity
            that its noisy version gives away, I(index; x) / ln n.
    """
    log_w = np.log(np.maximum(weights, np.finfo(np.float64).tiny))
    entropy = -(weights * log_w).sum(1).mean()
    return float(weights.max(1).mean()), float(1 - entropy / math.log(weights.shape[1]))


def coverage(d2: Doubles, sigma: float, dim: int) -> float:
    """Share of noised held-out images that pass for a noised training image (arXiv 2602.17846).

    A noised image lies in a thin shell around its origin; a query is covered when it lies in the
    shell of some training image: sigma sqrt(d - 2 sqrt(cd)) <= ||q - x_i|| <=
    sigma sqrt(d + 2 sqrt(cd) + 2c).
    """
    c = CONFIDENCE
    inner = sigma**2 * max(0.0, dim - 2 * math.sqrt(c * dim))
    outer = sigma**2 * (dim + 2 * math.sqrt(c * dim) + 2 * c)
    return float(((d2 >= inner) & (d2 <= outer)).any(1).mean())


def covariance_spectrum(images: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Eigenvalues of the Ledoit-Wolf covariance of images in [-1, 1], ascending.

    With n < d the sample covariance S calls most directions empty. Shrunk towards a multiple of
    the identity, (1 - a) S + a mu I, it does not; a in closed form (Ledoit and Wolf 2004). The
    eigenvalues come from the smaller of the two Gram matrices.
    """
    n, d = images.shape
    mean = images.mean(0, dtype=np.float64)
    gram, fourth = np.zeros((min(n, d), min(n, d))), 0.0
    for block in [images.astype(np.float64)] if n < d else double_blocks(images):
        y = block - mean
        gram += y @ y.T if n < d else y.T @ y
        fourth += float(((y**2).sum(1) ** 2).sum()) / n
    sample = np.maximum(np.linalg.eigvalsh(gram / n), 0)
    sample = np.concatenate([np.zeros(d - len(sample)), sample])
    mu, power = sample.mean(), (sample**2).sum()
    distance = power - d * mu**2  # ||S - mu I||^2
    error = min((fourth - power) / n, distance)  # of S, as far as the images tell
    a = error / distance if error > 0 else 0.0
    return (1 - a) * sample + a * mu


def image_leakage_bound(spectrum: Float[np.ndarray, " d"], sigma: float) -> float:
    """At most this many nats about x0 are in x0 + sigma eps: 0.5 logdet(I + Sigma / sigma^2).

    No law of that covariance, whose eigenvalues are the spectrum, has more than a Gaussian. It
    bounds what ONE noisy copy gives away, so it speaks of what training sees above the cutoff only.
    """
    return float(0.5 * np.log1p(spectrum / sigma**2).sum())


def last_covered(sigmas: Sequence[float], shares: Sequence[float], limit: float = COVERED) -> float:
    """The largest noise level whose coverage is at most `limit`, linear in ln sigma between levels.

    Coverage need not rise steadily: what counts is where it leaves the limit for the last time.
    It is 0 where every level, in ascending order, has more; infinity where the highest has no more.
    """
    below = [i for i, share in enumerate(shares) if share <= limit]
    if not below:
        return 0.0
    i = below[-1]
    if i == len(shares) - 1:
        return math.inf
    part = (limit - shares[i]) / (shares[i + 1] - shares[i])
    return float(sigmas[i] * (sigmas[i + 1] / sigmas[i]) ** part)


@dataclass(frozen=True)
class Suggestion:
    """A cutoff before any training, or None and the reason."""

    cutoff: float | None
    reason: str


def suggest_cutoff(sigmas: Sequence[float], shares: Sequence[float]) -> Suggestion:
    """The largest sigma with coverage <= 0.05: a heuristic of this project, no paper's.

    Above it, unseen images begin to pass for noisy training images, so what is learned there may
    serve unseen images too. Arguments as in `last_covered`.
    """
    cutoff, limit = last_covered(sigmas, shares), f"{100 * COVERED:g} %"
    if cutoff == 0:
        return Suggestion(None, f"coverage is above {limit} from the lowest level, {sigmas[0]:g}")
    if math.isinf(cutoff):
        return Suggestion(None, f"coverage is still at most {limit} at the highest, {sigmas[-1]:g}")
    return Suggestion(cutoff, SUGGESTION)
