"""How close the cloud of samples is to the cloud of held-out pictures, in feature space.

Numbers compare runs on the same corpus, split and n_samples only: Frechet distances carry a bias
that shrinks with the number of images, and features are this project's own unless asked for by
another name (`ambient.copies.features`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from scipy.spatial.distance import cdist

from ambient.copies.rules import halves
from ambient.files import InputError
from ambient.images.neighbors import nearest

Features = Float[np.ndarray, "_ _"]  # (n, d)
Images = NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)
PATCH, PATCHES, DIRECTIONS = 7, 32, 128  # pixels a side, patches an image, projections


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

    def within(p: NDArray[np.float64]) -> float:
        k, n = _kernel(p, p), len(p)
        return float((k.sum() - np.trace(k)) / (n * (n - 1)))

    return within(x) + within(y) - 2 * float(_kernel(x, y).mean())


def _kernel(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    return (p @ q.T / p.shape[1] + 1) ** 3


def density_coverage(samples: Features, reference: Features, k: int = 5) -> tuple[float, float]:
    """Fidelity and diversity from nearest neighbors (Naeem et al. 2020, equations 4 and 5).

    Around every reference picture lies a ball that reaches to its k-th nearest reference picture.

    Args:
        samples, reference: float32 (n, d) and (m, d), m > k.

    Returns:
        density: balls a sample lies in, on average, over k: 1 for a perfect model, more for
            samples in crowded places only.
        coverage: the share of balls with a sample in them, 0 to 1; it grows with n.

    Raises:
        InputError: different dimensions, or too few pictures for a k-th neighbor.
    """
    _check(samples, reference, at_least=1)
    _check(reference, reference, at_least=k + 1)
    radius = nearest(reference, reference, k + 1)[0][:, k].astype(np.float64)
    inside = cdist(reference, samples) < radius[:, None]
    return float(inside.sum() / (k * len(samples))), float(inside.any(axis=1).mean())


def sliced_wasserstein(a: Images, b: Images, seed: int = 0) -> float:
    """How much the fine detail of two sets of pictures differs: blur, grain, color.

    Karras et al. 2018, "Progressive growing of GANs", section 5: random 7x7 patches of each level
    of a Laplacian pyramid, compared along random directions; the mean over levels of the sliced
    1-Wasserstein distance. Values are in standard deviations of the patches of `b`, where the
    paper scales each set by its own and so would not see a loss of contrast.

    Args:
        a, b: uint8 (n, h, w, c); of the larger set, as many random images count as of the smaller.
        seed: of images, patches and directions.

    Returns:
        0 for the same images; smaller is better. It has a bias that shrinks with n.

    Raises:
        InputError: different sizes, or images smaller than a patch.
    """
    if a.shape[1:] != b.shape[1:] or min(a.shape[1:3]) < PATCH:
        raise InputError(
            f"images of {a.shape[1:]} and {b.shape[1:]} (height, width, channels); patches need "
            f"one size of at least {PATCH}x{PATCH}."
        )
    n = min(len(a), len(b))
    distances = []
    for level, pair in enumerate(zip(_pyramid(a, n, seed), _pyramid(b, n, seed), strict=True)):
        rng = np.random.default_rng([seed, level, 0x51D3])
        x, y = (_patches(images, np.random.default_rng([seed, level])) for images in pair)
        scale = np.sqrt(((y - y.mean(0)) ** 2).mean()) + 1e-12
        ways = rng.standard_normal((x.shape[1], DIRECTIONS)).astype(np.float32)
        ways /= np.linalg.norm(ways, axis=0)
        p, q = (np.sort(z @ ways, axis=0) for z in (x, y))
        distances.append(float(np.abs(p - q).mean() / scale))
    return float(np.mean(distances))


def _pyramid(images: Images, n: int, seed: int) -> list[NDArray[np.float32]]:
    """Laplacian levels of n random images, finest first, the last a blurred picture of side >= 16
    (or of its own side, where that is smaller)."""
    rng = np.random.default_rng([seed, 0x1A91])
    picked = images if len(images) == n else images[np.sort(rng.choice(len(images), n, False))]
    x = picked.astype(np.float32)
    levels = []
    while min(x.shape[1:3]) >= 32:
        small = _blur(x)[:, ::2, ::2]
        back = np.zeros_like(x)
        back[:, ::2, ::2] = small
        levels.append(x - 4 * _blur(back))
        x = small
    return [*levels, x]


def _blur(x: NDArray[np.float32]) -> NDArray[np.float32]:
    kernel = np.array([1, 4, 6, 4, 1], np.float32) / 16
    for axis in (1, 2):
        x = correlate1d(x, kernel, axis=axis, mode="mirror")
    return x


def _patches(images: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """PATCHES random patches of each image, (n * PATCHES, 7 * 7 * c)."""
    n, h, w, c = images.shape
    which = np.repeat(np.arange(n), PATCHES)
    top, left = (rng.integers(side - PATCH + 1, size=len(which)) for side in (h, w))
    windows = sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))
    return windows[which, top, left].reshape(len(which), PATCH * PATCH * c)


def texture(samples: Images, train: Images, heldout: Images, seed: int) -> dict[str, float]:
    """`swd`: sliced Wasserstein distance to held-out pictures, and the yardsticks of `quality`.

    Features forgive blur and grain; this does not, and knows nothing of what is in a picture.

    Args:
        samples, train, heldout: uint8 (n, h, w, c).
        seed: of the halves and draws, as in `quality`.
    """
    sets, reference = _yardsticks(samples, train, heldout, seed)
    return {f"swd{name}": sliced_wasserstein(x, reference, seed) for name, x in sets.items()}


def frechet_interval(a: Features, b: Features, seed: int, draws: int = 200) -> tuple[float, float]:
    """95 % interval of `frechet` from a bootstrap over the images of both sets.

    Drawing images again makes every distance larger, as repeats add no information; the draws'
    spread is therefore laid around the value itself (a centered bootstrap), never below 0.
    """
    rng = np.random.default_rng([seed, 0xB007])
    values = [
        frechet(a[rng.integers(len(a), size=len(a))], b[rng.integers(len(b), size=len(b))])
        for _ in range(draws)
    ]
    low, high = _centered(frechet(a, b), values)
    return max(low, 0.0), high


def kid_interval(a: Features, b: Features, seed: int, draws: int = 200) -> tuple[float, float]:
    """95 % interval of `kid`, like `frechet_interval`."""
    _check(a, b, at_least=2)
    rng = np.random.default_rng([seed, 0xB007])
    x, y = a.astype(np.float64), b.astype(np.float64)
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)

    def within(k: NDArray[np.float64], times: NDArray[np.float64]) -> float:
        n = len(k)
        return float((times @ k @ times - times @ np.diag(k)) / (n * (n - 1)))

    values = []
    for _ in range(draws):
        v = rng.multinomial(len(x), np.full(len(x), 1 / len(x))).astype(np.float64)
        w = rng.multinomial(len(y), np.full(len(y), 1 / len(y))).astype(np.float64)
        values.append(within(xx, v) + within(yy, w) - 2 * float(v @ xy @ w) / (len(x) * len(y)))
    return _centered(kid(a, b), values)


def _centered(value: float, draws: list[float]) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975]) - np.mean(draws)
    return value + float(low), value + float(high)


def quality(
    samples: Features, train: Features, heldout: Features, features: str, seed: int
) -> dict[str, Any]:
    """Distances of samples to held-out pictures, and two yardsticks to read them by.

    A Frechet distance shrinks as either set grows, so samples and yardsticks have the same number
    of images and one and the same reference: a random half of the held-out pictures. The other
    half is for the yardstick alone. Where it has fewer than n_samples pictures, it is drawn with
    replacement, as the training images always are; repeats add no information, so that yardstick
    then reads too high, and a score between it and the samples' is no evidence of anything.

    Args:
        samples, train, heldout: float32 (n, d), features by `encode`; of more
            than 5,000 in a set, a random 5,000 count.
        features: their name.
        seed: of the halves and draws; keep it the same across runs to be compared.

    Returns:
        `features`, `n_reference`; `frechet` and `kid` with `_ci95`, `density` and `coverage` of the
        samples; the same with `_train`, training images drawn with replacement: a perfect copier's
        score; with `_heldout`, the other half of held-out: what a perfect model would score.
        Frechet distances are None where a set has no more images than features.

    Raises:
        InputError: fewer than 2 samples or 12 held-out pictures.
    """
    sets, reference = _yardsticks(samples, train, heldout, seed)
    wide = min(len(sets[""]), len(reference)) <= samples.shape[1]
    found: dict[str, Any] = {"features": features, "n_reference": len(reference)}
    for name, x in sets.items():
        found[f"frechet{name}"] = None if wide else frechet(x, reference)
        found[f"kid{name}"] = kid(x, reference)
        found[f"density{name}"], found[f"coverage{name}"] = density_coverage(x, reference)
    a = sets[""]
    found["frechet_ci95"] = None if wide else list(frechet_interval(a, reference, seed))
    found["kid_ci95"] = list(kid_interval(a, reference, seed))
    return found


def _yardsticks(
    samples: NDArray[T], train: NDArray[T], heldout: NDArray[T], seed: int
) -> tuple[dict[str, NDArray[T]], NDArray[T]]:
    """Samples and yardsticks by suffix, as many of each, and the reference they are held to."""
    other, reference = (heldout[half] for half in halves(len(heldout), seed))
    rng = np.random.default_rng([seed, 0xF1D])
    n = len(samples)
    copier = train[rng.choice(len(train), n)]
    perfect = other[rng.choice(len(other), n, replace=len(other) < n)]
    sets = {"": samples, "_train": copier, "_heldout": perfect}
    sets = {name: _at_most(x, rng) for name, x in sets.items()}
    return sets, _at_most(reference, rng)


def _at_most(x: NDArray[T], rng: np.random.Generator, limit: int = 5000) -> NDArray[T]:
    return x if len(x) <= limit else x[np.sort(rng.choice(len(x), limit, replace=False))]


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
