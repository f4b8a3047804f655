"""Run folders: the one channel between training, commands and pages.

A folder holds config.json, state.json, metrics.jsonl, checkpoints/, sheets/, reports and, for runs
that can go on, resume/. Opening one reads JSON and safetensors and never executes code from it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from einops import rearrange
from msgspec import structs
from numpy.typing import NDArray
from PIL import Image

from ambient.config import Config
from ambient.copies.records import Report
from ambient.diffusion.records import Curves
from ambient.diffusion.schedule import SamplerConfig, sampler_of, train_density
from ambient.files import ASSETS, InputError, read_record, write_atomically
from ambient.images.captions import captioned, digest
from ambient.images.corpus import Corpus, Split, load_corpus, split_corpus
from ambient.runs.job import STATE_FILE, Job, State, Status

if TYPE_CHECKING:
    from ambient.diffusion.denoiser import EDM

BUNDLED_RUNS = ASSETS / "runs"
STOP_FILE = "stop"  # its presence asks a training run to save and end; it may say `YIELD`
YIELD = "yield"  # end as queued, because somebody else's run has waited long enough
START_FILE = "start.safetensors"  # the weights that a run with a parent starts from
OWN = "pictures"  # the corpus of a run that keeps its images in its folder
IMAGES_FILE = "images.npz"  # the whole corpus, unseen images and groups too
CAPTIONS_FILE = "captions.json"  # of all images of the corpus, where a run keeps them itself
SIGNALS_FILE = "prompts.json"
UNPACKING = ".import-"  # begins the name of a folder that an upload is unpacked into
SLOWEST = 0.1  # images a second, as metrics.jsonl rounds them; less says nothing of a machine
LOG_EVERY = 10  # steps a metrics line: one step's loss is mostly the luck of its noise levels
SHEET_SIDE = 6  # a contact sheet shows 6 x 6 samples, seeds 0 to 35


def step_name(step: int) -> str:
    return f"step-{step:06d}"


@dataclass(frozen=True)
class Run(Job):
    """An opened run folder: a training, and what it made."""

    config: Config

    @property
    def state(self) -> State:
        """How its training stands; a folder without a state.json is `done`.

        Raises:
            InputError: the file is damaged.
        """
        state = read_record(self.path / STATE_FILE, State)
        return state or State(status="done", step=self.last_step)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of its images."""
        return self.config.channels, self.config.side, self.config.side

    @property
    def cutoff(self) -> float:
        return self.config.cutoff

    @property
    def levels(self) -> tuple[float, float]:
        """Its network answers at any noise level."""
        return 0.0, math.inf

    def sampler(self, sampler: str = "heun", steps: int = 18) -> SamplerConfig:
        """How it is sampled; noisy-only runs stop where their knowledge ends."""
        return sampler_of(self.config, sampler, steps)

    def beside(self, train: Any, heldout: Any = None) -> NoReturn:
        """Refused: other models are given their images."""
        raise InputError(f"'{self.name}' is a run and knows its images; give no --train.")

    def density(self, sigma: float) -> float:
        """Density of training draws per unit of ln sigma at a level."""
        return train_density(sigma, self.config)

    @property
    def steps(self) -> list[int]:
        """Steps with stored weights, ascending."""
        return _numbered(self.path / "checkpoints", ".safetensors")

    @property
    def sheet_steps(self) -> list[int]:
        """Steps with a stored contact sheet, ascending."""
        return _numbered(self.path / "sheets", ".png")

    @property
    def last_step(self) -> int:
        return self.steps[-1] if self.steps else 0

    @property
    def resume_steps(self) -> list[int]:
        """Steps with a stored resume state, ascending."""
        return _numbered(self.path / "resume", ".pt")

    @property
    def saved_step(self) -> int:
        """The step the run would go on from, if its newest resume state is whole."""
        return max(self.last_step, *self.resume_steps[-1:], 0)

    @property
    def is_to_pause(self) -> bool:
        """Whether it is asked to stop, and not only for another run's turn."""
        with suppress(FileNotFoundError):
            return (self.path / STOP_FILE).read_text(encoding="utf-8") != YIELD
        return False

    def settle(self) -> None:
        """Set the final status of a run whose process is gone: done, or interrupted."""
        status: Status = "done" if self.last_step >= self.config.steps else "interrupted"
        if self.state.status != status:
            self.tell(status=status, step=self.saved_step)
            (self.path / STOP_FILE).unlink(missing_ok=True)

    def fail(self, reason: str) -> None:
        with suppress(OSError):
            self.tell(step=self.saved_step)
        super().fail(reason)

    def metrics(self) -> list[dict[str, float]]:
        """The lines of metrics.jsonl; a last line cut short by a crash is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return list(_whole_lines(lines))

    def report(self, step: int | None = None) -> Report | None:
        """The stored verdict of a step, or the run's final one.

        A stage may leave out the ratios of held-out images, which are those of the run's end.
        """
        if step is None:
            return read_record(self.path / "report.json", Report)
        found = read_record(self.path / f"reports/{step_name(step)}.json", Report)
        if found and found.calibrated_on and not found.heldout_ratios and (end := self.report()):
            found = structs.replace(found, heldout_ratios=end.heldout_ratios)
        return found

    def curves(self) -> Curves | None:
        """What was measured at every noise level."""
        return read_record(self.path / "curves.json", Curves)

    def sheet(self, step: int | None = None) -> NDArray[np.uint8] | None:
        """The 36 samples of seeds 0 to 35 at a step (default: the last), uint8 (36, h, w, c)."""
        steps = self.sheet_steps
        path = self.path / "sheets" / f"{step_name(step or (steps[-1] if steps else 0))}.png"
        c = self.config
        try:
            pixels = np.atleast_3d(np.asarray(Image.open(path)))
        except FileNotFoundError:
            return None
        if pixels.shape != (SHEET_SIDE * c.side, SHEET_SIDE * c.side, c.channels):
            raise InputError(f"'{path}' is {pixels.shape}; expected 36 images of {c.side} pixels.")
        images = rearrange(pixels, "(a h) (b w) c -> (a b) h w c", a=SHEET_SIDE, b=SHEET_SIDE)
        return np.ascontiguousarray(images)

    def samples(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """The images behind `report()`: uint8 (n, h, w, c) and their seeds (n,); None if absent."""
        path = self.path / "samples.npz"
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as data:
            return data["images"], data["seeds"]

    def checkpoint(self, step: int | None = None) -> Path:
        """The weights file of a step, by default the last.

        Raises:
            InputError: no weights stored, or none at that step.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"run '{self.path}' has no checkpoint yet; let it train longer.")
        step = steps[-1] if step is None else step
        if step not in steps:
            near = min(steps, key=lambda s: abs(s - step))
            raise InputError(f"run '{self.name}' has no step {step}; the nearest stored is {near}.")
        return self.path / "checkpoints" / f"{step_name(step)}.safetensors"

    def checkpoint_sha256(self, step: int | None = None) -> str:
        return hashlib.sha256(self.checkpoint(step).read_bytes()).hexdigest()

    def corpus(self) -> Corpus:
        """The run's images.

        Raises:
            InputError: gone, or no longer the images the run was trained on.
        """
        corpus = load_corpus(self.images, side=self.config.side)
        if corpus.sha256 != self.config.corpus_sha256:
            raise InputError(
                f"run '{self.name}' was trained on other images than '{self.config.corpus}' now "
                f"holds (hash {self.config.corpus_sha256[:8]}, found {corpus.sha256[:8]}); "
                "restore them."
            )
        corpus = replace(corpus, name=self.config.corpus)
        return self._captioned(corpus) if self.config.text else corpus

    def _captioned(self, corpus: Corpus) -> Corpus:
        """With the captions that the run was trained with, kept in its folder or in the corpus."""
        if kept := read_record(self.path / CAPTIONS_FILE, tuple[str, ...]):
            corpus = replace(corpus, captions=kept)
        else:
            corpus = captioned(corpus)
        whole = len(corpus.captions) == len(corpus)
        if not whole or digest(corpus.captions) != self.config.captions_sha256:
            raise InputError(f"run '{self.name}' was trained with other captions; restore them.")
        return corpus

    @property
    def images(self) -> str:
        """Where its images are: what `load_corpus` takes."""
        return str(self.path / IMAGES_FILE) if self.config.corpus == OWN else self.config.corpus

    def split(self, corpus: Corpus) -> Split:
        return split_corpus(corpus, self.config.n_train, self.config.split_seed)

    def denoiser(self, step: int | None = None) -> EDM:
        """The run's averaged network at a step, ready to sample: `denoiser(x, sigma)`.

        Raises:
            InputError: truncated, foreign or non-finite weights.
        """
        from ambient.runs.weights import load_weights

        return load_weights(self.checkpoint(step), self.config)


