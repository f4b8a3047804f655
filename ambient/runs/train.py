"""Training that writes its run folder: metrics, checkpoints, pictures; stop and resume."""

from __future__ import annotations

import errno
import io
import json
import os
import time
import zipfile
import zlib
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from ambient.config import Config
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.samplers import sample
from ambient.diffusion.training import Trainer, TrainStep, enough_memory, train
from ambient.diffusion.words import captions_of
from ambient.files import InputError, unwritten, write_atomically
from ambient.images.corpus import Corpus, split_corpus, to_bytes, to_unit
from ambient.runs.folder import (
    LOG_EVERY,
    SHEET_SIDE,
    SLOWEST,
    START_FILE,
    STOP_FILE,
    YIELD,
    Run,
    step_name,
    write_sheet,
)
from ambient.runs.job import PLACE_FILE, State, Status, pulse
from ambient.runs.limits import Limits
from ambient.runs.weights import load_weights, save_weights

HEARTBEAT = 2.0  # seconds between writes of state.json
SAVE_EVERY = 30.0  # seconds between resume states: what a killed process loses at most
KEPT_STATES = 2  # should the newest resume state be damaged, the one before it is whole
DAMAGE = (  # what reading a damaged zip, pickle or tensor raises
    RuntimeError, EOFError, OSError, KeyError, ValueError, NotImplementedError,
    UnpicklingError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
HANDOVER = 20.0  # seconds that a run's new process waits for the one before it to be gone


def record(
    run: Run,
    corpus: Corpus,
    device: torch.device | None = None,
    save_every: float = SAVE_EVERY,
    at_end: Status = "done",
) -> Generator[TrainStep, None, None]:
    """Train `run` from where it stands to its last step, writing its folder as it goes.

    Yields the trainer's records. Ends early, saved and resumable, when the caller closes the
    generator or a file named `stop` appears in the folder. One process at a time: whoever is
    killed leaves a folder that the next one goes on with, bit for bit.

    Args:
        save_every: seconds between resume states, beside those of the stored stages.
        at_end: its status after the last step; `running` where its process goes on to judge it.

    Raises:
        InputError: another process trains the run, or it has weights but no resume state.
        FloatingPointError: the loss is no longer a number; the last checkpoint stays.
        ConnectionError: another process that trains with this one is gone.
        MemoryError: the batch or the network is too large for this machine.
        OSError: the folder can no longer be written; all that was stored before stays whole.
    """
    try:
        with FileLock(run.path / ".lock", timeout=HANDOVER), enough_memory():
            device = device or torch.device("cpu")
            yield from _record(run, corpus, device, save_every, at_end)
    except Timeout as e:
        raise InputError(
            f"run '{run.path}' is being trained by another process; wait for it, or stop it first."
        ) from e
    except (FloatingPointError, ConnectionError, MemoryError) as e:
        run.fail(str(e))
        raise
    except OSError as e:
        reason = unwritten(run.path, e)
        run.fail(reason)
        raise OSError(reason) from e


def _record(
    run: Run, corpus: Corpus, device: torch.device, save_every: float, at_end: Status
) -> Generator[TrainStep, None, None]:
    config, stop = run.config, run.path / STOP_FILE
    torch.set_num_threads(config.threads)
    trainer = _trainer(run, corpus, device)
    window = _restore(run, trainer)
    if trainer.step not in run.steps and _is_stage(config, trainer.step):
        _store_stage(run, trainer)  # the process before ended between the two
    log = _Log(run, trainer, window)
    log.state("running")
    log.last_beat = 0.0  # the first step is told at once
    saved, reason = time.monotonic(), None
    with suppress(GeneratorExit):  # closed by its caller, it ends as if asked to stop
        for done in train(trainer):
            log.add(done)
            stage = _is_stage(config, done.step)
            if stage or time.monotonic() - saved > save_every:
                _save(run, trainer, log.losses)
                saved = time.monotonic()
            if stage:
                _store_stage(run, trainer)
            yield done
            if stop.exists() and done.step < config.steps:
                reason = stop.read_text(encoding="utf-8")
                break
    if trainer.step not in (0, *run.resume_steps):
        _save(run, trainer, log.losses)
    if trainer.step not in (0, *run.steps) and reason != YIELD:
        _store_stage(run, trainer)
    stop.unlink(missing_ok=True)
    at_rest: Status = "queued" if reason == YIELD else "paused"
    log.state(at_end if trainer.step >= config.steps else at_rest)


def _is_stage(config: Config, step: int) -> bool:
    return step > 0 and (step % config.checkpoint_every == 0 or step == config.steps)


def _trainer(run: Run, corpus: Corpus, device: torch.device) -> Trainer:
    config = run.config
    split = split_corpus(corpus, config.n_train, config.split_seed)
    images = torch.from_numpy(to_unit(corpus.images[split.train]))
    captions = captions_of(corpus, split, config)
    trainer = Trainer(config, images, split.train, device, captions=captions)
    if config.parent:
        trainer.start_from(load_weights(run.path / START_FILE, config))
    return trainer


class _Log:
    """metrics.jsonl and state.json of a running run."""

    def __init__(self, run: Run, trainer: Trainer, window: list[float]) -> None:
        self.run, self.trainer = run, trainer
        self.losses = window  # since the last line; a resumed run goes on with its own
        self.seconds: list[float] = []
        before = run.metrics()
        self.elapsed = before[-1]["seconds"] if before else 0.0
        self.last_beat = 0.0
        self.began, self.first = time.monotonic(), trainer.step

    @property
    def pace(self) -> float:
        """Seconds a step since this turn began, with the stages stored on the way; 0 at first."""
        done = self.trainer.step - self.first
        return (time.monotonic() - self.began) / done if done >= LOG_EVERY else 0.0

    def add(self, done: TrainStep) -> None:
        self.losses.append(done.loss)
        self.seconds.append(done.seconds)
        self.elapsed += done.seconds
        if done.step % LOG_EVERY == 0 or done.step == self.trainer.config.steps:
            seconds = float(np.mean(self.seconds))
            line = {
                "step": done.step,
                "loss": round(float(np.mean(self.losses)), 6),
                "images_per_second": max(SLOWEST, round(self.trainer.config.batch / seconds, 1)),
                "seconds": round(self.elapsed, 2),
            }
            with (self.run.path / "metrics.jsonl").open("a", encoding="utf-8") as f:
                f.write(json.dumps(line) + "\n")
            self.losses, self.seconds = [], []
        if time.monotonic() - self.last_beat > HEARTBEAT:
            self.state("running")

    def state(self, status: Status) -> None:
        self.last_beat = time.monotonic()
        step, steps = self.trainer.step, self.trainer.config.steps
        self.run.write(
            State(
                status=status,
                step=step,
                steps=steps,
                running_seconds=round(self.last_beat - self.began, 1),
                seconds_per_step=round(self.pace, 4),
                eta_seconds=round(self.pace * (steps - step), 1),
                **pulse(),
            )
        )


def _save(run: Run, trainer: Trainer, window: list[float]) -> None:
    """A resume state; all but the newest few are removed."""
    buffer = io.BytesIO()
    torch.save({**trainer.state(), "losses": window}, buffer)
    write_atomically(_resume_path(run, trainer.step), buffer.getbuffer())
    for old in run.resume_steps[:-KEPT_STATES]:
        _resume_path(run, old).unlink()


def _store_stage(run: Run, trainer: Trainer) -> None:
    """The same 36 seeds as a picture, then the weights: where they are, the stage is whole."""
    _check_room(run)
    name = step_name(trainer.step)
    write_sheet(run.path / "sheets" / f"{name}.png", sheet_samples(run, trainer.average))
    save_weights(run.path / "checkpoints" / f"{name}.safetensors", trainer.average)


def _check_room(run: Run) -> None:
    """Raises OSError where a run of the queue finds no room for a stage, as on a full disk.

    Whose runs then go is for the queue to say, never for a training.
    """
    if not (run.path / PLACE_FILE).exists():
        return
    try:
        Limits.here().check_disk(run.path.parent)
    except InputError as e:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)) from e


