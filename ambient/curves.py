"""Memorization noise level by noise level: what the data gives away, and what a network learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ambient.config import Config
from ambient.corpus import to_unit
from ambient.denoiser import Denoiser, squared_distances
from ambient.errors import InputError
from ambient.noise import SeededNoise, derive_seed
from ambient.run import Run
from ambient.sampler import SamplerConfig

CONFIDENCE = 5.0  # c: shells hold a noised image with probability >= 1 - exp(-c) on each side


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


@dataclass(frozen=True)
class Subset:
    """Images whose errors are measured: drawn once, and stored with the curves."""

    train: NDArray[np.int64]
    heldout: NDArray[np.int64]
    noises: int
    seed: int


def ratio_interval(
    train: NDArray[np.float64], heldout: NDArray[np.float64], seed: int, draws: int = 1000
) -> tuple[float, float]:
    """95 % image-bootstrap interval of mean(heldout) / mean(train).

    Args:
        train, heldout: one error an image.
    """
    rng = np.random.default_rng([seed, 0xB007])

    def means(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[rng.integers(len(x), size=(draws, len(x)))].mean(1)

    low, high = np.quantile(means(heldout) / means(train), [0.025, 0.975])
    return float(low), float(high)


def _noised(
    images: Float[Tensor, "n c h w"], sigma: float, subset: Subset, tag: int
) -> Float[Tensor, "m c h w"]:
    """Each image with `noises` noises, the same ones at every level (common random numbers)."""
    seeds = [
        derive_seed(subset.seed, tag, i, j)
        for i in range(len(images))
        for j in range(subset.noises)
    ]
    clean = repeat(images, "n c h w -> (n k) c h w", k=subset.noises)
    return clean + sigma * SeededNoise(seeds).draw(images.shape[1:])


def _errors(
    denoised: Float[Tensor, "m c h w"], images: Float[Tensor, "n c h w"], noises: int
) -> NDArray[np.float64]:
    """Mean squared error an element, one an image."""
    clean = repeat(images, "n c h w -> (n k) c h w", k=noises)
    per = reduce((denoised.double() - clean) ** 2, "(n k) c h w -> n", "mean", k=noises)
    return per.numpy()


def _in_batches(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    with torch.inference_mode():
        return torch.cat([denoiser(b, torch.full((len(b),), sigma)) for b in x.split(64)])


def noise_level_curves(
    run: Run,
    step: int | None = None,
    images: int = 100,
    noises: int = 8,
    seed: int = 0,
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """The pack of curves of a run.

    Args:
        images: train and held-out images each, drawn with `seed`.
        noises: noises an image.

    Yields:
        (levels done, levels in all, the curves so far): the last one is complete.

    Raises:
        InputError: an unusable run or corpus.
    """
    config, corpus = run.config, run.corpus()
    split = run.split(corpus)
    if len(split.heldout) < 2:
        raise InputError(
            f"run '{run.name}' trained on {len(split.train)} of {len(corpus)} images, which leaves "
            f"{len(split.heldout)} unseen ones; curves compare with at least 2. Train on fewer."
        )
    rng = np.random.default_rng([seed, 0xC0])
    subset = Subset(
        train=np.sort(rng.permutation(len(split.train))[:images]),
        heldout=np.sort(rng.permutation(len(split.heldout))[:images]),
        noises=noises,
        seed=seed,
    )
    all_train = torch.from_numpy(to_unit(corpus.images[split.train]))
    train = all_train[torch.from_numpy(subset.train)]
    heldout = torch.from_numpy(to_unit(corpus.images[split.heldout[subset.heldout]]))
    denoiser = run.denoiser(step)
    levels = noise_levels(config.cutoff)
    pack: dict[str, Any] = {
        "run": run.name,
        "step": run.last_step if step is None else step,
        "checkpoint_sha256": run.checkpoint_sha256(step),
        "cutoff": config.cutoff,
        "subset": {
            "train": subset.train.tolist(),
            "heldout": subset.heldout.tolist(),
            "noises": noises,
            "seed": seed,
        },
        "sampler_sigmas": [round(float(s), 5) for s in SamplerConfig().sigmas()[:-1]],
        "levels": [],
    }
    for k, sigma in enumerate(levels, 1):
        noised = {
            "train": _noised(train, sigma, subset, 0),
            "heldout": _noised(heldout, sigma, subset, 1),
        }
        network = {
            name: _errors(_in_batches(denoiser, x, sigma), clean, noises)
            for (name, x), clean in zip(noised.items(), (train, heldout), strict=True)
        }
        low, high = ratio_interval(network["train"], network["heldout"], seed)
        pack["levels"].append(
            {
                "sigma": sigma,
                "loss_train": float(network["train"].mean()),
                "loss_heldout": float(network["heldout"].mean()),
                **_closed_forms(noised, all_train, train, sigma, noises),
                "gap_ratio": float(network["heldout"].mean() / network["train"].mean()),
                "gap_ratio_ci95": [low, high],
                "train_density": _density(sigma, config),
            }
        )
        yield k, len(levels), pack


def _closed_forms(
    noised: dict[str, Tensor],
    all_train: Float[Tensor, "n c h w"],
    train: Float[Tensor, "m c h w"],
    sigma: float,
    noises: int,
) -> dict[str, float]:
    """What needs no training: the ideal denoiser's error, W, leakage and coverage."""
    keys = rearrange(all_train, "n c h w -> n (c h w)")
    d2 = {
        name: squared_distances(rearrange(x, "q c h w -> q (c h w)"), keys)
        for name, x in noised.items()
    }
    weights = torch.softmax(-d2["train"] / (2 * sigma**2), dim=1)
    ideal = (weights @ keys.double()).reshape(noised["train"].shape)
    posterior_max, leakage = posterior_summary(d2["train"], sigma)
    return {
        "loss_ideal": float(_errors(ideal, train, noises).mean()),
        "posterior_max": posterior_max,
        "coverage": coverage(d2["heldout"], sigma, keys.shape[1]),
        "leakage": leakage,
    }


def _density(sigma: float, config: Config) -> float:
    """Training draws a unit of ln sigma; `noisy-only` draws above its cutoff alone."""

    def z(level: float) -> float:
        return (math.log(level) - config.p_mean) / config.p_std

    density = math.exp(-0.5 * z(sigma) ** 2) / (config.p_std * math.sqrt(2 * math.pi))
    if config.arm != "noisy-only":
        return density
    above = 0.5 * (1 - math.erf(z(config.cutoff) / math.sqrt(2)))
    return density / above if sigma > config.cutoff else 0.0
