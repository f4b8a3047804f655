"""A queue of runs, one at a time, each trained by a process of its own.

The run folder is the only channel: the process writes it, everyone else reads it, and a file named
`stop` in it asks for a pause. So a run survives closed tabs and server restarts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ambient.config import Config
from ambient.errors import InputError
from ambient.run import (
    STOP_FILE,
    Run,
    is_training,
    list_runs,
    process_started,
    start_run,
    write_atomically,
)

RUNS = Path(os.environ.get("AMBIENT_RUNS", "runs"))
ACTIVE = ("queued", "running")


def submit(config: Config, folder: Path = RUNS) -> Run:
    """Queue a new run; it starts as soon as the one before it ends.

    Returns:
        The run, in a new folder below `folder`.

    Raises:
        InputError: the folder cannot be written.
    """
    stem = config.label
    with _locked(folder):
        number = 1
        while (folder / f"{stem}-{number}").exists():
            number += 1
        run = start_run(folder / f"{stem}-{number}", config)
        _queue(run)
    advance(folder)
    return run


def resume(run: Run) -> None:
    """Queue a paused, interrupted or failed run again, to go on where it stands.

    Raises:
        InputError: its folder cannot be written.
    """
    with _locked(run.path.parent):
        if run.state["status"] in ACTIVE:
            return
        (run.path / STOP_FILE).unlink(missing_ok=True)
        _queue(run)
    advance(run.path.parent)


def request_stop(run: Run) -> None:
    """Ask a run to save and pause; a queued one leaves the queue at once.

    Raises:
        InputError: its folder cannot be written.
    """
    with _locked(run.path.parent):
        if run.state["status"] == "queued":
            write_atomically(run.path / "state.json", json.dumps({**run.state, "status": "paused"}))
        elif run.state["status"] == "running":
            (run.path / STOP_FILE).touch()


def advance(folder: Path = RUNS) -> None:
    """Mark dead runs as interrupted and start the next queued one if the slot is free. Cheap.

    Who may only read the folder changes nothing.

    Raises:
        InputError: the disk is full.
    """
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return
    with _locked(folder):
        runs = list_runs(folder)
        for run in runs:
            if run.state["status"] == "running" and not is_training(run):
                state = {**run.state, "status": "interrupted", "step": run.last_step}
                write_atomically(run.path / "state.json", json.dumps(state))
        if not any(r.state["status"] == "running" for r in runs):
            queue = sorted(
                (r for r in runs if r.state["status"] == "queued"), key=lambda r: r.state["queued"]
            )
            if queue:
                _launch(queue[0])


def position(run: Run) -> int:
    """How many runs are before this one: 0 is running or next."""
    before = (r.state for r in list_runs(run.path.parent) if r.path != run.path)
    mine = run.state.get("queued", 0.0)
    return sum(
        s["status"] == "running" or (s["status"] == "queued" and s["queued"] < mine) for s in before
    )


def _queue(run: Run) -> None:
    state = {"status": "queued", "step": run.last_step, "steps": run.config.steps}
    write_atomically(run.path / "state.json", json.dumps({**state, "queued": time.time()}))


def _launch(run: Run) -> None:
    """Start the training process, detached, niced, its output in the run's log."""
    command = [sys.executable, "-m", "ambient", "train", "--resume", str(run.path.resolve())]
    if shutil.which("nice"):  # visitors' page loads come first
        command = ["nice", "-n", "10", *command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(run.config.threads)}
    root = str(Path(__file__).resolve().parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with (run.path / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,  # a Ctrl-C for the server is not one for the run
        )
    # The process writes its own state once torch is loaded; until then this one holds the slot.
    state = {
        **run.state,
        "status": "running",
        "pid": process.pid,
        "pid_started": process_started(process.pid),
        "heartbeat": time.time(),
    }
    write_atomically(run.path / "state.json", json.dumps(state))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time changes the queue."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
        with FileLock(folder / ".lock"):
            yield
    except OSError as e:
        raise InputError(
            f"'{folder}' cannot be written ({e.strerror}); set AMBIENT_RUNS to a folder of yours."
        ) from e
