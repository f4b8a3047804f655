"""Training as a generator: the caller drives, records come out, nothing is printed or written."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from inspect import unwrap
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ambient.config import TOLD, WORDS, Config
from ambient.diffusion import distributed
from ambient.diffusion.augment import draw_moves
from ambient.diffusion.bands import Bands
from ambient.diffusion.corruption import corrupt
from ambient.diffusion.denoiser import EDM, Denoiser
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import derive_seed, lognormal_sigmas, seeded_weights
from ambient.diffusion.unet import UNet


@dataclass(frozen=True)
class TrainStep:
    """One finished step: its number (from 1), mean loss of the batch, and seconds it took."""

    step: int
    loss: float
    seconds: float


def build_denoiser(config: Config) -> EDM:
    """The untrained denoiser of a run; its weights depend on `config.seed` alone."""
    told, words = TOLD if config.augment else 0, WORDS[1] if config.text else 0
    with seeded_weights(derive_seed(config.seed, 0x1417)):
        if config.network == "bands":
            bands = Bands(config.channels, config.patch)
            pixels = config.channels * config.patch**2
            network = UNet(pixels, config.widths, adds=True, told=told, words=words)
        else:
            bands = None
            network = UNet(config.channels, config.widths, config.patch, told=told, words=words)
    network = network.to(memory_format=torch.channels_last)
    return EDM(network, config.sigma_data, getattr(torch, config.dtype), bands)


class Captions(NamedTuple):
    """The captions that a run is trained with (`ambient.diffusion.words`)."""

    # of each of n images as many captions, of which a visit draws one
    words: Float[Tensor, "n k t v"]
    visits: Int[Tensor, " m"]  # positions of images, drawn from at each step


class AdamW(torch.optim.AdamW):
    """AdamW, without wrappers that import torch's compiler: it takes as long as torch itself."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
    zero_grad = unwrap(torch.optim.AdamW.zero_grad)
    add_param_group = unwrap(torch.optim.AdamW.add_param_group)
    state_dict = unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = unwrap(torch.optim.AdamW.load_state_dict)


