"""The method: frozen copies, the ambient loss, and the minimum it is led to."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ambient.config import Config, configure
from ambient.diffusion.corruption import corrupt
from ambient.diffusion.denoiser import edm_weight
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import lognormal_sigmas
from ambient.diffusion.training import Trainer, train
from ambient.images.corpus import Corpus, split_corpus, to_unit
from tests.ideal import ambient_ideal, ideal


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trainer(corpus: Corpus, **choices: object) -> Trainer:
    config: Config = configure(corpus, n_train=16, batch=8, width=16, steps=10, **choices)  # type: ignore[arg-type]
    split = split_corpus(corpus, 16, 0)
    return Trainer(config, torch.from_numpy(to_unit(corpus.images[split.train])), split.train)


def test_two_visits_see_the_same_noisy_copy(digits: Corpus) -> None:
    first = trainer(digits, arm="ambient", cutoff=1.0)
    before = first.frozen.clone()
    for _ in train(first):
        pass
    assert_close(first.frozen, before, rtol=0, atol=0)
    again = corrupt(first.images, first.indices.tolist(), 1.0, first.config.seed)
    assert_close(again, before, rtol=0, atol=0)


def test_a_copy_depends_on_image_and_seed_alone() -> None:
    images = torch.zeros(3, 1, 8, 8)
    y = corrupt(images, [5, 9, 5], 2.0, seed=1)
    assert_close(y[0], y[2], rtol=0, atol=0)
    assert not torch.equal(y[0], y[1])
    assert not torch.equal(y, corrupt(images, [5, 9, 5], 2.0, seed=2))
    many = corrupt(torch.zeros(400, 1, 8, 8), range(400), 2.0, seed=1)
    assert_close(many.std(), torch.tensor(2.0), rtol=0.02, atol=0)


def test_cutoff_zero_is_ordinary_training_step_for_step(digits: Corpus) -> None:
    runs = [trainer(digits, arm="standard"), trainer(digits, arm="ambient", cutoff=0.0)]
    losses = [[step.loss for step in train(t)] for t in runs]
    assert losses[0] == losses[1]
    weights = [t.denoiser.state_dict() for t in runs]
    for name, value in weights[0].items():
        assert_close(value, weights[1][name], rtol=0, atol=0)


def test_below_the_cutoff_all_arms_but_noisy_only_are_the_edm_loss() -> None:
    clean, frozen = torch.randn(2, 4, 1, 8, 8, generator=generator())
    sigma = torch.full((4,), 0.3)

    def shrink(x: Tensor, s: Tensor) -> Tensor:
        return x / (1 + s[:, None, None, None] ** 2)

    losses = {
        arm: denoising_loss(shrink, arm, clean, frozen, sigma, 0.5, 1.0, generator())
        for arm in ("standard", "ambient", "reweight")
    }
    x = clean + 0.3 * torch.randn(clean.shape, generator=generator())
    direct = edm_weight(sigma, 1.0) * ((shrink(x, sigma) - clean) ** 2).mean((1, 2, 3))
    for loss in losses.values():
        assert_close(loss, direct)


def test_ambient_loss_is_the_edm_loss_against_a_noisier_target() -> None:
    """science: with weight lambda (1 - r)^2 and target y - r / (1 - r) (x - y)."""
    clean = torch.randn(6, 1, 8, 8, generator=generator(1))
    frozen = clean + 0.5 * torch.randn(clean.shape, generator=generator(2))
    sigma = torch.tensor([0.55, 0.7, 1.0, 2.0, 5.0, 20.0])

    def half(x: Tensor, s: Tensor) -> Tensor:
        return x / 2

    loss = denoising_loss(half, "ambient", clean, frozen, sigma, 0.5, 1.0, generator(3))
    r = (0.5 / sigma)[:, None, None, None] ** 2
    eps = torch.randn(clean.shape, generator=generator(3))
    x = frozen + sigma[:, None, None, None] * (1 - r).sqrt() * eps
    target = frozen - r / (1 - r) * (x - frozen)
    error = ((1 - r) ** 2 * (half(x, sigma) - target) ** 2).mean((1, 2, 3))
    assert_close(loss, edm_weight(sigma, 1.0) * error)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 4.0])
def test_the_trained_optimum_is_the_closed_form(sigma: float) -> None:
    """Least squares on noised copies, at one level, over affine maps of posterior weights.

    Two images of one pixel: D(x) is regressed on bins of x, and each bin's best value must be the
    closed form's mean there.
    """
    images = torch.tensor([-0.7, 0.9]).reshape(2, 1, 1, 1)
    cutoff = 0.5
    frozen = corrupt(images, [0, 1], cutoff, seed=3)
    g, count = generator(4), 400_000
    pick = torch.randint(2, (count,), generator=g)
    y = frozen[pick].flatten()
    x = y + (sigma**2 - cutoff**2) ** 0.5 * torch.randn(count, generator=g)
    r = cutoff**2 / sigma**2
    target = (y - r * x) / (1 - r)  # what D must be for (1 - r) D + r x to equal y
    bins = torch.bucketize(x, torch.quantile(x[:100_000], torch.linspace(0.05, 0.95, 15)))
    oracle = ambient_ideal(images, frozen, cutoff)(
        x.reshape(-1, 1, 1, 1), torch.full((count,), sigma)
    ).flatten()
    for b in range(16):
        inside = bins == b
        error = target[inside].std() / inside.sum() ** 0.5
        assert abs(target[inside].mean() - oracle[inside].mean()) < 4 * error


def test_noisy_only_never_trains_below_its_cutoff() -> None:
    sigma = lognormal_sigmas(4096, -0.9, 1.2, generator(), above=0.7)
    assert sigma.min() > 0.7
    free = lognormal_sigmas(4096, -0.9, 1.2, generator())
    logs = free.log()
    assert_close(logs.mean(), torch.tensor(-0.9), rtol=0, atol=0.01)
    assert_close(logs.std(), torch.tensor(1.2), rtol=0.02, atol=0)


def test_edm_weight_undoes_the_output_scale() -> None:
    sigma, sd = torch.logspace(-2, 2, 9), 0.6
    c_out = sigma * sd / (sigma**2 + sd**2).sqrt()
    assert_close(edm_weight(sigma, sd) * c_out**2, torch.ones(9))


@pytest.mark.parametrize("arm", ["standard", "ambient", "fresh", "reweight"])
def test_the_loss_lives_on_the_devices_of_its_images(arm: str) -> None:
    """On the meta device, which refuses to mix with the CPU as a GPU does."""
    clean = torch.zeros(4, 1, 8, 8, device="meta")
    sigma = torch.ones(4, device="meta")
    loss = denoising_loss(lambda x, s: x, arm, clean, clean, sigma, 0.5, 1.0, generator())
    assert loss.device.type == "meta"


def test_ideal_denoiser_limits() -> None:
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 1, 4, 4))).float()
    x = images[2:3] + 0.01
    assert_close(ideal(images)(x, torch.tensor([0.01])), images[2:3])
    far = ideal(images)(x, torch.tensor([1e4]))
    assert_close(far, images.mean(0, keepdim=True), rtol=1e-3, atol=1e-3)
