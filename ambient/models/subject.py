"""What can be judged: a run that was trained here, or any other denoiser beside its images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ambient.copies.records import Report
from ambient.diffusion.schedule import SamplerConfig, Shape
from ambient.files import InputError
from ambient.images.corpus import Corpus, Split
from ambient.runs.folder import Run, open_run

if TYPE_CHECKING:
    from ambient.diffusion.denoiser import Denoiser


class Subject(Protocol):
    """`Run` and `Model` are subjects; what judges them asks for nothing else."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def shape(self) -> Shape:
        """(c, h, w) of its images."""

    @property
    def last_step(self) -> int | None:
        """The last of its stored steps; None if it has none."""

    @property
    def cutoff(self) -> float:
        """The cutoff of its training, 0 if it had none."""

    @property
    def levels(self) -> tuple[float, float]:
        """The lowest and the highest noise level that it can be asked at."""

    def corpus(self) -> Corpus:
        """Its training images and others that it never saw. Raises InputError without any."""

    def beside(self, train: Any, heldout: Any = None) -> Subject:
        """The same with other images: those it was trained on, and some that it never saw.

        Raises:
            InputError: it knows its images, as a run does, or these cannot be read.
        """

    def split(self, corpus: Corpus) -> Split:
        """Which images of its corpus it was trained on."""

    def denoiser(self, step: int | None = None) -> Denoiser:
        """Its network at a step, by default the last."""

    def sampler(self, sampler: str = "heun", steps: int = 18) -> SamplerConfig:
        """How it is sampled: within the noise levels that it knows."""

    def checkpoint_sha256(self, step: int | None = None) -> str | None:
        """The hash of its weights at a step; None if nobody knows."""

    def density(self, sigma: float) -> float | None:
        """Training draws a unit of ln sigma at a level; None if nobody knows."""

    def samples(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """Stored samples and their seeds; None if none are stored."""

    def report(self) -> Report | None:
        """The stored verdict on those samples; None if there is none."""


def as_subject(given: Subject | str | Path) -> Subject:
    """What judges may ask: a run or model, or the run of a folder or bundled name.

    Raises:
        InputError: no run there, or something else.
    """
    if isinstance(given, (str, Path)):
        return open_run(given)
    if not all(hasattr(given, part) for part in ("denoiser", "corpus", "shape", "levels")):
        raise InputError(
            f"a {type(given).__name__} is no run and no model; give a run, its folder, or "
            "ambient.Model(denoiser, shape)."
        )
    return given


def as_run(subject: Subject) -> Run | None:
    """The run folder, or None for a model of another library, in which nothing can be kept."""
    return subject if isinstance(subject, Run) else None
