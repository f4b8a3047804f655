"""The one contract, `denoiser(x, sigma) -> denoised`, and everything that obeys it.

Samplers, losses and metrics know nothing else. `x` is a clean image in [-1, 1] plus
sigma times standard normal noise; the result estimates the clean image.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ambient.diffusion.bands import Bands
from ambient.diffusion.noise import expand


@runtime_checkable
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
        words: Float[Tensor, "b t v"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """D(x, sigma). A network that was trained so is told how x was augmented, and a prompt."""
        s = expand(sigma)
        sd: Tensor | float = self.sigma_data
        if self.bands:
            x, sd = self.bands.split(x), sd * self.bands.ratios
        norm = (s**2 + sd**2).sqrt()
        c_skip, c_out, c_in = sd**2 / norm**2, s * sd / norm, 1 / norm
        low = self.dtype != torch.float32
        with torch.autocast(x.device.type, dtype=self.dtype if low else None, enabled=low):
            told = {k: v for k, v in (("moves", moves), ("words", words)) if v is not None}
            out = self.network(c_in * x, sigma.log() / 4, **told)
        denoised = c_skip * x + c_out * out.float()
        return self.bands.join(denoised) if self.bands else denoised


class Prompted(nn.Module):
    """A denoiser, trained with captions, that holds to a prompt: D0 + g (Dc - D0).

    Dc is told the words, D0 none. That is classifier-free guidance (Ho and Salimans 2022, equation
    6, with g = w + 1): g = 1 is the network told the prompt, 0 the network told nothing.

    Args:
        words: (1, t, v) for all images alike, or (b, t, v) for a batch of b.
    """

    def __init__(
        self, denoiser: nn.Module, words: Float[Tensor, "b t v"], guidance: float = 1.0
    ) -> None:
        super().__init__()
        self.denoiser, self.words, self.guidance = denoiser, words, guidance

    def forward(
        self, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]:
        if self.guidance == 0:
            return self.denoiser(x, sigma)
        told, untold = self.both(x, sigma, self.guidance != 1)
        return told if untold is None else untold + self.guidance * (told - untold)

    def both(
        self, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"], untold: bool = True
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"] | None]:
        """Dc and D0, the second only where it is wanted."""
        words = self.words.to(x.device).expand(len(x), -1, -1)
        told = self.denoiser(x, sigma, words=words)
        return told, self.denoiser(x, sigma) if untold else None


def edm_weight(sigma: Float[Tensor, " b"], sigma_data: float) -> Float[Tensor, " b"]:
    """lambda(sigma): makes the loss on F an unweighted one (weight * c_out^2 = 1)."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2


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
