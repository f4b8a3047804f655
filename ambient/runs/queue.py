"""One queue for trainings and audits: a folder a job, a process a job.

The job's folder is the only channel: its process writes it, everyone else reads it, and a file
named `stop` in a run asks its training for an end. So a job survives closed tabs and restarts of
the server; whoever looks next finds out which processes are gone (`advance`).

**Slots.** One training and one audit work at a time, niced: an audit of a minute does not wait for
a training of an hour, and two trainings would each take twice as long.

**Turns** (`ambient.runs.turns`). Owners take turns. While somebody else waits, a run that has had
its slice of time saves and goes back to the end; resuming is exact, so that costs nothing but the
change. An audit has its turn in one piece, and at most `Limits.seconds` of it.

**Who may stop, extend or delete a job.** Its owner: whoever has the token whose hash stands in
`owner.json` (`may_change`). A job without that file is anyone's. A run must be stopped before it is
deleted; an audit is ended.

**Room.** No training and no audit ever removes a run. The queue does, on a public server whose runs
folder is full, by one rule (`ambient.runs.room`).
"""

from __future__ import annotations

import hmac
import math
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ambient.config import Config
from ambient.files import InputError, encode_record, write_atomically
from ambient.images.corpus import Corpus
from ambient.runs.audits import PREFIX, REQUEST_FILE, Audit, Request
from ambient.runs.folder import OWN, STOP_FILE, Run
from ambient.runs.job import (
    ACTIVE,
    PLACE_FILE,
    Job,
    fingerprint,
    kill,
    mark_owner,
)
from ambient.runs.limits import Limits
from ambient.runs.room import discard, make_room
from ambient.runs.start import lengthen, start_run
from ambient.runs.turns import Pace, line_of, seconds_before, standings
from ambient.runs.upkeep import JUDGED, RUNS, SLICE, advance, enqueue, locked

__all__ = [
    "JUDGED",
    "RUNS",
    "advance",
    "delete",
    "extend",
    "may_change",
    "position",
    "request_stop",
    "resume",
    "submit",
    "submit_all",
    "submit_audit",
    "wait_seconds",
]

NEW = ".new"  # a run's folder that is being made


def submit(
    config: Config,
    folder: Path = RUNS,
    owner: str | None = None,
    start: tuple[Run, int | None] | None = None,
    images: Corpus | None = None,
) -> Run:
    """Queue a new run; see `submit_all`."""
    (run,) = submit_all([config], folder, owner, start, images)
    return run


def submit_all(
    configs: Sequence[Config],
    folder: Path = RUNS,
    owner: str | None = None,
    start: tuple[Run, int | None] | None = None,
    images: Corpus | None = None,
) -> list[Run]:
    """Queue new runs, in this order: all of them, or none where one is refused.

    Args:
        owner: a secret of who asks, of which only a hash is stored; None: anyone may change it.
        start: a run and one of its steps (None: the last), whose weights it starts from.
        images: what a run on somebody's own pictures keeps; see `start_run`.

    Returns:
        The runs, each in a new folder below `folder`. That of an owner's own pictures has a name
        that cannot be guessed: whoever knows it may look.

    Raises:
        InputError: the folder cannot be written, this server does not train such runs or has no
            room for all of them, or the weights to start from do not fit.
    """
    limits, made = Limits.here(), list[Run]()
    with locked(folder):
        for config in configs:
            limits.check(config, folder, owner, len(configs))
        try:
            for config in configs:
                made.append(_made(config, folder, owner, start, images))
            make_room(folder, limits)  # last: a request that is refused costs nobody a run
            limits.check_disk(folder)
        except BaseException:
            for run in made:
                discard(run)
            raise
    advance(folder)
    return made


def _made(
    config: Config,
    folder: Path,
    owner: str | None,
    start: tuple[Run, int | None] | None,
    images: Corpus | None,
) -> Run:
    """A new queued run."""
    shutil.rmtree(folder / NEW, ignore_errors=True)  # of a process killed right here
    run = start_run(folder / NEW, config, start, images)
    if owner is not None:
        mark_owner(run.path, owner)
    enqueue(run)
    path = folder / _name(config, folder, owner)
    run.path.rename(path)
    return replace(run, path=path)


def _name(config: Config, folder: Path, owner: str | None) -> str:
    """A name that no run of the folder has."""
    if config.corpus == OWN and owner is not None:
        return f"{config.label}-{secrets.token_hex(8)}"
    number = 1
    while (folder / f"{config.label}-{number}").exists():
        number += 1
    return f"{config.label}-{number}"


