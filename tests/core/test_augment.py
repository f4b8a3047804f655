"""Moves are orthogonal and told in full; the one frozen copy is moved with its image."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from ambient.config import TOLD, configure
from ambient.diffusion import training as module
from ambient.diffusion.augment import REACH, Moves, draw_moves
from ambient.diffusion.training import Trainer, build_denoiser
from ambient.images.corpus import Corpus, split_corpus, to_unit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nothing(b: int) -> Moves:
    still = torch.zeros(b, dtype=torch.int64)
    return Moves(still.bool(), still, still, still.float())


def trainer(corpus: Corpus, **choices: object) -> Trainer:
    config = configure(corpus, n_train=16, batch=8, width=16, steps=10, **choices)  # type: ignore[arg-type]
    split = split_corpus(corpus, 16, 0)
    return Trainer(config, torch.from_numpy(to_unit(corpus.images[split.train])), split.train)


def test_moved_white_noise_is_white() -> None:
    """Its covariance, of all pixels and colors, is still the identity."""
    one = draw_moves(1, generator(3))
    one = Moves(torch.tensor([True]), one.down + 2, one.right - 3, torch.tensor([1.1]))
    basis = torch.eye(3 * 16).reshape(-1, 3, 4, 4)
    moves = Moves(*(v.expand(len(basis)) for v in (one.mirrored, one.down, one.right, one.hue)))
    matrix = moves.apply(basis).flatten(1)
    assert_close(matrix @ matrix.T, torch.eye(48), rtol=0, atol=1e-6)


def test_moves_do_what_they_are_called(emoji: Corpus) -> None:
    x = torch.from_numpy(to_unit(emoji.images[:3]))
    moves = Moves(
        torch.tensor([True, False, False]), torch.tensor([0, 3, 0]), torch.tensor([0, -2, 0]),
        torch.tensor([0.0, 0.0, 2 * math.pi / 3]),
    )  # fmt: skip
    moved = moves.apply(x)
    assert torch.equal(moved[0], x[0].flip(-1))
    assert torch.equal(moved[1], torch.roll(x[1], (3, -2), (1, 2)))
    assert_close(moved[2], x[2].roll(1, 0), rtol=0, atol=1e-6)  # a third of a turn: red to green
    assert_close(moved.mean(1)[2], x.mean(1)[2], rtol=0, atol=1e-6)  # the gray part stays


def test_nothing_moved_is_told_by_zeros_and_nothing_else_is() -> None:
    x = torch.randn(5, 3, 8, 8, generator=generator())
    assert torch.equal(nothing(5).apply(x), x)
    assert torch.equal(nothing(5).numbers(8, 3), torch.zeros(5, TOLD))
    moves = draw_moves(400, generator(1))
    told = moves.numbers(32, 3)
    still = ~moves.mirrored & (moves.down == 0) & (moves.right == 0) & (moves.hue == 0)
    assert 0 < still.sum() < 100
    assert torch.equal((told == 0).all(1), still)
    assert told.abs().max() <= 2
    assert torch.equal(moves.numbers(32, 1)[:, :5], told[:, :5])
    assert not moves.numbers(32, 1)[:, 5:].any()


def test_each_kind_of_move_comes_to_half_of_the_images() -> None:
    moves = draw_moves(4000, generator())
    shifted = (moves.down != 0) | (moves.right != 0)
    for kind, share in ((moves.mirrored, 0.5), (shifted, 0.5 * 80 / 81), (moves.hue != 0, 0.5)):
        assert kind.float().mean() == pytest.approx(share, abs=0.03)
    assert moves.down.abs().max() == moves.right.abs().max() == REACH
    assert moves.hue.abs().max() <= math.pi


def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """The clean images and copies that the loss is given, in the order of the steps."""
    found: list[tuple[Tensor, Tensor]] = []
    loss: Callable[..., Tensor] = module.denoising_loss

    def spy(denoiser: object, arm: str, clean: Tensor, frozen: Tensor, *rest: object) -> Tensor:
        found.append((clean, frozen))
        return loss(denoiser, arm, clean, frozen, *rest)

    monkeypatch.setattr(module, "denoising_loss", spy)
    return found


@pytest.mark.parametrize("arm", ["ambient", "noisy-only"])
def test_the_one_frozen_copy_is_moved_and_never_redrawn(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch, arm: str
) -> None:
    """Undo the moves of any step: what is left are the images and copies of the run."""
    ours, found = trainer(digits, arm=arm, cutoff=1.0, augment=True), seen(monkeypatch)
    drawn: list[Moves] = []
    draw = module.draw_moves
    monkeypatch.setattr(module, "draw_moves", lambda *a: drawn.append(draw(*a)) or drawn[-1])
    before = ours.frozen.clone()
    for _ in range(6):
        ours.train_step()
    assert torch.equal(ours.frozen, before)
    pairs = torch.cat([ours.images, ours.frozen], dim=1)
    for moves, (clean, frozen) in zip(drawn, found, strict=True):
        assert moves.mirrored.any() and moves.down.any()
        for i in range(len(clean)):
            both = torch.cat([clean[i], frozen[i]]).roll(
                (-int(moves.down[i]), -int(moves.right[i])), (1, 2)
            )
            both = both.flip(-1) if moves.mirrored[i] else both
            assert (both == pairs).all((1, 2, 3)).any()


def test_noises_and_levels_are_those_of_the_run_without(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moves that move nothing change no loss: they are drawn apart, and zeros add nothing."""
    plain, moved = trainer(digits), trainer(digits, augment=True)
    monkeypatch.setattr(module, "draw_moves", lambda b, _: nothing(b))
    assert [moved.train_step() for _ in range(4)] == [plain.train_step() for _ in range(4)]
    others = moved.denoiser.state_dict()
    for name, value in plain.denoiser.state_dict().items():
        assert torch.equal(others.pop(name), value)
    assert list(others) == ["network.moved.weight"]


@pytest.mark.parametrize("network", ["concat", "bands"])
def test_a_sampler_that_tells_nothing_tells_zeros(digits: Corpus, network: str) -> None:
    denoiser = build_denoiser(configure(digits, width=16, network=network, augment=True))
    for p in denoiser.parameters():  # a head that starts at zero would hide any difference
        torch.nn.init.normal_(p, std=0.05, generator=generator())
    x, sigma = torch.randn(2, 1, 8, 8, generator=generator(1)), torch.tensor([0.1, 2.0])
    assert torch.equal(denoiser(x, sigma), denoiser(x, sigma, torch.zeros(2, TOLD)))
    assert not torch.equal(denoiser(x, sigma), denoiser(x, sigma, torch.ones(2, TOLD)))
