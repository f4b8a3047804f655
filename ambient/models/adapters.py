"""Models that were not trained here: any denoiser beside its images, in the place of a run."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.noise import expand
from ambient.diffusion.schedule import SamplerConfig, Shape
from ambient.files import InputError
from ambient.images.arrays import Given, as_images
from ambient.images.corpus import MEMORY, Corpus, Split, load_corpus
from ambient.images.read import MAX_SIDE, MIN_SIDE, plain
from ambient.images.twins import apart

Pictures = Given | str | Path | Corpus
T = TypeVar("T")
PREDICTS = ("epsilon", "sample", "v_prediction")


@dataclass(frozen=True)
class Model:
    """Any denoiser, for `evaluate`, `noise_level_curves` and `spliced` in the place of a run.

    Attributes:
        network: denoiser(x, sigma) -> denoised (`denoiser`). A module may be on any device, of any
            precision and in training: it is asked on its device, in float32 and evaluation.
        shape: (c, h, w) of its images, c 1 or 3, sides from 8 to 128.
        name: what reports call it.
        levels: the lowest and the highest noise level it was trained for; nothing else is asked.
            The lowest is below 40 and the highest above 0.01, between which samples are drawn.
        sha256: of its weights, where known.
        pictures: its training images and, behind them, images it never saw: see `beside`.
        n_train: how many of them it was trained on.

    Raises:
        InputError: another network, shape or levels.

    Example:
        >>> model = ambient.Model(denoiser, (3, 32, 32)).beside("pictures", "others")
        >>> report = ambient.evaluate(model, n=1000)
        >>> curves = ambient.noise_level_curves(model)
    """

    network: Denoiser
    shape: Shape
    name: str = "model"
    levels: tuple[float, float] = (0.01, 40.0)
    sha256: str | None = None
    pictures: Corpus | None = None
    n_train: int = 0
    last_step: ClassVar[None] = None
    cutoff: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        name, usual = plain(self.name), SamplerConfig()
        if not callable(self.network):
            raise InputError(
                f"model '{name}' is a {type(self.network).__name__}; expected denoiser(x, sigma)."
            )
        c, h, w = _converted(self.shape, tuple[int, int, int], (0, 0, 0))
        if c not in (1, 3) or not MIN_SIDE <= min(h, w) <= max(h, w) <= MAX_SIDE:
            raise InputError(
                f"model '{name}' makes images of {plain(self.shape)}; expected (c, h, w) of 1 or 3 "
                f"channels and sides from {MIN_SIDE} to {MAX_SIDE} pixels."
            )
        low, high = _converted(self.levels, tuple[float, float], (0.0, 0.0))
        if not (0 < low < high < math.inf and low < usual.sigma_max and high > usual.sigma_min):
            raise InputError(
                f"model '{name}' knows the levels {plain(self.levels)}; expected the lowest noise "
                f"level, above 0 and below {usual.sigma_max:g}, and the highest, above that."
            )

    def beside(self, train: Pictures, heldout: Pictures | None = None) -> Model:
        """The model with the images it was trained on, and others.

        Args:
            train: uint8 (n, h, w, c), or what `load_corpus` reads: a folder, zip or npz, or the
                name of a corpus, at the model's size.
            heldout: real images it never saw; twins of training images are left out, with a note.

        Raises:
            InputError: images that cannot be read, or of another shape than the model's.
        """
        known, name, notes = self._read("train", train)
        unseen = known[:0]
        if heldout is not None:
            unseen, _, more = self._read("heldout", heldout)
            notes += more
        groups, kept, others = apart(known, unseen)
        if twins := len(unseen) - len(kept):
            notes += (f"{twins} held-out images are twins of training images and were left out.",)
        images = np.concatenate([known, unseen[kept]])
        corpus = Corpus(
            name=name,
            images=images,
            names=tuple(map(str, range(len(images)))),
            categories=("",) * len(images),
            groups=np.concatenate([groups, others]),
            license="yours",
            notes=notes,
        )
        return replace(self, pictures=corpus, n_train=len(known))

    def _read(self, which: str, given: Pictures) -> tuple[NDArray[np.uint8], str, tuple[str, ...]]:
        """Images (n, h, w, c), their name, and what reading changed."""
        c, h, w = self.shape
        images, name = given, MEMORY
        notes: tuple[str, ...] = ()
        try:
            if isinstance(given, (str, Path, Corpus)):
                found = load_corpus(given, side=h)
                images, name, notes = found.images, found.name, found.notes
            images = as_images(images, "images")
        except InputError as e:
            raise InputError(f"{which}: {e}") from e
        if images.shape[1:] != (h, w, c):
            raise InputError(
                f"{which}: images are {images.shape}; '{self.name}' makes {h}x{w} images of {c} "
                f"channels: expected (n, {h}, {w}, {c})."
            )
        return images, name, tuple(f"{which}: {note}" for note in notes)

    def corpus(self) -> Corpus:
        """Its images. Raises InputError: it was given none."""
        if self.pictures is None:
            raise InputError(
                f"model '{self.name}' comes without its training images; give them with --train, "
                "and images it never saw with --heldout."
            )
        return self.pictures

    def split(self, corpus: Corpus) -> Split:
        return Split(np.arange(self.n_train), np.arange(self.n_train, len(corpus)))

    def checkpoint_sha256(self, step: int | None = None) -> str | None:
        return self.sha256

    def density(self, sigma: float) -> None:
        """Nobody knows at which levels it was trained how often."""

    def samples(self) -> None:
        """Nothing is stored of it."""

    def report(self) -> None:
        """Nothing is stored of it."""

    def denoiser(self, step: int | None = None) -> Denoiser:
        """The network, with every answer checked.

        Raises:
            InputError: a step, of which a model has none; when called, an answer of another shape
                than the question, or one that is not finite, or a RuntimeError of torch.
        """
        if step is not None:
            raise InputError(f"model '{self.name}' has no stored steps; leave --step out.")
        network, device = _asked(self.network)

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            try:
                out = network(x.to(device), sigma.to(device))
            except RuntimeError as e:  # of torch: another precision, device or shape inside
                raise InputError(
                    f"model '{self.name}' failed on images {tuple(x.shape)} in float32: "
                    f"{str(e).splitlines()[0]}"
                ) from e
            if not isinstance(out, Tensor) or out.shape != x.shape:
                found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise InputError(
                    f"model '{self.name}' answered {found} to images {tuple(x.shape)}; expected "
                    "one denoised image for each, of the same shape."
                )
            if not bool(torch.isfinite(out).all()):
                raise InputError(
                    f"model '{self.name}' answered with NaN or infinity at noise level "
                    f"{float(sigma[0]):.3g}; check its weights and its `levels`."
                )
            return out.float().to(x.device)

        return denoise

    def sampler(self, sampler: str = "heun", steps: int = 18) -> SamplerConfig:
        """From the highest noise level it knows, at most 40, to the lowest, at least 0.01."""
        usual, (low, high) = SamplerConfig(sampler, steps), self.levels
        return msgspec.structs.replace(
            usual, sigma_min=max(usual.sigma_min, low), sigma_max=min(usual.sigma_max, high)
        )


def _converted(value: Any, kind: type[T], otherwise: T) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return otherwise


def _asked(network: Denoiser) -> tuple[Denoiser, torch.device]:
    """A network as it is asked, and where; of a module that would answer otherwise, a copy."""
    if not isinstance(network, nn.Module):
        return network, torch.device("cpu")
    numbers = [*network.parameters(), *network.buffers()]
    other = any(n.is_floating_point() and n.dtype != torch.float32 for n in numbers)
    if other or network.training:
        network = copy.deepcopy(network).float().eval()
    return network, next(iter(numbers), torch.zeros(0)).device


class Discrete(nn.Module):
    """A network of numbered steps (DDPM, DDIM) as a denoiser.

    It was trained on x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, which is our x, divided by
    sqrt(1 + sigma^2), at sigma = sqrt((1 - abar_t) / abar_t). Between two steps t is linear in
    ln sigma. Outside of all steps the nearest one answers, to x at unit variance as it knows it.

    Args:
        network: F(x_t, t), t float (b,) from 0 to T - 1.
        abar: (T,), the cumulative product of 1 - beta; steps of abar 0, pure noise, are left out.
        predicts: what F answers: `epsilon` (the noise), `sample` (x0), or `v_prediction`
            (sqrt(abar) noise - sqrt(1 - abar) x0).
        clip: the estimate is clipped to [-clip, clip], as most such models are sampled.
        whole: only whole steps, the nearest, for networks that look them up in a table.
    """

    def __init__(
        self,
        network: nn.Module,
        abar: Float[Tensor, " t"],
        predicts: str = "epsilon",
        clip: float | None = None,
        whole: bool = False,
    ) -> None:
        super().__init__()
        if predicts not in PREDICTS:
            raise InputError(f"predicts is '{predicts}'; expected one of {', '.join(PREDICTS)}.")
        kept = abar.detach().cpu().double()
        kept = kept[kept > 0]
        if len(kept) < 2 or kept.max() >= 1 or bool((kept.diff() >= 0).any()):
            raise InputError("abar must fall from below 1 towards 0, step by step, in 2 or more.")
        self.network, self.predicts, self.clip, self.whole = network, predicts, clip, whole
        self.log_sigmas = ((1 - kept) / kept).log() / 2

    @property
    def levels(self) -> tuple[float, float]:
        """The lowest and the highest noise level."""
        low, high = self.log_sigmas[[0, -1]].exp().tolist()
        return low, high

    def steps(self, sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """The step of each noise level, whole or between two."""
        s, table = sigma.detach().cpu().double().log(), self.log_sigmas
        above = torch.searchsorted(table, s).clamp(1, len(table) - 1)
        share = (s - table[above - 1]) / (table[above] - table[above - 1])
        t = above - 1 + share.clamp(0, 1)
        return (t.round() if self.whole else t).float().to(sigma.device)

    def forward(
        self, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]:
        x_t = x / expand(1 + sigma**2).sqrt()
        out = self.network(x_t, self.steps(sigma)).float()
        s = expand(sigma.clamp_max(self.levels[1]))
        scale = (1 + s**2).sqrt()  # 1 / sqrt(abar)
        if self.predicts == "epsilon":
            out = scale * x_t - s * out
        elif self.predicts == "v_prediction":
            out = (x_t - s * out) / scale
        return out if self.clip is None else out.clamp(-self.clip, self.clip)
