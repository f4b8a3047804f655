"""Samplers of the probability-flow ODE and its stochastic sibling, as generators.

Each takes `denoiser(x, sigma)`, starting noise and decreasing levels, and yields one record a
step, so a caller can show, stop or store any moment of the generation.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.noise import SeededNoise
from ambient.diffusion.schedule import SAMPLER_NAMES, SamplerConfig, Shape

BATCH = 64  # images sampled at once: enough to keep two cores busy, small enough to stay in cache


@dataclass(frozen=True)
class SampleStep:
    """After one step: the level it left, the noisy images now, and the denoised estimate there."""

    index: int
    sigma: float
    x: Float[Tensor, "b c h w"]
    denoised: Float[Tensor, "b c h w"]


Sampler = Callable[[Denoiser, Tensor, Tensor, SeededNoise], Iterator[SampleStep]]


def _denoise(denoiser: Denoiser, x: Tensor, sigma: Tensor) -> Tensor:
    return denoiser(x, sigma.expand(len(x)).to(x.device))


def euler(
    denoiser: Denoiser, x: Float[Tensor, "b c h w"], sigmas: Float[Tensor, " t"], noise: SeededNoise
) -> Iterator[SampleStep]:
    """First order: x' = x + (s' - s) (x - D) / s. The same as DDIM (Song et al. 2021)."""
    for i, (s, s_next) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        d = _denoise(denoiser, x, s)
        x = x + (s_next - s) * (x - d) / s
        yield SampleStep(i, float(s), x, d)


def heun(
    denoiser: Denoiser, x: Float[Tensor, "b c h w"], sigmas: Float[Tensor, " t"], noise: SeededNoise
) -> Iterator[SampleStep]:
    """Second order: Euler, then the mean of both slopes (Karras et al. 2022, algorithm 1)."""
    for i, (s, s_next) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        d = _denoise(denoiser, x, s)
        slope = (x - d) / s
        x_next = x + (s_next - s) * slope
        if s_next > 0:
            slope_next = (x_next - _denoise(denoiser, x_next, s_next)) / s_next
            x_next = x + (s_next - s) * (slope + slope_next) / 2
        x = x_next
        yield SampleStep(i, float(s), x, d)


def dpmpp_2m(
    denoiser: Denoiser, x: Float[Tensor, "b c h w"], sigmas: Float[Tensor, " t"], noise: SeededNoise
) -> Iterator[SampleStep]:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order at one call a step.

    With lambda = -ln sigma and h its step, x' = (s'/s) x - (exp(-h) - 1) D~, where D~ extrapolates
    the last two denoised images.
    """
    previous, h_previous = None, None
    for i, (s, s_next) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        d = _denoise(denoiser, x, s)
        if s_next == 0:
            x = d
        else:
            h = (s / s_next).log()
            mix = 0.0 if h_previous is None else h / (2 * h_previous)
            target = d if previous is None else (1 + mix) * d - mix * previous
            x = (s_next / s) * x - torch.expm1(-h) * target
            previous, h_previous = d, h
        yield SampleStep(i, float(s), x, d)


def ancestral(
    denoiser: Denoiser, x: Float[Tensor, "b c h w"], sigmas: Float[Tensor, " t"], noise: SeededNoise
) -> Iterator[SampleStep]:
    """Stochastic: the exact posterior step of DDPM (Ho et al. 2020) in this parametrization.

    x' = D + (s'/s)^2 (x - D) + s' sqrt(1 - (s'/s)^2) z.
    """
    for i, (s, s_next) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        d = _denoise(denoiser, x, s)
        shrink = (s_next / s) ** 2
        z = noise.draw(x.shape[1:]).to(x.device)
        x = d + shrink * (x - d) + s_next * (1 - shrink).sqrt() * z
        yield SampleStep(i, float(s), x, d)


SAMPLERS: dict[str, Sampler] = dict(
    zip(SAMPLER_NAMES, (heun, euler, dpmpp_2m, ancestral), strict=True)
)


def trajectory(
    denoiser: Denoiser, seeds: Sequence[int], shape: Shape, how: SamplerConfig
) -> Iterator[SampleStep]:
    """Sample one batch, step by step, image i from seeds[i] alone; the last `x` are the images."""
    noise = SeededNoise(seeds)
    x = noise.draw(shape).to(_device(denoiser)) * float(how.sigmas()[0])
    yield from _descend(denoiser, x, how, noise)


def _device(denoiser: Denoiser) -> torch.device:
    return next(iter(getattr(denoiser, "parameters", lambda: iter(()))()), torch.zeros(0)).device


def _descend(
    denoiser: Denoiser, x: Float[Tensor, "b c h w"], how: SamplerConfig, noise: SeededNoise
) -> Iterator[SampleStep]:
    with torch.inference_mode():
        yield from SAMPLERS[how.sampler](denoiser, x, torch.from_numpy(how.sigmas()), noise)


def sample(
    denoiser: Denoiser, seeds: Sequence[int], shape: Shape, how: SamplerConfig | None = None
) -> Iterator[Float[Tensor, "b c h w"]]:
    """Finished images in [-1, 1] (unclipped), in batches of at most 64, in the order of `seeds`.

    Example:
        >>> images = torch.cat(list(sample(denoiser, range(100), (3, 32, 32))))
    """
    how = how or SamplerConfig()
    for start in range(0, len(seeds), BATCH):
        x = None
        for record in trajectory(denoiser, seeds[start : start + BATCH], shape, how):
            x = record.x
        assert x is not None
        yield x.cpu()


def finish(
    denoiser: Denoiser, x: Float[Tensor, "n c h w"], seeds: Sequence[int], how: SamplerConfig
) -> Float[Tensor, "n c h w"]:
    """Images noised to `how.sigma_max` (`SamplerConfig.below`), sampled down to the end.

    Samplers that draw noise on the way take that of image i from seeds[i].
    """
    done = []
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        noise = SeededNoise(seeds[rows])
        *_, last = _descend(denoiser, x[rows].to(_device(denoiser)), how, noise)
        done.append(last.x.cpu())
    return torch.cat(done)
