"""Noise levels and seeded noise: every random number comes from a seed that is an argument."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def expand(sigma: Float[Tensor, " b"]) -> Float[Tensor, "b 1 1 1"]:
    """The one place where a noise level meets the shape of an image."""
    return sigma[:, None, None, None]


def derive_seed(*parts: int) -> int:
    """A 63-bit seed from several integers, independent for different ones (numpy SeedSequence)."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Networks made within begin with weights of that seed; the global generator stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class SeededNoise:
    """One generator an image: picture i depends on seeds[i] alone, in any batch."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator().manual_seed(int(s)) for s in seeds]

    def draw(self, shape: Sequence[int]) -> Float[Tensor, "b c h w"]:
        """The next standard normal image of each generator."""
        return torch.stack([torch.randn(tuple(shape), generator=g) for g in self.generators])


def lognormal_sigmas(
    b: int, p_mean: float, p_std: float, generator: torch.Generator, above: float = 0.0
) -> Float[Tensor, " b"]:
    """b stratified draws of exp(N(p_mean, p_std^2)) (EDM, Karras et al. 2022, table 1).

    Stratified: one draw in each of b equally likely bins, which lowers the variance of the loss
    at no cost. `above` restricts the law to sigma > above.
    """
    lowest = 0.0
    if above > 0:
        lowest = 0.5 * (1 + math.erf((math.log(above) - p_mean) / (p_std * math.sqrt(2))))
    u = (torch.arange(b) + torch.rand(b, generator=generator, dtype=torch.float64)) / b
    u = (lowest + (1 - lowest) * u).clamp(1e-9, 1 - 1e-9)
    return (p_mean + p_std * torch.special.ndtri(u)).exp().float()