@dataclass
class Trainer:
    """The moving parts of a run: weights, their average, the optimizer and the step count.

    Batches, noise levels and noise of step k are drawn from (seed, k), so there is no random
    state to keep: `state` after k steps is all that a bit-exact resume needs. Processes that train
    together draw the same whole batch, and each takes its rows of it.

    Args:
        images: its training images, float32 (n, c, h, w) in [-1, 1].
        indices: their indices in the corpus, which seed the frozen noisy copies.
        build: makes the untrained denoiser.
    """

    config: Config
    images: Float[Tensor, "n c h w"]
    indices: np.ndarray
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    step: int = 0
    build: Callable[[Config], EDM] = build_denoiser
    captions: Captions | None = None

    def __post_init__(self) -> None:
        c = self.config
        self.denoiser = self.build(c).to(self.device)
        self.average = self.build(c).to(self.device).requires_grad_(False).eval()
        # betas and no decay as in EDM's small-data runs; 0.99 forgets a bad step in 100.
        self.optimizer = AdamW(
            self.denoiser.parameters(), lr=c.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        )
        self.images = self.images.to(self.device)  # all of them: batches are taken where they lie
        self.frozen = corrupt(self.images, self.indices.tolist(), c.cutoff, c.seed)
        self.weights: list[Tensor] = list(self.denoiser.parameters())
        self.averages: list[Tensor] = list(self.average.parameters())
        self.forward: Callable[..., Tensor] = self.denoiser
        self.rows = distributed.rows(c.batch)
        mine = self.rows.stop - self.rows.start
        # Gradients are averaged over processes: of unequal parts, each counts by its images.
        self.share = mine * distributed.size() / c.batch

    def learning_rate(self, k: int) -> float:
        """Linear warm-up, then a plateau, then 1/sqrt (EDM2, Karras et al. 2024, equation 67)."""
        c = self.config
        return c.lr * min(1.0, (k + 1) / c.warmup) / max(1.0, k / c.lr_hold) ** 0.5

    def batch(
        self, pick: Int[Tensor, " b"]
    ) -> tuple[Denoiser, Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        """The denoiser, the clean images and the frozen copies of this step.

        With augmentation an image and its one copy are moved alike, and the denoiser is told how;
        the moves have a seed of their own, so that all else is drawn as without them.
        """
        c, clean, frozen = self.config, self.images[pick], self.frozen[pick]
        told: dict[str, Tensor] = {}
        if c.augment:
            seed = derive_seed(c.seed, self.step, 0xA06)
            moves = draw_moves(c.batch, torch.Generator().manual_seed(seed))
            told["moves"] = moves.numbers(c.side, c.channels)[self.rows].to(self.device)
            clean, frozen = moves.apply(clean), moves.apply(frozen)
        if self.captions:
            told["words"] = self.words(pick, self.captions)[self.rows].to(self.device)
        return partial(self.forward, **told), clean, frozen

    def words(self, pick: Int[Tensor, " b"], captions: Captions) -> Float[Tensor, "b t v"]:
        """What this step tells of each image: one of its captions or, at times, no words."""
        c = self.config
        generator = torch.Generator().manual_seed(derive_seed(c.seed, self.step, 0xCA9))
        which = torch.randint(captions.words.shape[1], (c.batch,), generator=generator)
        kept = torch.rand(c.batch, generator=generator) >= c.caption_dropout
        return captions.words[pick.cpu(), which].float() * kept[:, None, None]

    def train_step(self) -> float:
        """One optimizer step; returns the batch's mean loss."""
        c, k = self.config, self.step
        generator = torch.Generator().manual_seed(derive_seed(c.seed, k, 0x57E9))
        visits = self.captions.visits if self.captions else torch.arange(len(self.images))
        pick = visits[torch.randint(len(visits), (c.batch,), generator=generator)].to(self.device)
        above = c.cutoff if c.arm == "noisy-only" else 0.0
        sigma = lognormal_sigmas(c.batch, c.p_mean, c.p_std, generator, above)
        denoiser, clean, frozen = self.batch(pick)
        losses = denoising_loss(
            denoiser,
            c.arm,
            clean,
            frozen,
            sigma.to(self.device),
            c.cutoff,
            c.sigma_data,
            generator,
            self.rows,
        )
        loss = losses.mean() * self.share
        mean = distributed.average(loss.detach())  # on its way while gradients are computed
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(k)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        beta = min(c.ema, (k + 1) / (k + 10))  # averages about the last tenth of the run so far
        with torch.no_grad():
            torch._foreach_lerp_(self.averages, self.weights, 1 - beta)
        self.step += 1
        return mean()

    def state(self) -> dict[str, Any]:
        """Everything that changes as the run trains, for `torch.save`."""
        return {
            "step": self.step,
            "weights": self.denoiser.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def start_from(self, denoiser: EDM) -> None:
        """Begin with the weights of `denoiser` instead of fresh ones."""
        for mine in (self.denoiser, self.average):
            mine.load_state_dict(denoiser.state_dict())

    def join(self) -> None:
        """Average the gradients with those of the processes that train with this one."""
        with distributed.together():
            together = DistributedDataParallel(self.forward, gradient_as_bucket_view=True)
        # They are constants, all of them. The argument of that name is deprecated in torch 2.14.
        together.broadcast_buffers = False
        self.forward = together

    def load_state(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.denoiser.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


@contextmanager
def enough_memory() -> Iterator[None]:
    """Raises MemoryError, in a person's words, for whatever torch raises without memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as e:
        if isinstance(e, RuntimeError) and "allocate" not in str(e):
            raise
        raise MemoryError(
            "the memory does not suffice; train again with a smaller batch or width."
        ) from e


def train(trainer: Trainer) -> Iterator[TrainStep]:
    """Run `trainer` to the end of its config, one record a step. Stop by not asking for more.

    Raises:
        FloatingPointError: the loss is no longer a number (the learning rate is too high).
        ConnectionError: another process that trains with this one is gone.
    """
    trainer.denoiser.train()
    if distributed.size() > 1:
        t = trainer
        distributed.begin((t.config, t.images, t.indices, t.captions, t.state()))
        trainer.join()
    while trainer.step < trainer.config.steps:
        start = time.perf_counter()
        distributed.go_on()
        with distributed.together():
            loss = trainer.train_step()
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} at step {trainer.step}; train again with a lower --lr."
            )
        yield TrainStep(trainer.step, loss, time.perf_counter() - start)


def follow(device: torch.device) -> None:
    """Take part in the steps of the first process of a launch, for as long as it asks.

    Raises:
        ConnectionError: it is gone.
        MemoryError: the batch or the network is too large for this machine.
    """
    task = distributed.hear()
    if task is None:
        return
    config, images, indices, captions, state = task
    torch.set_num_threads(config.threads)
    with enough_memory():
        trainer = Trainer(config, images, indices, device, captions=captions)
        trainer.load_state(state)
        trainer.denoiser.train()
        trainer.join()
        while distributed.is_going_on():
            with distributed.together():
                trainer.train_step()
