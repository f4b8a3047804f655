"""What the data alone give away at each noise level: closed forms that need no training.

The posterior is always over the clean training images: which of them, all equally likely, gave
this noisy one?
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ambient.diffusion.denoiser import squared_distances
from ambient.diffusion.noise import SeededNoise, derive_seed
from ambient.errors import InputError
from ambient.images.corpus import Corpus, Split, split_corpus, to_unit

CONFIDENCE = 5.0  # c: shells hold a noised image with probability >= 1 - exp(-c) on each side
COVERED = 0.05  # `suggest_cutoff`: below it, nothing unseen passes for a training image
SUGGESTION = (
    f"the largest noise level whose coverage is at most {100 * COVERED:g} %, interpolated in "
    "ln sigma: a heuristic of this project, to be judged by a sweep"
)
FEW_HELDOUT = 20  # fewer unseen images, and each one moves coverage by more than 5 %
BLOCK = 2**22  # distances in memory at once for each temporary: 32 MB


def noise_levels(cutoff: float = 0.0, count: int = 24) -> list[float]:
    """`count` log-spaced levels in [0.02, 20], and the cutoff between them."""
    levels = [round(float(s), 5) for s in np.geomspace(0.02, 20, count)]
    return sorted({*levels, cutoff} if cutoff else levels)


def posterior_summary(d2: Float[Tensor, "q n"], sigma: float) -> tuple[float, float]:
    """W and leakage of noised training images at one level.

    Args:
        d2: squared distances from each query to every clean training image.

    Returns:
        posterior_max: mean over queries of the largest posterior weight (1/n to 1).
        leakage: 1 - H / ln n, H the mean posterior entropy: the share of an image's identity
            that its noisy version gives away, I(index; x) / ln n.
    """
    log_w = torch.log_softmax(-d2 / (2 * sigma**2), dim=1)
    w = log_w.exp()
    entropy = -(w * log_w.clamp_min(-1e4)).sum(1).mean()
    return float(w.max(1).values.mean()), float(1 - entropy / math.log(d2.shape[1]))


def coverage(d2: Float[Tensor, "q n"], sigma: float, dim: int) -> float:
    """Share of noised held-out images that pass for a noised training image (arXiv 2602.17846).

    A noised image lies in a thin shell around its origin; a query is covered when it lies in the
    shell of some training image: sigma sqrt(d - 2 sqrt(cd)) <= ||q - x_i|| <=
    sigma sqrt(d + 2 sqrt(cd) + 2c).
    """
    c = CONFIDENCE
    inner = sigma**2 * max(0.0, dim - 2 * math.sqrt(c * dim))
    outer = sigma**2 * (dim + 2 * math.sqrt(c * dim) + 2 * c)
    return float(((d2 >= inner) & (d2 <= outer)).any(1).double().mean())


def shuffled(split: Split, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of a split's training and held-out images, in the order they are measured in."""
    rng = np.random.default_rng([seed, 0xC0])
    return rng.permutation(len(split.train)), rng.permutation(len(split.heldout))


@dataclass(frozen=True)
class Queries:
    """Images and k noises for each, the same ones at every level (common random numbers).

    Attributes:
        images: (m, c, h, w) in [-1, 1].
        noise: (m k, c, h, w), standard normal, image by image.
    """

    images: Float[Tensor, "m c h w"]
    noise: Float[Tensor, "q c h w"]

    @classmethod
    def draw(cls, images: Float[Tensor, "m c h w"], noises: int, seed: int, tag: int) -> Queries:
        """Noise j of image i depends on `seed`, `tag`, i and j alone."""
        seeds = [derive_seed(seed, tag, i, j) for i in range(len(images)) for j in range(noises)]
        return cls(images, SeededNoise(seeds).draw(images.shape[1:]))

    @property
    def noises(self) -> int:
        return len(self.noise) // len(self.images)

    def at(self, sigma: float) -> Float[Tensor, "q c h w"]:
        """The images noised to one level."""
        return repeat(self.images, "m c h w -> (m k) c h w", k=self.noises) + sigma * self.noise

    def errors(self, denoised: Float[Tensor, "q c h w"]) -> NDArray[np.float64]:
        """Mean squared error an element, one an image."""
        clean = repeat(self.images, "m c h w -> (m k) c h w", k=self.noises)
        squared = (denoised.double() - clean) ** 2
        return reduce(squared, "(m k) c h w -> m", "mean", k=self.noises).numpy()


