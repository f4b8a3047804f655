"""The closed forms of a split, level by level, with the cutoff that they suggest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ambient.diffusion import closed_forms as forms
from ambient.diffusion.noise import SeededNoise, derive_seed
from ambient.diffusion.records import ClosedForms, Interval
from ambient.files import InputError, Record, Tell, silent
from ambient.images.corpus import Corpus, Split, split_corpus, to_unit

MOST_UNSEEN = 2000  # held-out images whose coverage is measured
FEW_HELDOUT = 20  # fewer unseen images, and each one moves coverage by more than 5 %
BLOCK = 2**22  # distances in memory at once for each temporary: 32 MB


class CutoffReport(Record, frozen=True):
    """The closed forms of a split, and the cutoff they suggest; None where they suggest none."""

    corpus: str
    n_train: int
    split_seed: int
    seed: int
    suggested_cutoff: float | None
    # where coverage of all images of this kind may cross the limit, by its exact interval at each
    # level; its ends are those of the levels at most
    suggested_ci95: Interval | None
    rule: str
    levels: tuple[ClosedForms, ...]
    warnings: tuple[str, ...]


def shuffled(split: Split, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of a split's training and held-out images, in the order they are measured in."""
    rng = np.random.default_rng([seed, 0xC0])
    return rng.permutation(len(split.train)), rng.permutation(len(split.heldout))


