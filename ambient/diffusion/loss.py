"""The training losses of the arms, one body for all of them."""

import torch
from jaxtyping import Float
from torch import Tensor

from ambient.diffusion.denoiser import Denoiser, edm_weight
from ambient.diffusion.noise import expand


def denoising_loss(
    denoiser: Denoiser,
    arm: str,
    clean: Float[Tensor, "b c h w"],
    frozen: Float[Tensor, "b c h w"],
    sigma: Float[Tensor, " b"],
    cutoff: float,
    sigma_data: float,
    generator: torch.Generator,
    rows: slice = slice(None),
) -> Float[Tensor, " k"]:
    """The loss of each image in a batch, in units of the EDM loss (arXiv 2502.21278).

    Above the cutoff the ambient arms see only y = clean + cutoff * z. With r = cutoff^2 / sigma^2

        x = y + sqrt(sigma^2 - cutoff^2) * eps        (total noise level sigma)
        loss = lambda(sigma) * || (1 - r) * D(x, sigma) + r * x  -  y ||^2

    whose minimiser, with unlimited data, is D = E[clean | x]. Below it r = 0 and y = clean: the
    EDM loss. So `standard` is r = 0 everywhere, and a cutoff of 0 changes nothing.

    Args:
        frozen: the frozen noisy copies of `clean` (`corrupt`); read by ambient and noisy-only.
        generator: draws eps, and the redrawn copies of `fresh`, for the whole batch.
        rows: the k images whose losses are wanted.
    """

    shape = clean.shape
    clean, frozen, sigma = clean[rows], frozen[rows], sigma[rows]

    def noise() -> Tensor:  # drawn on the CPU: the same numbers on every device
        return torch.randn(shape, generator=generator)[rows].to(clean.device)

    eps = noise()
    r = torch.where(sigma > cutoff, (cutoff / sigma) ** 2, torch.zeros_like(sigma))
    weight = edm_weight(sigma, sigma_data)
    if arm == "reweight":
        weight, r = weight * (1 - r) ** 2, torch.zeros_like(r)
    elif arm == "standard":
        r = torch.zeros_like(r)
    elif arm == "fresh":
        frozen = clean + cutoff * noise()
    high = expand(r)
    y = torch.where(high > 0, frozen, clean)
    x = y + expand(sigma) * (1 - high).sqrt() * eps
    prediction = (1 - high) * denoiser(x, sigma) + high * x
    return weight * ((prediction - y) ** 2).mean(dim=(1, 2, 3))
