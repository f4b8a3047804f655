"""Training that writes its run folder: metrics, checkpoints, pictures; stop and resume."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from ambient.config import Config
from ambient.corpus import Corpus, split_corpus, to_bytes, to_unit
from ambient.denoiser import EDM
from ambient.errors import InputError
from ambient.run import (
    SHEET_SIDE,
    STOP_FILE,
    Run,
    process_started,
    step_name,
    write_atomically,
    write_sheet,
)
from ambient.sampler import sample, sampler_of
from ambient.trainer import Trainer, TrainStep, train
from ambient.weights import save_weights

LOG_EVERY = 10  # steps a metrics line: one step's loss is mostly the luck of its noise levels
HEARTBEAT = 2.0  # seconds between writes of state.json
KEPT_STATES = 2  # should the newest resume state be damaged, the one before it is whole


def mark_failed(run: Run, reason: str) -> None:
    """Say in state.json that the run ended, and why."""
    state = {**run.state, "status": "failed", "error": reason}
    write_atomically(run.path / "state.json", json.dumps(state) + "\n")


def record(
    run: Run, corpus: Corpus, device: torch.device | None = None
) -> Generator[TrainStep, None, None]:
    """Train `run` from where it stands to its last step, writing its folder as it goes.

    Yields the trainer's records. Ends early, saved and resumable, when the caller closes the
    generator or a file named `stop` appears in the folder.

    Raises:
        InputError: the run has weights but no resume state to go on from.
        FloatingPointError: the loss is no longer a number; the last checkpoint stays.
    """
    config = run.config
    torch.set_num_threads(config.threads)
    trainer = _trainer(config, corpus, device or torch.device("cpu"))
    window = _restore(run, trainer)
    if trainer.step and trainer.step not in run.steps:  # a crash came between the two writes
        _checkpoint(run, trainer, window)
    log = _Log(run, trainer, window)
    log.state("running")
    try:
        for done in train(trainer):
            log.add(done)
            due = done.step % config.checkpoint_every == 0 or done.step == config.steps
            if due:
                _checkpoint(run, trainer, log.losses)
            yield done
            if (run.path / STOP_FILE).exists() and done.step < config.steps:
                break
    except FloatingPointError:
        log.state("failed")
        raise
    finally:
        if log.status == "running":
            if trainer.step and trainer.step not in run.steps:
                _checkpoint(run, trainer, log.losses)
            log.state("done" if trainer.step >= config.steps else "paused")
        (run.path / STOP_FILE).unlink(missing_ok=True)


def _trainer(config: Config, corpus: Corpus, device: torch.device) -> Trainer:
    split = split_corpus(corpus, config.n_train, config.split_seed)
    images = torch.from_numpy(to_unit(corpus.images[split.train]))
    return Trainer(config, images, split.train, device)


class _Log:
    """metrics.jsonl and state.json of a running run."""

    def __init__(self, run: Run, trainer: Trainer, window: list[float]) -> None:
        self.path, self.trainer = run.path, trainer
        self.losses = window  # since the last line; a resumed run goes on with its own
        self.seconds: list[float] = []
        before = run.metrics()
        self.elapsed = before[-1]["seconds"] if before else 0.0
        self.pace = 0.0
        self.last_beat = 0.0
        self.status = "queued"

    def add(self, done: TrainStep) -> None:
        self.losses.append(done.loss)
        self.seconds.append(done.seconds)
        self.elapsed += done.seconds
        if done.step % LOG_EVERY == 0 or done.step == self.trainer.config.steps:
            self.pace = float(np.mean(self.seconds))
            line = {
                "step": done.step,
                "loss": round(float(np.mean(self.losses)), 6),
                "images_per_second": round(self.trainer.config.batch / self.pace, 1),
                "seconds": round(self.elapsed, 2),
            }
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as f:
                f.write(json.dumps(line) + "\n")
            self.losses, self.seconds = [], []
        if time.monotonic() - self.last_beat > HEARTBEAT:
            self.state("running")

    def state(self, status: str) -> None:
        self.status, self.last_beat = status, time.monotonic()
        step, steps = self.trainer.step, self.trainer.config.steps
        record: dict[str, Any] = {
            "status": status,
            "step": step,
            "steps": steps,
            "pid": os.getpid(),
            "pid_started": process_started(os.getpid()),
            "heartbeat": time.time(),
            "seconds_per_step": round(self.pace, 4),
            "eta_seconds": round(self.pace * (steps - step), 1),
        }
        write_atomically(self.path / "state.json", json.dumps(record) + "\n")


def _checkpoint(run: Run, trainer: Trainer, window: list[float]) -> None:
    """Weights to keep, a resume state, and the same 36 seeds as a picture."""
    name = step_name(trainer.step)
    folder = run.path / "resume"
    folder.mkdir(exist_ok=True)
    scratch = folder / f"{name}.part"
    with scratch.open("wb") as f:
        torch.save({**trainer.state(), "losses": window}, f)
        f.flush()
        os.fsync(f.fileno())
    scratch.replace(folder / f"{name}.pt")
    for old in sorted(folder.glob("step-*.pt"))[:-KEPT_STATES]:
        old.unlink()
    save_weights(run.path / "checkpoints" / f"{name}.safetensors", trainer.average)
    write_sheet(run.path / "sheets" / f"{name}.png", sheet_samples(run, trainer.average))


def sheet_samples(run: Run, denoiser: EDM) -> np.ndarray:
    """Seeds 0 to 35 with the default sampler, uint8 (36, h, w, c)."""
    c = run.config
    seeds = range(SHEET_SIDE**2)
    batches = list(sample(denoiser, seeds, (c.channels, c.side, c.side), sampler_of(c)))
    return to_bytes(torch.cat(batches).numpy())


def _restore(run: Run, trainer: Trainer) -> list[float]:
    """Load the newest whole resume state and cut metrics.jsonl and later files back to it.

    Returns:
        The losses since the last metrics line.

    Raises:
        InputError: there are weights but no whole resume state: nothing is touched.
    """
    window: list[float] = []
    for path in sorted((run.path / "resume").glob("step-*.pt"), reverse=True):
        try:
            state = torch.load(path, weights_only=True, map_location=trainer.device)
            trainer.load_state(state)
        except (RuntimeError, EOFError, OSError, KeyError, ValueError, UnpicklingError):
            continue  # damaged; the one before it is whole
        window = state["losses"]
        break
    else:
        if run.steps:
            raise InputError(
                f"run '{run.path}' has weights of step {run.last_step} but no readable resume "
                "state, so it cannot go on; train a new run."
            )
    kept = [m for m in run.metrics() if m["step"] <= trainer.step]
    text = "".join(json.dumps(m) + "\n" for m in kept)
    if (run.path / "metrics.jsonl").exists():
        write_atomically(run.path / "metrics.jsonl", text)
    for step in run.steps:
        if step > trainer.step:
            (run.path / "checkpoints" / f"{step_name(step)}.safetensors").unlink()
            (run.path / "sheets" / f"{step_name(step)}.png").unlink(missing_ok=True)
    return window