def submit_audit(ask: Callable[[Audit], Request], owner: str, folder: Path = RUNS) -> Audit:
    """Queue an audit.

    Args:
        ask: writes what is handed over into the audit's folder, and says what is asked for.
        owner: a secret of who asks, of which only a hash is stored.

    Returns:
        The audit, in a folder whose name nobody can guess.

    Raises:
        InputError: the folder cannot be written, too many audits wait, or whatever `ask` refuses.
    """
    audit = Audit(folder.resolve() / f"{PREFIX}{secrets.token_urlsafe(16)}")
    with locked(folder):
        _check_audits(folder)
        audit.given.mkdir(parents=True)
    try:
        request = ask(audit)  # outside of the lock: it may write for seconds
        with locked(folder):
            _check_audits(folder)
            write_atomically(audit.path / REQUEST_FILE, encode_record(request))
            mark_owner(audit.path, owner)
            audit.look()
            enqueue(audit)
    except BaseException:
        discard(audit)
        raise
    advance(folder)
    return audit


def _check_audits(folder: Path) -> None:
    waiting = sum(s.active for s in standings(folder) if isinstance(s.job, Audit))
    if waiting >= Limits.here().queued:
        raise InputError(f"{waiting} audits are waiting already; try again later.")


def may_change(job: Job, owner: str | None) -> bool:
    """Whether the token is that of the job's owner; a job without one is anyone's."""
    kept = job.owner
    return kept is None or hmac.compare_digest(kept, fingerprint(owner) or "")


def resume(run: Run, owner: str | None = None) -> None:
    """Queue a run at rest again, to go on where it stands; one that is done is judged.

    Raises:
        InputError: its folder cannot be written, it is somebody else's, or the queue is full.
    """
    with _changing(run, owner):
        if run.state.status in ACTIVE:
            return
        limits = Limits.here()
        limits.check(run.config, run.path.parent, owner)
        limits.check_disk(run.path.parent)
        enqueue(run)
    advance(run.path.parent)


def extend(run: Run, steps: int, owner: str | None = None) -> Run:
    """Raise the steps of a run at rest and queue it: as if it had been started with that many.

    Stages are stored more rarely from there on where there would be too many of them.

    Raises:
        InputError: as `resume`, or it is active, has as many steps, or nothing to go on from.
    """
    with _changing(run, owner):
        _refuse_active(run)
        limits = Limits.here()
        every = math.ceil(steps / min(limits.stages, Limits.stages))
        every = max(run.config.checkpoint_every, every)
        longer = run.config.replace(steps=steps, checkpoint_every=every)
        limits.check(longer, run.path.parent, owner)
        limits.check_disk(run.path.parent)
        run = lengthen(run, steps, every)
        enqueue(run)
    advance(run.path.parent)
    return run


def request_stop(run: Run, owner: str | None = None) -> None:
    """Ask a run to save and pause; a queued one leaves the queue at once.

    Raises:
        InputError: its folder cannot be written, or it is somebody else's.
    """
    with _changing(run, owner):
        if run.state.status == "queued":
            run.tell(status="paused" if run.saved_step < run.config.steps else "done")
            (run.path / PLACE_FILE).unlink(missing_ok=True)
        elif run.state.status == "running":
            write_atomically(run.path / STOP_FILE, "pause")


def delete(job: Job, owner: str | None = None, folder: Path = RUNS) -> None:
    """Remove a run at rest, or an audit however it stands.

    Raises:
        InputError: it is a run that is active, somebody else's, or not in `folder`.
    """
    if job.path.resolve().parent != folder.resolve():
        raise InputError(f"'{job.path}' is not in '{folder}'; only runs there can be deleted.")
    with _changing(job, owner):
        if isinstance(job, Run):
            _refuse_active(job)
        kill(job)
        discard(job)
    advance(folder)


def position(job: Job) -> int:
    """How many jobs of its kind are before this one: 0 is running or next."""
    line = [s.job.path for s in line_of(type(job), standings(job.path.parent))]
    return line.index(job.path) if job.path in line else len(line)


def wait_seconds(
    run: Run | None,
    folder: Path = RUNS,
    owner: str | None = None,
    pace: Pace = lambda config: None,
    slice_seconds: float = SLICE,
) -> float | None:
    """Seconds until a run starts or goes on; None where unknown.

    Args:
        run: a queued run; None: a new one, of `owner` in `folder`.
        pace: seconds a step of a run that has not trained yet.
    """
    everyone = standings(run.path.parent if run else folder)
    target = run.path if run else folder / NEW
    return seconds_before(target, fingerprint(owner), everyone, pace, slice_seconds)


def _refuse_active(run: Run) -> None:
    if (status := run.state.status) in ACTIVE:
        raise InputError(f"run '{run.name}' is {status}; stop it first.")


@contextmanager
def _changing(job: Job, owner: str | None) -> Iterator[None]:
    """Lock the queue, and refuse everyone but the owner of the job."""
    with locked(job.path.parent):
        if not may_change(job, owner):
            raise InputError(
                f"run '{job.name}' is somebody else's; only who started it can change it. "
                "Start one of your own."
            )
        yield
