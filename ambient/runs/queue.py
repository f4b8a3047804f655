"""A queue of runs, one at a time, each trained by a process of its own.

The run folder is the only channel: the process writes it, everyone else reads it, and a file named
`stop` in it asks for an end. So a run survives closed tabs and server restarts.

The queue is fair: owners take turns, one run each, and within a turn who came first goes first.
While somebody else waits, a run that has had its slice of time saves and goes back to the end;
resuming is exact, so that costs nothing but the change. Whose turn it is stands in `place.json`
(a round and a ticket, both counted, no clock), who may change a run in `owner.json`.
"""

from __future__ import annotations

import hmac
import json
import math
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ambient.config import Config
from ambient.images.corpus import Corpus
from ambient.errors import InputError
from ambient.runs.limits import Limits, bytes_of
from ambient.files import is_full, read_json, unwritten, write_atomically
from ambient.runs.folder import ACTIVE, OWN, PLACE_FILE, STOP_FILE, UNPACKING, YIELD, Run, end_hung, fingerprint, is_training, lengthen, list_runs, mark_failed, owner_record, pulse, settle, start_run
from ambient.images.read import Shape, check_shape, whole

RUNS = Path(os.environ.get("AMBIENT_RUNS", "runs"))
SLICE = 180.0  # seconds a run trains while somebody else waits
JUDGED = 256  # samples that a run is judged on at its end: an interval of 12 points at most
JUDGING = 30.0  # seconds that this takes, about
NEW, GONE = ".new", ".gone"  # a folder being made, folders being removed
UNPACKED_AFTER = 3600.0  # seconds after which an upload is no longer being unpacked
PATIENCE = 20.0  # seconds to wait for another process that changes the queue


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
    with _locked(folder):
        for config in configs:
            limits.check(config, folder, owner, len(configs))
        try:
            for config in configs:
                made.append(_made(config, folder, owner, start, images))
            _make_room(folder, limits)  # last: a request that is refused costs nobody a run
            limits.check_disk(folder)
        except BaseException:
            for run in made:
                _discard(run)
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
        write_atomically(run.path / "owner.json", owner_record(owner))
    _queue(run)
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


def may_change(run: Run, owner: str | None) -> bool:
    """Whether the token is that of the run's owner; a run without one is anyone's."""
    kept = run.owner
    return kept is None or hmac.compare_digest(kept, fingerprint(owner) or "")


def resume(run: Run, owner: str | None = None) -> None:
    """Queue a run at rest again, to go on where it stands; one that is done is judged.

    Raises:
        InputError: its folder cannot be written, it is somebody else's, or the queue is full.
    """
    with _changing(run, owner):
        if run.state["status"] in ACTIVE:
            return
        limits = Limits.here()
        limits.check(run.config, run.path.parent, owner)
        limits.check_disk(run.path.parent)
        _queue(run)
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
        _queue(run)
    advance(run.path.parent)
    return run


def request_stop(run: Run, owner: str | None = None) -> None:
    """Ask a run to save and pause; a queued one leaves the queue at once.

    Raises:
        InputError: its folder cannot be written, or it is somebody else's.
    """
    with _changing(run, owner):
        if run.state["status"] == "queued":
            at_rest = "paused" if run.saved_step < run.config.steps else "done"
            write_atomically(run.path / "state.json", json.dumps({**run.state, "status": at_rest}))
            (run.path / PLACE_FILE).unlink(missing_ok=True)
        elif run.state["status"] == "running":
            write_atomically(run.path / STOP_FILE, "pause")


def delete(run: Run, owner: str | None = None, folder: Path = RUNS) -> None:
    """Remove a run at rest.

    Raises:
        InputError: it is active, somebody else's, or not in `folder`.
    """
    if run.path.resolve().parent != folder.resolve():
        raise InputError(f"'{run.path}' is not in '{folder}'; only runs there can be deleted.")
    with _changing(run, owner):
        _refuse_active(run)
        _discard(run)


def make_room(folder: Path) -> bool:
    """Clean a folder that holds as much as it may. Returns whether it now holds less."""
    limits = Limits.here()
    if math.isinf(limits.disk):
        return True
    with _locked(folder):
        _make_room(folder, limits)
    return bytes_of(folder) < limits.disk


def _make_room(folder: Path, limits: Limits) -> None:
    """Nothing is removed where that would not suffice."""
    if math.isinf(limits.disk):
        return
    _sweep(folder)
    at_rest = sum(bytes_of(s.run.path) for s in _standings(folder) if not s.active)
    if bytes_of(folder) - at_rest < limits.disk:
        _clean(folder, int(limits.disk) - 1)


