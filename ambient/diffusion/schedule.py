"""How samples are drawn: which sampler, at which noise levels, and where it stops. No torch."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from msgspec.structs import replace

from ambient.config import Config
from ambient.diffusion.closed_forms import AMBIENT_MARGIN
from ambient.files import InputError, Record

Shape = tuple[int, int, int]  # (c, h, w)
SAMPLER_NAMES = ("heun", "euler", "dpmpp-2m", "ancestral")  # `samplers` has a function for each
# Steps from sigma_max to 0 for pictures sampled down from a level, which takes its share of them.
# On the bundled emoji runs 9 give the verdicts of 36 for all but one image in 144 (6 steps: all but
# ten), at a quarter of the cost.
RETURN_STEPS = 9


def karras_sigmas(
    steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> Float[np.ndarray, " steps"]:
    """`steps` decreasing noise levels, float32, dense where sigma is small (EDM, equation 5)."""
    t = np.linspace(0, 1, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    levels: Float[np.ndarray, " steps"] = ((high + t * (low - high)) ** rho).astype(np.float32)
    return levels


class SamplerConfig(Record, frozen=True):
    """How to sample. `stop_at` ends early and returns the denoised image at that level."""

    sampler: str = "heun"
    steps: int = 18  # EDM's count for 32x32: 35 network calls with Heun
    sigma_min: float = 0.01  # half of an 8-bit level on [-1, 1] is 0.004
    sigma_max: float = 40.0  # 70 standard deviations of the data: pure noise
    rho: float = 7.0
    stop_at: float = 0.0  # noisy-only models know nothing below 1.05 cutoffs

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLER_NAMES:
            raise InputError(
                f"sampler is '{self.sampler}'; expected one of {', '.join(SAMPLER_NAMES)}."
            )
        if not 2 <= self.steps <= 1000:
            raise InputError(f"steps is {self.steps}; expected 2 to 1000 sampling steps.")

    def sigmas(self) -> Float[np.ndarray, " t"]:
        """The levels visited, float32, sigma_max first, 0 last."""
        low = max(self.sigma_min, self.stop_at)
        levels = karras_sigmas(self.steps, low, self.sigma_max, self.rho)
        return np.append(levels, np.float32(0))

    def below(self, sigma: float) -> SamplerConfig:
        """The rest of the way from `sigma`: as densely spaced, so with fewer steps.

        Karras levels are even in sigma^(1/rho), so the steps are the share of that range left.

        Raises:
            InputError: sigma is not above the level where sampling ends.
        """
        low = max(self.sigma_min, self.stop_at)
        if sigma <= low:
            raise InputError(
                f"sigma is {sigma:g}; expected a level above {low:g}, where sampling ends."
            )
        ends = [s ** (1 / self.rho) for s in (low, sigma, self.sigma_max)]
        share = (ends[1] - ends[0]) / (ends[2] - ends[0])
        return replace(self, steps=max(2, math.ceil(share * self.steps)), sigma_max=sigma)


def sampler_of(config: Config, sampler: str = "heun", steps: int = 18) -> SamplerConfig:
    """The sampler for a run: noisy-only models must stop where their knowledge ends."""
    stop = AMBIENT_MARGIN * config.cutoff if config.arm == "noisy-only" else 0.0
    return SamplerConfig(sampler, steps, stop_at=stop)


def train_density(sigma: float, config: Config) -> float:
    """Training draws a unit of ln sigma; `noisy-only` draws above its cutoff alone."""

    def z(level: float) -> float:
        return (math.log(level) - config.p_mean) / config.p_std

    density = math.exp(-0.5 * z(sigma) ** 2) / (config.p_std * math.sqrt(2 * math.pi))
    if config.arm != "noisy-only":
        return density
    above = 0.5 * (1 - math.erf(z(config.cutoff) / math.sqrt(2)))
    return density / above if sigma > config.cutoff else 0.0