@dataclass(frozen=True)
class Queries:
    """Images and k noises for each, the same ones at every level (common random numbers)."""

    images: Float[Tensor, "m c h w"]  # (m, c, h, w) in [-1, 1]
    noise: Float[Tensor, "q c h w"]  # (m k, c, h, w), standard normal, image by image

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

    def __init__(self, queries: Queries, keys: forms.Keys) -> None:
        clean = rearrange(queries.images, "m c h w -> m (c h w)").double().numpy()
        noise = rearrange(queries.noise, "q c h w -> q (c h w)").double().numpy()
        self.noises = queries.noises
        self.norms = (noise**2).sum(1, keepdims=True)
        self.clean = forms.squared_distances(clean, keys)
        own = (noise * clean.repeat(self.noises, 0)).sum(1, keepdims=True)
        self.along = np.concatenate([noise @ k.T for k in forms.double_blocks(keys)], axis=1) - own

    def at(self, sigma: float) -> Iterator[Float[np.ndarray, "b n"]]:
        """Blocks of whole images, in order."""
        size = max(1, BLOCK // (self.noises * self.clean.shape[1]))
        for start in range(0, len(self.clean), size):
            rows = slice(start * self.noises, (start + size) * self.noises)
            clean = self.clean[start : start + size].repeat(self.noises, 0)
            yield np.maximum(clean - 2 * sigma * self.along[rows] + sigma**2 * self.norms[rows], 0)


def closed_levels(
    train: Float[Tensor, "n c h w"],
    seen: Queries,
    unseen: Queries,
    spectrum: NDArray[np.float64],
    levels: Sequence[float],
) -> Iterator[ClosedForms]:
    """Everything that is known of each noise level before any training.

    Args:
        train: all training images in [-1, 1].
        seen: some of them, noised. unseen: held-out images, noised.
        spectrum: of all images (`covariance_spectrum`).
    """
    keys = rearrange(train, "n c h w -> n (c h w)").numpy()
    to_seen, to_unseen = _Distances(seen, keys), _Distances(unseen, keys)
    for sigma in levels:
        weights = [forms.posterior(d2, sigma**2) for d2 in to_seen.at(sigma)]
        sizes = [len(w) for w in weights]
        summaries = [forms.posterior_summary(w) for w in weights]
        posterior_max, leakage = np.average(summaries, axis=0, weights=sizes).tolist()
        ideal = torch.from_numpy(np.concatenate([forms.mean_image(w, keys) for w in weights]))
        blocks = list(to_unseen.at(sigma))
        covered = [forms.coverage(d2, sigma, keys.shape[1]) for d2 in blocks]
        yield ClosedForms(
            sigma=sigma,
            loss_ideal=float(seen.errors(ideal.view(seen.noise.shape)).mean()),
            posterior_max=posterior_max,
            coverage=float(np.average(covered, weights=[len(d2) for d2 in blocks])),
            leakage=leakage,
            image_leakage_bound=forms.image_leakage_bound(spectrum, sigma),
        )


def cutoff_report(
    corpus: Corpus,
    n_train: int,
    split_seed: int = 0,
    seed: int = 0,
    images: int = 100,
    noises: int = 8,
    tell: Tell = silent,
) -> CutoffReport:
    """Closed forms of a split at every level, and the cutoff they suggest: no network needed.

    All but coverage are those of `noise_level_curves` of a run with the same split and seed;
    coverage is of all held-out images (`MOST_UNSEEN` at most), each noised once.

    Args:
        images: training images. noises: noises of each.
        tell: hears how many levels are done; may raise to end the work.

    Raises:
        InputError: a split that cannot be made, or that leaves no image unseen.
    """
    split, sigmas = _check_split(corpus, n_train, split_seed), forms.noise_levels()
    tell("measuring noise levels", 0, len(sigmas))
    everything = torch.from_numpy(to_unit(corpus.images))
    train, heldout = everything[split.train], everything[split.heldout]
    some, others = (np.sort(order) for order in _some(split, seed, images))
    seen = Queries.draw(train[some], noises, seed, 0)
    unseen = Queries.draw(heldout[others], 1, seed, 1)
    spectrum = forms.covariance_spectrum(rearrange(everything, "n c h w -> n (c h w)").numpy())
    levels: list[ClosedForms] = []
    for level in closed_levels(train, seen, unseen, spectrum, sigmas):
        levels.append(level)
        tell("measuring noise levels", len(levels), len(sigmas))
    shares = [level.coverage for level in levels]
    found = forms.suggest_cutoff(sigmas, shares)
    warnings = []
    if len(split.heldout) < FEW_HELDOUT:
        warnings.append(
            f"coverage comes from only {len(split.heldout)} held-out images; "
            f"with {FEW_HELDOUT} or more the suggestion means more."
        )
    if found.cutoff is None:
        warnings.append(f"no cutoff suggested: {found.reason}.")
    return CutoffReport(
        corpus=corpus.name,
        n_train=n_train,
        split_seed=split_seed,
        seed=seed,
        suggested_cutoff=found.cutoff,
        suggested_ci95=_interval(sigmas, shares, len(others)) if found.cutoff else None,
        rule=forms.SUGGESTION,
        levels=tuple(levels),
        warnings=tuple(warnings),
    )


def _some(split: Split, seed: int, images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    train, heldout = shuffled(split, seed)
    return train[:images], heldout[:MOST_UNSEEN]


def _interval(sigmas: Sequence[float], shares: Sequence[float], images: int) -> Interval:
    """The last levels covered by the upper and by the lower ends of the shares' intervals."""
    from scipy.stats import binomtest  # it takes longer to import than most of what is here

    ends = [
        binomtest(round(share * images), images).proportion_ci(method="exact") for share in shares
    ]
    low, high = (forms.last_covered(sigmas, list(side)) for side in zip(*ends, strict=True))
    first, last = sigmas[0], sigmas[-1]
    return max(high, first), min(low, last)


def _check_split(corpus: Corpus, n_train: int, split_seed: int) -> Split:
    if split_seed < 0:
        raise InputError(f"split_seed is {split_seed}; expected 0 or more.")
    split = split_corpus(corpus, n_train, split_seed)
    if not len(split.heldout):
        raise InputError(
            f"n_train is {n_train}, every distinct image of '{corpus.name}', which leaves none "
            "unseen; coverage needs some. Choose fewer."
        )
    return split