def _clean(folder: Path, max_bytes: int) -> None:
    """Remove runs at rest until the folder is small enough: the oldest of who keeps most there."""
    size = bytes_of(folder)
    at_rest = sorted((s for s in _standings(folder) if not s.active), key=lambda s: _changed(s.run))
    while at_rest and size > max_bytes:
        first = _oldest_of_most(at_rest)
        at_rest.remove(first)
        size -= bytes_of(first.run.path)
        _discard(first.run)


def _oldest_of_most(standings: list[_Standing]) -> _Standing:
    """The first run of the owner whose runs take most, so that nobody crowds out the others."""
    held: Counter[str | None] = Counter()
    for s in standings:
        held[s.owner] += bytes_of(s.run.path)
    (most, _), *_ = held.most_common(1)
    return next(s for s in standings if s.owner == most)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: folders half removed, and half unpacked long ago."""
    for stale in folder.glob(f"{GONE}*"):
        shutil.rmtree(stale, ignore_errors=True)
    for stale in folder.glob(f"{UNPACKING}*"):
        with suppress(FileNotFoundError):
            if time.time() - stale.stat().st_mtime > UNPACKED_AFTER:
                shutil.rmtree(stale, ignore_errors=True)


def advance(folder: Path = RUNS, slice_seconds: float = SLICE) -> None:
    """Mark dead runs as interrupted, end the running one's slice, start the next. Cheap.

    A process that hangs is killed, and its run goes on in its turn. Who may only read the folder
    changes nothing.

    Raises:
        InputError: the disk is full.
    """
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return
    with _locked(folder):
        for run in (s.run for s in _standings(folder) if s.state["status"] == "running"):
            if end_hung(run) and not run.is_to_pause:
                _queue(run)
            # The process may have ended since: what it said last counts, if it said anything.
            elif not is_training(run) and run.state["status"] == "running":
                settle(run)
        standings = _standings(folder)
        line = _line(standings)
        if not line:
            return
        first = line[0]
        if first.state["status"] == "queued":
            _launch(first.run)
        elif first.ticket and first.turn_left(line, slice_seconds) <= 0:
            stop = first.run.path / STOP_FILE
            if not stop.exists():
                _place(first.run, standings)
                write_atomically(stop, YIELD)


def is_busy(folder: Path = RUNS) -> bool:
    """Whether any run trains or waits."""
    return any(s.active for s in _standings(folder))


def position(run: Run) -> int:
    """How many runs are before this one: 0 is running or next."""
    line = [s.run.path for s in _line(_standings(run.path.parent))]
    return line.index(run.path) if run.path in line else len(line)


def wait_seconds(
    run: Run | None,
    folder: Path = RUNS,
    owner: str | None = None,
    pace: Callable[[Config], float | None] = lambda config: None,
    slice_seconds: float = SLICE,
) -> float | None:
    """Seconds until a run starts or goes on; None where unknown.

    The queue is played forward: everyone's steps left, at the pace measured so far.

    Args:
        run: a queued run; None: a new one, of `owner` in `folder`.
        pace: seconds a step of a run that has not trained yet.
    """
    everyone = _standings(run.path.parent if run else folder)
    target = run.path if run else folder / NEW
    left = {s.run.path: s.seconds_left(pace) for s in everyone}
    if run is None and everyone:  # nobody asks for the config of who is only imagined
        new = _Standing(replace(everyone[0].run, path=target), QUEUED, fingerprint(owner))
        everyone.append(_behind(new, everyone))
    waited = 0.0
    while line := _line(everyone):
        first = line[0]
        if first.run.path == target:
            break
        seconds = left[first.run.path]
        if seconds is None:
            return None
        turn = min(seconds, first.turn_left(line, slice_seconds))
        waited += turn
        left[first.run.path] = seconds - turn
        goes_on = replace(_behind(first, everyone), state=QUEUED)
        everyone.remove(first)
        everyone.append(goes_on if seconds > turn else replace(first, state={"status": "done"}))
    return waited


QUEUED: dict[str, Any] = {"status": "queued"}
PLACE: Shape = {"round?": whole, "ticket?": whole}


@dataclass(frozen=True)
class _Standing:
    """A run as the queue sees it, its files read once."""

    run: Run
    state: dict[str, Any]
    owner: str | None
    round: int = 0
    ticket: int = 0  # 0: trained, but not by the queue

    @property
    def active(self) -> bool:
        return self.state["status"] in ACTIVE

    def turn_left(self, line: list[_Standing], slice_seconds: float) -> float:
        """Seconds until the run, which is the first in line, has to make room for others."""
        if all(s.owner == self.owner for s in line):
            return math.inf
        return max(0.0, slice_seconds - self.state.get("running_seconds", 0.0))

    def seconds_left(self, pace: Callable[[Config], float | None]) -> float | None:
        """Seconds to its end, at its own pace or at one that is told, and to its verdict."""
        each = self.state.get("seconds_per_step") or pace(self.run.config)
        steps = self.run.config.steps - self.state.get("step", 0)
        return (each or 0.0) * steps + JUDGING if each or not steps else None


def _standings(folder: Path) -> list[_Standing]:
    """All runs of a folder; those with an unreadable state take no part."""
    found = []
    for run in list_runs(folder):
        try:
            state, place = run.state, read_json(run.path / PLACE_FILE) or {}
            check_shape(place, PLACE, PLACE_FILE)
            found.append(_Standing(run, state, run.owner, **place))
        except (InputError, TypeError):
            continue
    return found


def _line(standings: list[_Standing]) -> list[_Standing]:
    """Who trains, then who waits, in order."""
    active = (s for s in standings if s.active)
    return sorted(active, key=lambda s: (s.state["status"] == "queued", s.round, s.ticket))


def _behind(standing: _Standing, everyone: list[_Standing]) -> _Standing:
    """The place of a run that comes now.

    Its round is the one that is being served, or the one after the last that its owner had.
    """
    rounds = [s.round for s in everyone]
    served = min((s.round for s in everyone if s.active), default=max(rounds, default=0))
    after_own = max((s.round + 1 for s in everyone if s.owner == standing.owner), default=0)
    ticket = max((s.ticket for s in everyone), default=0) + 1
    return replace(standing, round=max(served, after_own), ticket=ticket)


def _place(run: Run, everyone: list[_Standing]) -> None:
    mine = _behind(_Standing(run, QUEUED, run.owner), everyone)
    place = {"round": mine.round, "ticket": mine.ticket}
    write_atomically(run.path / PLACE_FILE, json.dumps(place))


def _queue(run: Run) -> None:
    """Put a run at the end of its owner's; the last write makes it count."""
    _place(run, _standings(run.path.parent))
    (run.path / STOP_FILE).unlink(missing_ok=True)
    write_atomically(run.path / "state.json", json.dumps({**_rest_of(run), **QUEUED}))


