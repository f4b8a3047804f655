"""Frequency bands of patches, and the network that sees them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ambient.config import Config, configure
from ambient.diffusion.bands import Bands
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.training import Trainer, train
from ambient.images.corpus import load_corpus, split_corpus, to_unit
from ambient.runs.weights import load_weights, save_weights


def usual(**choices: object) -> Config:
    choices = {"n_train": 20, "steps": 3, "batch": 4, "width": 16, "network": "bands", **choices}
    return configure(load_corpus("emoji"), **choices)  # type: ignore[arg-type]


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_bands_are_another_view_of_the_same_numbers(patch: int) -> None:
    x = torch.randn(3, 3, 16, 16)
    bands = Bands(3, patch)
    split = bands.split(x)
    assert split.shape == (3, 3 * patch**2, 16 // patch, 16 // patch)
    torch.testing.assert_close(split.square().sum(), x.square().sum())
    torch.testing.assert_close(bands.join(split), x)


@pytest.mark.parametrize("patch", [2, 4])
def test_the_first_band_of_a_channel_is_its_mean(patch: int) -> None:
    x = torch.randn(2, 3, 8, 8)
    means = torch.nn.functional.avg_pool2d(x, patch) * patch
    torch.testing.assert_close(Bands(3, patch).split(x)[:, :: patch**2], means)


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_ratios_share_out_the_variance_of_a_pixel(patch: int) -> None:
    ratios = Bands(1, patch).ratios.flatten()
    assert ratios.square().mean().item() == pytest.approx(1)
    assert ratios.argmax() == 0 and ratios.argmin() == patch**2 - 1


def test_a_network_that_says_nothing_leaves_a_wiener_filter() -> None:
    bands = Bands(3, 2)
    silent = EDM(Silence(), 0.5, bands=bands)
    x, sigma = torch.randn(2, 3, 8, 8), torch.tensor([0.1, 2.0])
    variance = (0.5 * bands.ratios) ** 2
    kept = variance / (variance + sigma[:, None, None, None] ** 2)
    torch.testing.assert_close(bands.split(silent(x, sigma)), kept * bands.split(x))


class Silence(torch.nn.Module):
    def forward(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def test_it_trains_stores_and_opens(tmp_path: Path) -> None:
    corpus, c = load_corpus("emoji"), usual(arm="ambient", cutoff=1.0)
    indices = split_corpus(corpus, c.n_train, 0).train
    trainer = Trainer(c, torch.from_numpy(to_unit(corpus.images[indices])), indices)
    assert all(np.isfinite(done.loss) for done in train(trainer))
    save_weights(tmp_path / "w.safetensors", trainer.average)
    opened = load_weights(tmp_path / "w.safetensors", c)
    x, sigma = torch.randn(2, 3, 32, 32), torch.tensor([0.2, 3.0])
    with torch.inference_mode():
        torch.testing.assert_close(
            opened(x, sigma), trainer.average(x, sigma), atol=5e-3, rtol=5e-3
        )
