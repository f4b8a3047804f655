"""Room in a full runs folder: the one rule by which the queue removes runs.

On a public server whose runs folder is as full as it may be (`Limits.disk`), runs are removed when
another one is queued or started: of the runs that have been at rest for `Limits.keep_hours` or
longer, the oldest of the owner who holds most, one by one, until a tenth of the folder is free.
Nothing is removed where that would not suffice: then the request is refused, and the page says so
before the click. On a machine of one's own nothing is ever removed.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from ambient.runs.audits import PREFIX
from ambient.runs.folder import UNPACKING, Run
from ambient.runs.job import Job
from ambient.runs.limits import Limits, bytes_of
from ambient.runs.turns import standings

GONE = ".gone"  # begins the name of a folder that is being removed
UNPACKED_AFTER = 3600.0  # seconds after which an upload is no longer being unpacked
ROOM = 0.9  # of what a folder may hold: runs that train need some


def check_room(folder: Path) -> None:
    """Refuse a new run where the folder is full and the queue may not make room.

    Raises:
        InputError: what the folder holds, and what it may.
    """
    limits = Limits.here()
    if math.isfinite(limits.disk) and not _removable(folder, limits):
        limits.check_disk(folder)


def make_room(folder: Path, limits: Limits) -> None:
    """Remove runs from a folder that holds as much as it may, by the rule above."""
    if math.isinf(limits.disk):
        return
    _sweep(folder)
    if bytes_of(folder) >= limits.disk:
        for run in _removable(folder, limits):
            discard(run)


def _removable(folder: Path, limits: Limits) -> list[Run]:
    """The runs to remove for room to be made; none where that would not suffice."""
    too_much = bytes_of(folder) - ROOM * limits.disk
    held: Counter[str | None] = Counter()
    old: list[tuple[Run, str | None, int]] = []
    for s in sorted(standings(folder), key=lambda s: _changed(s.job)):
        if isinstance(s.job, Run):
            size = bytes_of(s.job.path)
            held[s.owner] += size
            if not s.active and time.time() - _changed(s.job) > 3600 * limits.keep_hours:
                old.append((s.job, s.owner, size))
    chosen = []
    while old and too_much > 0:
        most = max(old, key=lambda entry: held[entry[1]])  # the first, and oldest, of theirs
        old.remove(most)
        run, owner, size = most
        held[owner] -= size
        too_much -= size
        chosen.append(run)
    return chosen if too_much <= 0 else []


def _changed(job: Job) -> float:
    """When a run last changed, seconds since the epoch."""
    files = (job.path / name for name in ("state.json", "config.json"))
    return max((f.stat().st_mtime for f in files if f.exists()), default=0.0)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: folders half removed, and half unpacked long ago."""
    for stale in folder.glob(f"{GONE}*"):
        shutil.rmtree(stale, ignore_errors=True)
    half_made = [f for f in folder.glob(f"{PREFIX}*") if not (f / "state.json").exists()]
    for stale in [*folder.glob(f"{UNPACKING}*"), *half_made]:
        with suppress(FileNotFoundError):
            if time.time() - stale.stat().st_mtime > UNPACKED_AFTER:
                shutil.rmtree(stale, ignore_errors=True)


def discard(job: Job) -> None:
    """Remove a job's folder: in one move out of sight, then file by file."""
    gone = job.path.with_name(f"{GONE}-{job.name}")
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(FileNotFoundError):  # somebody else was faster
        job.path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