def _numbered(folder: Path, suffix: str) -> list[int]:
    found = (re.fullmatch(r"step-(\d{6,})", p.stem) for p in folder.glob(f"*{suffix}"))
    return sorted(int(m[1]) for m in found if m)


def _whole_lines(lines: list[str]) -> Iterator[dict[str, float]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def as_picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """(h, w, c) as a gray or RGB picture."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def write_sheet(path: Path, images: NDArray[np.uint8]) -> None:
    """36 images (36, h, w, c) as one lossless picture, 6 x 6, row by row."""
    sheet = as_picture(rearrange(images, "(a b) h w c -> (a h) (b w) c", a=SHEET_SIDE))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getbuffer())


def open_run(path: str | Path) -> Run:
    """Open a run folder, or a bundled run by its name.

    Raises:
        InputError: no such folder, or its config cannot be used.
    """
    if not isinstance(path, (str, Path)):
        raise InputError(f"a {type(path).__name__} is no run folder; give its path or its name.")
    folder = Path(path).expanduser()
    if not folder.is_dir() and (BUNDLED_RUNS / str(path)).is_dir():
        folder = BUNDLED_RUNS / str(path)
    if not folder.exists():
        names = ", ".join(r.name for r in list_runs(BUNDLED_RUNS))
        raise InputError(f"'{path}' does not exist; expected a run folder, or one of {names}.")
    if not (folder / "config.json").is_file():
        raise InputError(f"'{path}' has no config.json; expected a run folder, or a run's zip.")
    return Run(folder, Config.from_json(folder / "config.json"))


def list_runs(folder: Path) -> list[Run]:
    """The usable runs in a folder, by name; unusable and half-made ones are left out."""
    runs = []
    for config in sorted(folder.glob("[!.]*/config.json")):
        try:
            runs.append(Run(config.parent, Config.from_json(config)))
        except InputError:
            continue  # a run of another version: `open_run` says why when it is asked for by name
    return runs
