"""The exact minimisers of the losses on n images, as denoisers: what training is led to."""

import numpy as np
import torch
from torch import Tensor

from ambient.diffusion.closed_forms import (
    AMBIENT_MARGIN,
    Keys,
    mean_image,
    posterior,
    squared_distances,
)
from ambient.diffusion.denoiser import Denoiser, splice
from ambient.diffusion.noise import expand


def ideal_rows(x: np.ndarray, images: Keys, variance: float | np.ndarray) -> np.ndarray:
    """The mean of n images (n, d) under the posterior of each noisy row of x (q, d)."""
    return mean_image(posterior(squared_distances(x, images), variance), images)


def ideal(images: Tensor) -> Denoiser:
    """The denoiser that memorizes images (n, c, h, w): sampled, it gives them back."""
    keys = _rows(images)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return _like(x, ideal_rows(_rows(x), keys, _variance(sigma)))

    return denoise


def ambient_ideal(images: Tensor, frozen: Tensor, cutoff: float) -> Denoiser:
    """The exact minimiser of the ambient loss on n images and their frozen noisy copies.

    Above the cutoff it knows only the copies: E[y|x] = sum_i w_i y_i with weights at variance
    sigma^2 - cutoff^2, and D = (sigma^2 E[y|x] - cutoff^2 x) / (sigma^2 - cutoff^2). Below 1.05
    cutoffs, where that blows up, it is `ideal`. It still copies.
    """
    copies = _rows(frozen)

    def noisy(x: Tensor, sigma: Tensor) -> Tensor:
        y = _like(x, ideal_rows(_rows(x), copies, _variance(sigma) - cutoff**2))
        s2 = expand(sigma**2)
        return (s2 * y - cutoff**2 * x) / (s2 - cutoff**2)

    return splice(noisy, ideal(images), AMBIENT_MARGIN * cutoff)


def _rows(x: Tensor) -> np.ndarray:
    return x.flatten(1).numpy()


def _variance(sigma: Tensor) -> np.ndarray:
    return sigma.double().numpy() ** 2


def _like(x: Tensor, rows: np.ndarray) -> Tensor:
    return torch.from_numpy(rows).view(x.shape).to(x)
