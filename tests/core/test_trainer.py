"""Training steps: the fast forms compute what the plain ones do."""

import pytest
import torch
from torch.testing import assert_close

from ambient.config import configure
from ambient.diffusion.training import Trainer, build_denoiser
from ambient.images.corpus import Corpus, split_corpus, to_unit


def trainer(corpus: Corpus, **choices: object) -> Trainer:
    config = configure(corpus, n_train=16, batch=8, width=16, steps=10, **choices)  # type: ignore[arg-type]
    split = split_corpus(corpus, 16, 0)
    return Trainer(config, torch.from_numpy(to_unit(corpus.images[split.train])), split.train)


def test_the_average_is_the_plain_exponential_one(digits: Corpus) -> None:
    ours = trainer(digits)
    plain = [p.detach().clone() for p in ours.denoiser.parameters()]
    for k in range(3):
        ours.train_step()
        beta = min(ours.config.ema, (k + 1) / (k + 10))
        weights = ours.denoiser.parameters()
        plain = [beta * a + (1 - beta) * w.detach() for a, w in zip(plain, weights, strict=True)]
    for mine, expected in zip(ours.average.parameters(), plain, strict=True):
        assert_close(mine, expected, rtol=1e-5, atol=1e-7)


def test_the_fused_optimizer_is_the_plain_one(digits: Corpus) -> None:
    ours, other = trainer(digits), trainer(digits)
    group = other.optimizer.param_groups[0]
    other.optimizer = torch.optim.AdamW(
        other.denoiser.parameters(), lr=group["lr"], betas=group["betas"], weight_decay=0.0,
        foreach=False, fused=False,
    )  # fmt: skip
    for _ in range(3):
        assert ours.train_step() == pytest.approx(other.train_step(), rel=1e-4)
    for a, b in zip(ours.denoiser.parameters(), other.denoiser.parameters(), strict=True):
        assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_channels_last_is_contiguous_up_to_rounding(emoji: Corpus) -> None:
    config = configure(emoji, width=16)
    last, plain = build_denoiser(config), build_denoiser(config)
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for parameter in last.parameters():  # a head that starts at zero would hide any difference
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(0))
    plain.load_state_dict(last.state_dict())
    x, sigma = torch.randn(2, 3, 32, 32), torch.tensor([0.1, 2.0])
    for denoiser in (last, plain):
        denoiser(x, sigma).square().mean().backward()
    assert_close(last(x, sigma), plain(x, sigma), rtol=1e-4, atol=1e-5)
    for a, b in zip(last.parameters(), plain.parameters(), strict=True):
        assert a.grad is not None and b.grad is not None
        assert_close(a.grad, b.grad.contiguous(), rtol=1e-3, atol=1e-5)