def _rest_of(run: Run) -> dict[str, Any]:
    """What a state says whoever trains the run."""
    pace = run.state.get("seconds_per_step", 0.0)
    return {"step": run.saved_step, "steps": run.config.steps, "seconds_per_step": pace}


def _changed(run: Run) -> float:
    """When a run last changed, seconds since the epoch."""
    files = (run.path / name for name in ("state.json", "config.json"))
    return max((f.stat().st_mtime for f in files if f.exists()), default=0.0)


def _refuse_active(run: Run) -> None:
    if (status := run.state["status"]) in ACTIVE:
        raise InputError(f"run '{run.name}' is {status}; stop it first.")


def _discard(run: Run) -> None:
    """Remove a run's folder: in one move out of sight, then file by file."""
    gone = run.path.with_name(f"{GONE}-{run.name}")
    shutil.rmtree(gone, ignore_errors=True)
    run.path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _launch(run: Run) -> None:
    """Start the process that trains and judges, detached, niced, its output in the run's log."""
    command = [sys.executable, "-m", "ambient", "train", "--resume", str(run.path.resolve())]
    command += ["--evaluate", str(JUDGED)]
    if shutil.which("nice"):  # visitors' page loads come first
        command = ["nice", "-n", "10", *command]
    environment = {**os.environ, "OMP_NUM_THREADS": str(run.config.threads)}
    root = str(Path(__file__).resolve().parent.parent.parent)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    try:
        with (run.path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # a Ctrl-C for the server is not one for the run
            )
    except OSError as e:  # the next in line is not kept waiting
        mark_failed(run, f"training could not be started ({e.strerror}); go on with it later.")
        return
    # The process writes its own state once torch is loaded; until then this one holds the slot.
    state = {**_rest_of(run), "status": "running", **pulse(process.pid)}
    try:
        write_atomically(run.path / "state.json", json.dumps(state))
    except OSError:  # nobody would know of it, and the next look would start another
        process.kill()
        process.wait()
        raise


@contextmanager
def _changing(run: Run, owner: str | None) -> Iterator[None]:
    """The queue held still, for who may change the run."""
    with _locked(run.path.parent):
        if not may_change(run, owner):
            raise InputError(
                f"run '{run.name}' is somebody else's; only who started it can change it. "
                "Start one of your own."
            )
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
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