class _Distances:
    """Squared distances of noised images to n others, at every level for the price of two products.

    ||x + s e - x_i||^2 = ||x - x_i||^2 - 2 s e.(x_i - x) + s^2 ||e||^2.
    """

    def __init__(self, queries: Queries, keys: Float[Tensor, "n d"]) -> None:
        clean = rearrange(queries.images, "m c h w -> m (c h w)").double()
        noise = rearrange(queries.noise, "q c h w -> q (c h w)").double()
        self.noises = queries.noises
        self.norms = (noise**2).sum(1, keepdim=True)
        self.clean = squared_distances(clean, keys)
        own = (noise * clean.repeat_interleave(self.noises, 0)).sum(1, keepdim=True)
        self.along = torch.cat([noise @ k.double().T for k in keys.split(4096)], 1) - own

    def at(self, sigma: float) -> Iterator[Float[Tensor, "b n"]]:
        """Blocks of whole images, in order."""
        images = max(1, BLOCK // (self.noises * self.clean.shape[1]))
        for clean, along, norms in zip(
            self.clean.split(images),
            self.along.split(images * self.noises),
            self.norms.split(images * self.noises),
            strict=True,
        ):
            d2 = clean.repeat_interleave(self.noises, 0) - 2 * sigma * along + sigma**2 * norms
            yield d2.clamp_min(0)


def closed_forms(
    train: Float[Tensor, "n c h w"],
    seen: Queries,
    unseen: Queries,
    spectrum: NDArray[np.float64],
    levels: Sequence[float],
) -> Iterator[dict[str, float]]:
    """Everything that is known of a noise level before any training.

    Args:
        train: all training images in [-1, 1].
        seen: some of them, noised. unseen: held-out images, noised.
        spectrum: of all images (`covariance_spectrum`).

    Yields:
        A record a level: sigma, loss_ideal (error an element of the memorizing ideal denoiser on
        `seen`), posterior_max, coverage, leakage, image_leakage_bound (nats).
    """
    keys = rearrange(train, "n c h w -> n (c h w)")
    to_seen, to_unseen = _Distances(seen, keys), _Distances(unseen, keys)
    for sigma in levels:
        summaries, ideal, sizes = [], [], []
        for d2 in to_seen.at(sigma):
            summaries.append(posterior_summary(d2, sigma))
            ideal.append(_mean_image(torch.softmax(-d2 / (2 * sigma**2), dim=1), keys))
            sizes.append(len(d2))
        posterior_max, leakage = np.average(summaries, axis=0, weights=sizes).tolist()
        blocks = list(to_unseen.at(sigma))
        covered = [coverage(d2, sigma, keys.shape[1]) for d2 in blocks]
        yield {
            "sigma": sigma,
            "loss_ideal": float(seen.errors(torch.cat(ideal).view(seen.noise.shape)).mean()),
            "posterior_max": posterior_max,
            "coverage": float(np.average(covered, weights=[len(d2) for d2 in blocks])),
            "leakage": leakage,
            "image_leakage_bound": image_leakage_bound(spectrum, sigma),
        }


def _mean_image(w: Float[Tensor, "b n"], keys: Float[Tensor, "n d"]) -> Float[Tensor, "b d"]:
    """sum_i w_i x_i over the images that weigh anything: few at low noise."""
    heavy = (w > 1e-15).any(0)
    return w[:, heavy] @ keys[heavy].double()


def covariance_spectrum(images: Float[Tensor, "n c h w"]) -> NDArray[np.float64]:
    """Eigenvalues (d,) of the Ledoit-Wolf covariance of images in [-1, 1], ascending.

    With n < d the sample covariance S calls most directions empty. Shrunk towards a multiple of
    the identity, (1 - a) S + a mu I, it does not; a in closed form (Ledoit and Wolf 2004). The
    eigenvalues come from the smaller of the two Gram matrices.
    """
    x = rearrange(images, "n c h w -> n (c h w)")
    n, d = x.shape
    mean = x.mean(0, dtype=torch.float64)
    blocks = [x] if n < d else list(x.split(4096))
    centered = (block.double() - mean for block in blocks)
    gram, fourth = torch.zeros(min(n, d), min(n, d), dtype=torch.float64), 0.0
    for y in centered:
        gram += y @ y.T if n < d else y.T @ y
        fourth += float((y**2).sum(1).pow(2).sum()) / n
    sample = torch.linalg.eigvalsh(gram / n).clamp_min(0).numpy()
    sample = np.concatenate([np.zeros(d - len(sample)), sample])
    mu, power = sample.mean(), (sample**2).sum()
    distance = power - d * mu**2  # ||S - mu I||^2
    error = min((fourth - power) / n, distance)  # of S, as far as the images tell
    a = error / distance if error > 0 else 0.0
    return (1 - a) * sample + a * mu


def image_leakage_bound(spectrum: NDArray[np.float64], sigma: float) -> float:
    """At most this many nats about x0 are in x0 + sigma eps: 0.5 logdet(I + Sigma / sigma^2).

    No law of that covariance has more than a Gaussian. It bounds what ONE noisy copy gives away,
    so it speaks of what training sees above the cutoff only.

    Args:
        spectrum: eigenvalues of Sigma (`covariance_spectrum`): once, for any number of levels.
    """
    return float(0.5 * np.log1p(spectrum / sigma**2).sum())


@dataclass(frozen=True)
class Suggestion:
    """A cutoff before any training, or None and the reason."""

    cutoff: float | None
    reason: str


def suggest_cutoff(levels: Sequence[Mapping[str, float]], covered: float = COVERED) -> Suggestion:
    """The largest sigma with coverage <= 0.05: a heuristic of this project, no paper's.

    Above it, unseen images begin to pass for noisy training images, so what is learned there may
    serve unseen images too. Coverage need not rise steadily: what counts is where it
    leaves the limit for the last time. Between two levels it is linear in ln sigma.

    Args:
        levels: sigma and coverage, sigma ascending.

    Returns:
        No cutoff where coverage exceeds the limit at every level, or not even at the last.
    """
    below = [i for i, level in enumerate(levels) if level["coverage"] <= covered]
    if not below:
        low = levels[0]["sigma"]
        return Suggestion(
            None, f"coverage is above {100 * covered:g} % from the lowest level, {low:g}"
        )
    i = below[-1]
    if i == len(levels) - 1:
        high = levels[-1]["sigma"]
        return Suggestion(
            None, f"coverage is still at most {100 * covered:g} % at the highest, {high:g}"
        )
    a, b = levels[i], levels[i + 1]
    share = (covered - a["coverage"]) / (b["coverage"] - a["coverage"])
    cutoff = a["sigma"] * (b["sigma"] / a["sigma"]) ** share
    return Suggestion(cutoff, SUGGESTION)


def cutoff_report(
    corpus: Corpus,
    n_train: int,
    split_seed: int = 0,
    seed: int = 0,
    images: int = 100,
    noises: int = 8,
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Closed forms of a split at every level, and the cutoff they suggest: no network needed.

    They are those of `noise_level_curves` of a run with the same split and seed.

    Args:
        images: training and held-out images each. noises: noises an image.

    Yields:
        (levels done, levels in all, the report so far): the last one is complete.

    Raises:
        InputError: a split that cannot be made, or that leaves no image unseen.
    """
    if split_seed < 0:
        raise InputError(f"split_seed is {split_seed}; expected 0 or more.")
    split = split_corpus(corpus, n_train, split_seed)
    if not len(split.heldout):
        raise InputError(
            f"n_train is {n_train}, every distinct image of '{corpus.name}', which leaves none "
            "unseen; coverage needs some. Choose fewer."
        )
    warnings = []
    if len(split.heldout) < FEW_HELDOUT:
        warnings.append(
            f"coverage comes from only {len(split.heldout)} held-out images; "
            f"with {FEW_HELDOUT} or more the suggestion means more."
        )
    levels: list[dict[str, float]] = []
    report: dict[str, Any] = {
        "corpus": corpus.name,
        "n_train": n_train,
        "split_seed": split_seed,
        "seed": seed,
        "suggested_cutoff": None,
        "rule": SUGGESTION,
        "levels": levels,
        "warnings": warnings,
    }
    sigmas = noise_levels()
    yield 0, len(sigmas), report
    everything = torch.from_numpy(to_unit(corpus.images))
    train, heldout = everything[split.train], everything[split.heldout]
    seen, unseen = (
        Queries.draw(x[np.sort(order[:images])], noises, seed, tag)
        for tag, (x, order) in enumerate(zip((train, heldout), shuffled(split, seed), strict=True))
    )
    spectrum = covariance_spectrum(everything)
    for closed in closed_forms(train, seen, unseen, spectrum, sigmas):
        levels.append(closed)
        if len(levels) == len(sigmas):
            suggestion = suggest_cutoff(levels)
            report["suggested_cutoff"] = suggestion.cutoff
            if suggestion.cutoff is None:
                warnings.append(f"no cutoff suggested: {suggestion.reason}.")
        yield len(levels), len(sigmas), report


@dataclass(frozen=True)
class Mixture:
    """Sub-populations N(mu_k, spread^2 I) with frequencies pi_k: a world with a long tail.

    Feldman 2020 (arXiv 1906.05271): to do well on rare sub-populations one must memorize their
    few examples. Noise merges them, the rare ones first.

    Attributes:
        means: (k, d).
        frequencies: (k,), positive, sum 1.
        spread: standard deviation of an element within a sub-population.
    """

    means: Float[Tensor, "k d"]
    frequencies: Float[Tensor, " k"]
    spread: float

    @cached_property
    def entropy(self) -> float:
        """H(pi) in nats."""
        return float(torch.special.entr(self.frequencies.double()).sum())

    def posterior(self, x: Float[Tensor, "b d"], sigma: float) -> Float[Tensor, "b k"]:
        """p(k | x = x0 + sigma eps), exactly: noise only widens each Gaussian."""
        d2 = squared_distances(x, self.means)
        prior = self.frequencies.double().log()
        return torch.softmax(prior - d2 / (2 * (self.spread**2 + sigma**2)), dim=1)


def long_tail(count: int) -> Float[Tensor, " k"]:
    """Zipf's frequencies: sub-population k has a share proportional to 1/k."""
    shares = 1 / torch.arange(1, count + 1, dtype=torch.float64)
    return shares / shares.sum()


def merging(
    mixture: Mixture, levels: Sequence[float], draws: int = 2000, seed: int = 0
) -> Iterator[dict[str, float | list[float]]]:
    """How sub-populations merge as noise grows: exact posteriors, averaged over seeded draws.

    Args:
        draws: from each sub-population, the same noise at every level; a mean of posteriors is off
            by at most 0.5 / sqrt(draws) (one standard error).

    Yields:
        A record a level: sigma, posterior_max (1 at no noise, the largest frequency in the end),
        leakage (I(k; x) / H(pi), from 1 to 0), own (p(k | x) of draws from each k: list (k,)).
    """
    k, d = mixture.means.shape
    generator = torch.Generator().manual_seed(derive_seed(seed, 0x71))
    noise = torch.randn(k * draws, d, generator=generator, dtype=torch.float64)
    means = repeat(mixture.means.double(), "k d -> (k b) d", b=draws)
    pi = mixture.frequencies.double()
    for sigma in levels:
        x = means + math.hypot(mixture.spread, sigma) * noise
        p = rearrange(mixture.posterior(x, sigma), "(k b) j -> k b j", b=draws)
        entropy = float(pi @ torch.special.entr(p).sum(2).mean(1))
        yield {
            "sigma": sigma,
            "posterior_max": float(pi @ p.max(2).values.mean(1)),
            "leakage": 1 - entropy / mixture.entropy,
            "own": p.mean(1).diagonal().tolist(),
        }