def _resume_path(run: Run, step: int) -> Path:
    return run.path / "resume" / f"{step_name(step)}.pt"


def sheet_samples(run: Run, denoiser: EDM) -> np.ndarray:
    """Seeds 0 to 35 with the default sampler, uint8 (36, h, w, c)."""
    seeds = range(SHEET_SIDE**2)
    batches = list(sample(denoiser, seeds, run.shape, run.sampler()))
    return to_bytes(torch.cat(batches).numpy())


def _restore(run: Run, trainer: Trainer) -> list[float]:
    """Load the newest whole resume state and cut metrics.jsonl and later files back to it.

    Returns:
        The losses since the last metrics line.

    Raises:
        InputError: there are weights but no whole resume state: nothing is touched.
    """
    states = (_read_state(_resume_path(run, s)) for s in reversed(run.resume_steps))
    state = next((s for s in states if s), None)
    if state:
        try:
            trainer.load_state(state)
        except (RuntimeError, KeyError, TypeError, ValueError) as e:
            raise InputError(
                f"the resume state in '{run.path}' is not of the network in its config "
                f"(width {run.config.width}); keep config and resume state together."
            ) from e
    elif run.steps:
        raise InputError(
            f"run '{run.path}' has weights of step {run.last_step} but no readable resume "
            "state, so it cannot go on; train a new run."
        )
    kept = [m for m in run.metrics() if m["step"] <= trainer.step]
    text = "".join(json.dumps(m) + "\n" for m in kept)
    if (run.path / "metrics.jsonl").exists():
        write_atomically(run.path / "metrics.jsonl", text)
    for step in run.resume_steps:
        if step > trainer.step:
            _resume_path(run, step).unlink()
    for step in run.steps:
        if step > trainer.step:
            (run.path / "checkpoints" / f"{step_name(step)}.safetensors").unlink()
            (run.path / "sheets" / f"{step_name(step)}.png").unlink(missing_ok=True)
    for scratch in run.path.glob("*/.step-*"):  # of a process that was killed as it wrote
        scratch.unlink()
    return state["losses"] if state else []


def _read_state(path: Path) -> dict[str, Any] | None:
    """A resume state, or None if a single bit of it is not as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare checksums
            if archive.testzip():
                return None
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except DAMAGE:
        return None
    return state
