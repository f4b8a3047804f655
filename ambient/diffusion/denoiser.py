"""The one contract, `denoiser(x, sigma) -> denoised`, and everything that obeys it.

Samplers, losses and metrics know nothing else. `x` is a clean image in [-1, 1] plus
sigma times standard normal noise; the result estimates the clean image.
"""

from __future__ import annotations

from typing import Protocol

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ambient.diffusion.bands import Bands
from ambient.diffusion.noise import expand

AMBIENT_MARGIN = 1.05  # below this multiple of the cutoff the ambient closed form blows up


class Denoiser(Protocol):
    """The contract."""

    def __call__(
        self, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]: ...


class EDM(nn.Module):
    """EDM preconditioning around a network F (Karras et al. 2022, equation 7).

    D(x, sigma) = c_skip * x + c_out * F(c_in * x, c_noise), with inputs and targets of F at unit
    variance for images of standard deviation `sigma_data`. With `bands` all of that holds for each
    frequency band by itself, whose standard deviation is its ratio times `sigma_data`.

    Args:
        network: F(x, c_noise), of the bands where there are any.
        sigma_data: standard deviation of the clean images.
        dtype: F runs in this type under autocast; everything outside stays float32.
        bands: how images are split; None: not at all.
    """

    def __init__(
        self,
        network: nn.Module,
        sigma_data: float,
        dtype: torch.dtype = torch.float32,
        bands: Bands | None = None,
    ) -> None:
        super().__init__()
        self.network, self.sigma_data, self.dtype, self.bands = network, sigma_data, dtype, bands

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        sigma: Float[Tensor, " b"],
        moves: Float[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """D(x, sigma); `moves` tells a network that was trained so how x was augmented."""
        s = expand(sigma)
        sd: Tensor | float = self.sigma_data
        if self.bands:
            x, sd = self.bands.split(x), sd * self.bands.ratios
        norm = (s**2 + sd**2).sqrt()
        c_skip, c_out, c_in = sd**2 / norm**2, s * sd / norm, 1 / norm
        low = self.dtype != torch.float32
        with torch.autocast(x.device.type, dtype=self.dtype if low else None, enabled=low):
            given = (c_in * x, sigma.log() / 4)
            out = self.network(*given) if moves is None else self.network(*given, moves)
        denoised = c_skip * x + c_out * out.float()
        return self.bands.join(denoised) if self.bands else denoised


def edm_weight(sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
    """lambda(sigma): makes the loss on F an unweighted one (weight * c_out^2 = 1)."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


def squared_distances(q: Float[Tensor, "q d"], k: Float[Tensor, "n d"]) -> Float[Tensor, "q n"]:
    """||q - k||^2 in float64 by expanding the square, never negative; 4,096 keys at a time."""
    q = q.double()
    norms = (q**2).sum(1, keepdim=True)
    blocks = (block.double() for block in k.split(4096))
    return torch.cat([(norms + (b**2).sum(1) - 2 * q @ b.T).clamp_min(0) for b in blocks], dim=1)


def posterior(
    x: Float[Tensor, "b c h w"], images: Float[Tensor, "n c h w"], variance: Float[Tensor, " b"]
) -> Float[Tensor, "b n"]:
    """p(image i | x) when one of n images, all equally likely, plus N(0, variance) noise gave x.

    softmax(-||x - x_i||^2 / (2 variance)).
    """
    d2 = squared_distances(
        rearrange(x, "b c h w -> b (c h w)"), rearrange(images, "n c h w -> n (c h w)")
    )
    return torch.softmax(-d2 / (2 * variance.double()[:, None]), dim=1)


def ideal(images: Float[Tensor, "n c h w"]) -> Denoiser:
    """The denoiser that memorizes: the exact minimiser of the standard loss on n images.

    D(x, sigma) = sum_i w_i x_i with the posterior weights w: sampled, it returns training images.
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        w = posterior(x, images, sigma**2).float()
        return torch.einsum("bn,nchw->bchw", w, images)

    return denoise


def ambient_ideal(
    images: Float[Tensor, "n c h w"], frozen: Float[Tensor, "n c h w"], cutoff: float
) -> Denoiser:
    """The exact minimiser of the ambient loss on n images and their frozen noisy copies.

    Above the cutoff it knows only the copies: E[y|x] = sum_i w_i y_i with weights at variance
    sigma^2 - cutoff^2, and D = (sigma^2 E[y|x] - cutoff^2 x) / (sigma^2 - cutoff^2). Below 1.05
    cutoffs, where that blows up, it is `ideal`. It still copies: it explains what the network is
    asked to learn, and is no evidence for the method.
    """
    clean = ideal(images)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        high = sigma > AMBIENT_MARGIN * cutoff
        variance = torch.where(high, sigma**2 - cutoff**2, torch.ones_like(sigma))
        y = torch.einsum("bn,nchw->bchw", posterior(x, frozen, variance).float(), frozen)
        s2, v = expand(sigma**2), expand(variance)
        return torch.where(expand(high), (s2 * y - cutoff**2 * x) / v, clean(x, sigma))

    return denoise


def splice(above: Denoiser, below: Denoiser, switch: float) -> Denoiser:
    """`above` where sigma > switch, `below` elsewhere: which half decides what is copied?"""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        high = sigma > switch
        out = torch.empty_like(x)
        if high.any():
            out[high] = above(x[high], sigma[high])
        if not high.all():
            out[~high] = below(x[~high], sigma[~high])
        return out

    return denoise
