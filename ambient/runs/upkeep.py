"""What keeps the queue going: which processes are gone, whose turn ends, what starts next."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from ambient.files import InputError, encode_record, is_full, unwritten, write_atomically
from ambient.runs.audits import Audit
from ambient.runs.folder import STOP_FILE, YIELD, Run
from ambient.runs.job import (
    PLACE_FILE,
    Job,
    State,
    Status,
    is_alive,
    is_hung,
    kill,
    pulse,
)
from ambient.runs.launch import start_process
from ambient.runs.limits import Limits
from ambient.runs.room import discard, make_room
from ambient.runs.turns import line_of, place_behind, standings

RUNS = Path(os.environ.get("AMBIENT_RUNS", "runs"))
KINDS = (Run, Audit)  # each has a slot of its own
SLICE = 180.0  # seconds a run trains while somebody else waits
JUDGED = 256  # samples that a run is judged on at its end: an interval of 12 points at most
PATIENCE = 20.0  # seconds to wait for another process that changes the queue


def advance(folder: Path = RUNS, slice_seconds: float = SLICE) -> None:
    """Mark jobs whose process is gone, end a turn that is over, start the next job. Cheap.

    A process that hangs is killed, and its run goes on in its turn. No-op if the folder is
    read-only.

    Raises:
        InputError: the disk is full.
    """
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return
    with locked(folder):
        for standing in standings(folder):
            job = standing.job
            if isinstance(job, Audit):
                _look_after_audit(job)
            elif isinstance(job, Run) and standing.state.status == "running":
                _look_after_run(job)
        everyone = standings(folder)
        for kind in KINDS:
            line = line_of(kind, everyone)
            if not line:
                continue
            first = line[0]
            if first.state.status == "queued":
                launch(first.job)
            elif first.place.ticket and first.turn_left(line, slice_seconds) <= 0:
                stop = first.job.path / STOP_FILE
                if not stop.exists():
                    _place(first.job)
                    write_atomically(stop, YIELD)


def _look_after_run(run: Run) -> None:
    if is_hung(run):
        kill(run)  # which costs no more than half a minute of work
        if not run.is_to_pause:
            enqueue(run)
            return
    # The process may have ended since: what it said last counts, if it said anything.
    if not is_alive(run) and run.state.status == "running":
        run.settle()


def _look_after_audit(audit: Audit) -> None:
    state, most = audit.state, Limits.here().seconds
    if audit.is_over:
        kill(audit)
        discard(audit)
    elif state.status == "running" and not is_alive(audit):
        audit.settle()
    elif state.status == "running" and time.monotonic() - state.monotonic > most:
        kill(audit)
        audit.fail(f"it took longer than {most / 60:.0f} minutes; give it less.")


def launch(job: Job) -> None:
    """Start the process of a job; until it writes a state of its own, this one holds the slot."""
    limits = Limits.here()
    make_room(job.path.parent, limits)
    try:
        if isinstance(job, Run):
            command = ["train", "--resume", str(job.path.resolve()), "--evaluate", str(JUDGED)]
            process = start_process(job, command, job.config.threads)
        else:
            assert isinstance(job, Audit)
            threads = int(min(2, limits.threads))
            process = start_process(job, job.request.arguments, threads, limits.seconds)
    except OSError as e:  # the next in line is not kept waiting
        job.fail(f"it could not be started ({e.strerror}); try again later.")
        return
    try:
        job.write(msgspec.structs.replace(_state(job), **pulse(process.pid)))
    except OSError:  # nobody would know of it, and the next look would start another
        process.kill()
        process.wait()
        raise


def enqueue(job: Job) -> None:
    """Put a job into the queue; the last write makes it count."""
    _place(job)
    (job.path / STOP_FILE).unlink(missing_ok=True)
    job.write(_state(job, "queued"))


def _place(job: Job) -> None:
    """Move a job behind the other jobs of its owner."""
    place = place_behind(job.owner, standings(job.path.parent))
    write_atomically(job.path / PLACE_FILE, encode_record(place))


def _state(job: Job, status: Status = "running") -> State:
    """A fresh state that keeps what does not depend on the process."""
    if not isinstance(job, Run):
        return State(status=status)
    pace = job.state.seconds_per_step
    return State(status=status, step=job.saved_step, steps=job.config.steps, seconds_per_step=pace)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time changes the queue."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=PATIENCE):
            yield
    except Timeout as e:
        raise InputError(
            f"another process has held '{folder}' for {PATIENCE:g} seconds; try again, or end it."
        ) from e
    except OSError as e:
        if is_full(e):
            raise InputError(unwritten(folder, e)) from e
        raise InputError(
            f"'{folder}' cannot be written ({e.strerror}); set AMBIENT_RUNS to a folder of yours."
        ) from e
