"""What a person calls from Python: whole jobs in a line, each a thin drive of the parts below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambient.config import CHOICES, check, configure, usual_threads
from ambient.files import InputError, whole, write_atomically
from ambient.images.arrays import Given, as_unit
from ambient.images.captions import captioned
from ambient.images.corpus import MEMORY, Corpus, Source, load_corpus, to_bytes
from ambient.images.read import plain
from ambient.models.subject import Subject, as_subject
from ambient.runs.folder import OWN, Run
from ambient.runs.start import start_run

if TYPE_CHECKING:
    from torch import Tensor

    from ambient.diffusion.denoiser import Denoiser
    from ambient.diffusion.levels import CutoffReport
    from ambient.reports.records import Audit


def train(
    corpus: Source = CHOICES["corpus"].usual,
    *,
    out: str | Path,
    side: int | None = None,
    captions: str | Path | None = None,
    device: str = "auto",
    progress: bool = False,
    **choices: Any,
) -> Run:
    """Train into a new run folder, to the end.

    Args:
        corpus: what `load_corpus` takes: a name, a folder, a zip, an npz, or images in memory.
        side: resize pictures to this many pixels.
        captions: with text=True, a file of captions (see `images.captions.captioned`).
        choices: any of `config.CHOICES`, such as n_train, steps or seed. A cutoff alone asks for
            the arm `ambient`; dtype and threads are what is fastest here, unless given.

    Raises:
        InputError: images that cannot be read, or choices that could not be trained.
        FloatingPointError, MemoryError, OSError: see `runs.train.record`.
    """
    from tqdm import tqdm

    from ambient.diffusion.hardware import choose_device, faster_dtype
    from ambient.runs.train import record

    place, images = choose_device(device), load_corpus(corpus, side=side)
    if images.name == MEMORY:  # they are kept in the run's folder
        images = replace(images, name=OWN)
    usual = {"dtype": faster_dtype(place), "threads": usual_threads(images.images.shape[1])}
    if choices.get("cutoff"):
        usual["arm"] = "ambient"
    if choices.get("text"):
        images = captioned(images, captions)
    config = configure(images, **usual | choices)
    run = start_run(Path(out), config, images=images, captions=images.captions)
    steps = record(run, images, place)
    for _ in tqdm(steps, total=run.config.steps, unit="step", disable=not progress):
        pass
    return run


@dataclass(frozen=True)
class Samples:
    """Images that a model made."""

    images: NDArray[np.uint8]  # uint8 (n, h, w, c)
    seeds: NDArray[np.int64]  # int64 (n,); image i depends on seeds[i] alone
    draws: int  # how many it took

    def save(self, path: str | Path) -> None:
        """Write them as npz, or as one picture (.png).

        Raises:
            InputError: a name with another ending, or in no folder.
        """
        from ambient.runs.samples import write_samples

        write_samples(Path(path), self.images, self.seeds)


def sample(
    run: Subject | str | Path,
    seeds: Sequence[int] = range(64),
    *,
    step: int | None = None,
    sampler: str = "heun",
    steps: int = 18,
    prompt: str | None = None,
    guidance: float = 2.0,
    reject: bool = False,
) -> Samples:
    """Draw one image a seed.

    Args:
        run: a run, its folder or bundled name, or another model.
        seeds: whole numbers from 0.
        step: a stored step of the run; None: the last.
        sampler, steps: how (`diffusion.samplers`).
        prompt: what to draw; for a run that was trained with text.
        guidance: how closely to hold to the prompt, 0 to 20 (`diffusion.denoiser.Prompted`).
        reject: draw an image again, from the next seed derived from its own, while it is a copy of
            a training image (`reports.rejecting`); not with a prompt.

    Raises:
        InputError: unusable weights, no such step or sampler, a prompt of unknown words, or a run
            without text; too few held-out images to reject by.
    """
    from ambient.diffusion.samplers import sample as draw
    from ambient.diffusion.words import told
    from ambient.reports.evaluate import redraw

    model = as_subject(run)
    if not isinstance(seeds, Sequence | np.ndarray) or not len(seeds):
        raise InputError(f"seeds is {plain(seeds, 40)}; expected one or more whole numbers.")
    known = [whole(seed, "a seed", 0) for seed in seeds]
    how = model.sampler(sampler, steps)
    if reject and prompt is not None:
        raise InputError("samples of a prompt are not drawn again; leave out prompt or reject.")
    if reject:
        found = redraw(model, known, how, step)
        return Samples(found.images, found.seeds, found.rejection.draws)
    denoiser: Denoiser = model.denoiser(step)
    if prompt is not None:
        denoiser = told(denoiser, [prompt], guidance)
    batches = draw(denoiser, known, model.shape, how)
    images = np.concatenate([to_bytes(batch.numpy()) for batch in batches])
    return Samples(images, np.array(known, np.int64), len(images))


def corrupt(images: Given, indices: Sequence[int], cutoff: float, seed: int = 0) -> Tensor:
    """The frozen noisy copies y_i = x_i + cutoff * z_i of images (`diffusion.corruption`).

    Args:
        images: n clean images, in any form of `ambient.images.arrays.as_images`.
        indices: their n numbers in the corpus: z_i depends on these and the seed alone.
        cutoff: sigma_n, in units of images in [-1, 1].
        seed: the run's seed.

    Returns:
        float32 (n, c, h, w), where the images were if they were a tensor.

    Raises:
        InputError: no images, another number of indices, or a cutoff out of bounds.
    """
    import torch

    from ambient.diffusion.corruption import corrupt as frozen

    unit = torch.from_numpy(as_unit(images, "images")).to(getattr(images, "device", "cpu"))
    known = [whole(index, "an index", 0) for index in indices]
    if len(known) != len(unit):
        raise InputError(f"{len(known)} indices for {len(unit)} images; give one for each.")
    return frozen(unit, known, check("cutoff", cutoff), check("seed", seed))


def suggest_cutoff(
    corpus: Source, n_train: int = CHOICES["n_train"].usual, *, split_seed: int = 0, seed: int = 0
) -> CutoffReport:
    """A cutoff before any training, with the closed forms behind it.

    Raises:
        InputError: images that cannot be read, or a split that leaves none unseen.
    """
    from ambient.diffusion.levels import cutoff_report

    images = corpus if isinstance(corpus, Corpus) else load_corpus(corpus)
    whole(n_train, "n_train", 2)
    return cutoff_report(images, n_train, split_seed, seed)


@dataclass(frozen=True)
class Audited:
    """The answer of an audit, to be written as JSON or as a page."""

    report: Audit  # the audit's record

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        self.report.save(path)

    def html(self, path: str | Path) -> None:
        """Write it as one self-contained HTML page."""
        from ambient.reports.page import page

        write_atomically(Path(path), page(self.report))


def audit(generated: Source, train: Source, **choices: Any) -> Audited:
    """Are generated images copies of training images?

    Args:
        generated, train: each what `load_corpus` takes: a folder, zip or npz of images, the name
            of a corpus, or images in memory.
        choices: those of `reports.audit.audit`, such as heldout, side, features or quality.

    Raises:
        InputError: a set that cannot be read, or sets of different sizes or channels.
    """
    from ambient.reports.audit import audit as judge

    return Audited(judge(generated, train, **choices))
