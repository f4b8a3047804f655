"""Jobs: folders that say how their work stands, whose it is, and which process does it.

`state.json` says how it stands, `place.json` where it stands in the queue, `owner.json` who may
change it. The process that works at a job writes its state, everyone else reads it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import psutil

from ambient.files import InputError, Record, encode_record, read_record, write_atomically

ACTIVE = ("queued", "running")  # every other status is a job at rest
STATE_FILE, PLACE_FILE, OWNER_FILE = "state.json", "place.json", "owner.json"
NOBODY = "damaged"  # the owner of a job whose owner.json cannot be read
STALE = 120.0  # seconds without a heartbeat: gone, where its process cannot be looked up
HUNG = 600.0  # seconds without a heartbeat and without work: such a process is ended
IDLE = 0.05  # of that time on a core: less is no work
SAME_START = 2.0  # seconds by which two readings of one process's start differ at most

Count = Annotated[int, msgspec.Meta(ge=0)]
Status = Literal["queued", "running", "paused", "interrupted", "failed", "done"]


class Judging(Record, frozen=True, kw_only=True):
    """How far the judging of a trained run is, in samples."""

    done: Count
    of: Count


class State(Record, frozen=True, kw_only=True):
    """How a job stands. Times are seconds."""

    status: Status
    step: Count = 0  # the last one done, or saved where the job is at rest
    steps: Count = 0  # that it is to have
    pid: Count | None = None  # of the process that works at it, and what tells which one that is:
    created: float | None = None  # when it started, since the machine did
    host: str = ""  # where it runs: elsewhere its number says nothing
    heartbeat: float = 0.0  # when it last wrote, since the epoch
    monotonic: float = 0.0  # the same by a clock that nobody sets and that sleeps with the machine
    worked: float = 0.0  # that it had had on cores by then
    running_seconds: float = 0.0  # since its turn began
    seconds_per_step: float = 0.0
    eta_seconds: float = 0.0  # to the last step
    judging: Judging | None = None
    unjudged: str = ""  # why a trained run has no verdict
    error: str = ""  # why it failed


class Place(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a job stands in the queue: counted, not timed."""

    round: Count = 0
    ticket: Count = 0  # 0: worked at, but not by the queue


class Owner(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose a job is: the hash of their token."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Job:
    """A folder with work for a process. Everything is read from disk when asked for."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def state(self) -> State:
        """Its state.json; `done` if there is none.

        Raises:
            InputError: the file is damaged.
        """
        return read_record(self.path / STATE_FILE, State) or State(status="done")

    @property
    def status(self) -> Status:
        return self.state.status

    @property
    def active(self) -> bool:
        """Whether it waits or is worked at."""
        return self.status in ACTIVE

    @property
    def place(self) -> Place:
        return read_record(self.path / PLACE_FILE, Place) or Place()

    @property
    def owner(self) -> str | None:
        """The fingerprint of who may change it; None: anyone; `NOBODY`: it is damaged."""
        with suppress(InputError):
            found = read_record(self.path / OWNER_FILE, Owner)
            return found.sha256 if found else None
        return NOBODY

    def write(self, state: State) -> None:
        write_atomically(self.path / STATE_FILE, encode_record(state))

    def fail(self, reason: str) -> None:
        """Say that its work ended, and why, if it can be written at all."""
        with suppress(OSError):  # else the queue finds the process gone, and says so
            self.tell(status="failed", error=reason)

    def tell(self, **changes: Any) -> None:
        """Change some fields of its state."""
        self.write(msgspec.structs.replace(self.state, **changes))


def fingerprint(token: str | None) -> str | None:
    """What a job stores of its owner's token."""
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()


def mark_owner(folder: Path, token: str) -> None:
    """Say in a job's folder that it is the owner's of this token."""
    record = Owner(sha256=str(fingerprint(token)))
    write_atomically(folder / OWNER_FILE, encode_record(record))


def pulse(pid: int | None = None) -> dict[str, Any]:
    """What a state says of the live process that works at a job, by default this one.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    process = psutil.Process(pid)
    return {
        "pid": process.pid,
        "created": _created(process),
        "host": socket.gethostname(),
        "heartbeat": time.time(),
        "monotonic": time.monotonic(),
        "worked": _worked(process),
    }


def is_alive(job: Job) -> bool:
    """Whether a process works at the job: the one that its state names, and no later one.

    A process of another machine or container is known by its heartbeat.
    """
    state = job.state
    if state.status != "running" or state.pid is None:
        return False
    if state.host != socket.gethostname() or state.created is None:
        return abs(time.time() - state.heartbeat) < STALE
    return _process(state) is not None


def kill(job: Job) -> None:
    """End another process of this machine that works at a job, if there is one, at once."""
    state = job.state
    process = _process(state) if state.status == "running" else None
    if process and process.pid != os.getpid():
        with suppress(psutil.Error):
            process.kill()
            process.wait(5)


def is_hung(job: Job) -> bool:
    """Whether a process of this machine works at the job and has stood still for minutes."""
    state = job.state
    process, silence = _process(state), time.monotonic() - state.monotonic
    if state.status != "running" or process is None or silence < HUNG:
        return False
    with suppress(psutil.Error):
        return _worked(process) - state.worked < IDLE * silence
    return False


def _process(state: State) -> psutil.Process | None:
    """The live process of this machine that wrote a state."""
    if state.pid is None or state.created is None or state.host != socket.gethostname():
        return None
    with suppress(psutil.Error):
        process = psutil.Process(state.pid)
        same = abs(_created(process) - state.created) < SAME_START
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _created(process: psutil.Process) -> float:
    """When a process started; on Linux since the boot, whatever the clock is set to later."""
    return float(process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0))


def _worked(process: psutil.Process) -> float:
    """Seconds that a process has had on cores."""
    times = process.cpu_times()
    return float(times.user + times.system)
