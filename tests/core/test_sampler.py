"""Samplers against exact solutions, and pictures that depend on their seed alone."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ambient.copies.rules import find_copies
from ambient.diffusion.denoiser import splice
from ambient.diffusion.samplers import SAMPLERS, sample, trajectory
from ambient.diffusion.schedule import SamplerConfig, sampler_of
from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus, to_unit
from ambient.runs.folder import Run
from tests.ideal import ambient_ideal, ideal

SHAPE = (1, 8, 8)
SD = 0.5


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """The exact denoiser of N(0, SD^2) data."""
    return x * SD**2 / (SD**2 + sigma[:, None, None, None] ** 2)


def draw(denoiser: object, n: int, **choices: object) -> Tensor:
    return torch.cat(list(sample(denoiser, range(n), SHAPE, SamplerConfig(**choices))))  # type: ignore[arg-type]


def exact_end(n: int) -> Tensor:
    """The probability-flow ODE of Gaussian data scales the noise by sqrt(SD^2/(SD^2+s^2))."""
    start = next(trajectory(gaussian, range(n), SHAPE, SamplerConfig(sampler="euler")))
    sigma = torch.tensor(40.0)
    x = start.denoised * (SD**2 + sigma**2) / SD**2
    return x * SD / (SD**2 + sigma**2).sqrt()


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp-2m", 2)])
def test_order_of_convergence(name: str, order: int) -> None:
    truth = exact_end(4)
    errors = [
        (draw(gaussian, 4, sampler=name, steps=k, sigma_min=1e-3) - truth).abs().mean()
        for k in (40, 80)
    ]
    assert errors[1] < errors[0] / 2 ** (order - 0.3)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_gives_the_datas_spread(name: str) -> None:
    x = draw(gaussian, 200, sampler=name, steps=400)
    assert_close(x.std(), torch.tensor(SD), rtol=0.03, atol=0)
    assert abs(x.mean()) < 0.02


@pytest.mark.parametrize("kind", ["ideal", "ambient ideal"])
def test_the_ideal_denoisers_copy_everything(emoji: Corpus, kind: str) -> None:
    """Exact minimisers copy, ambient or not: the closed form is no evidence for the method."""
    split = split_corpus(emoji, 40, 0)
    train = torch.from_numpy(to_unit(emoji.images[split.train]))
    frozen = train + 1.0 * torch.randn(train.shape, generator=torch.Generator().manual_seed(0))
    denoiser = ideal(train) if kind == "ideal" else ambient_ideal(train, frozen, 1.0)
    x = torch.cat(list(sample(denoiser, range(100), (3, 32, 32))))
    heldout = to_unit(emoji.images[split.heldout])
    verdict, neighbors = find_copies(x.numpy(), train.numpy(), heldout)
    assert verdict.rate == 1.0
    assert len(np.unique(neighbors.nearest)) > 20


def test_a_picture_depends_on_its_seed_alone(tiny_run: Run) -> None:
    denoiser = tiny_run.denoiser()
    many = torch.cat(list(sample(denoiser, range(70), SHAPE)))
    few = torch.cat(list(sample(denoiser, [3, 66], SHAPE)))
    assert_close(few, many[[3, 66]], rtol=0, atol=1e-4)


def test_noisy_only_stops_where_its_knowledge_ends(tiny_run: Run) -> None:

    config = tiny_run.config.replace(arm="noisy-only", cutoff=0.8)
    sigmas = sampler_of(config).sigmas()
    assert sigmas[-2] == pytest.approx(0.84)
    last = list(trajectory(gaussian, range(2), SHAPE, sampler_of(config)))[-1]
    assert_close(last.x, last.denoised)


def test_splice_switches_where_it_says() -> None:
    denoiser = splice(lambda x, s: x * 0 + 1, lambda x, s: x * 0 - 1, switch=0.8)
    out = denoiser(torch.zeros(3, 1, 2, 2), torch.tensor([0.5, 0.8, 0.81]))
    assert_close(out[:, 0, 0, 0], torch.tensor([-1.0, -1.0, 1.0]))


def test_unusable_choices_are_refused() -> None:
    with pytest.raises(InputError, match="sampler is 'ddpm'; expected one of heun"):
        SamplerConfig(sampler="ddpm")
    with pytest.raises(InputError, match="steps is 1; expected 2 to 1000"):
        SamplerConfig(steps=1)
