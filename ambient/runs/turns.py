"""Whose turn it is: the order of the queue, as plain functions of what its jobs' files say.

The queue is fair: owners take turns, one job each, and within a turn who came first goes first. A
place is a round and a ticket, both counted, so that no clock decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ambient.config import Config
from ambient.files import InputError
from ambient.runs.audits import Audit, list_audits
from ambient.runs.folder import Run, list_runs
from ambient.runs.job import ACTIVE, Job, Place, State

JUDGING = 30.0  # seconds that judging a trained run takes, about
QUEUED = State(status="queued")
Pace = Callable[[Config], float | None]  # seconds a step of a run that has not trained yet


@dataclass(frozen=True)
class Standing:
    """A job as the queue sees it, its files read once."""

    job: Job
    state: State
    owner: str | None
    place: Place = Place()

    @property
    def active(self) -> bool:
        return self.state.status in ACTIVE

    def turn_left(self, line: Sequence[Standing], slice_seconds: float) -> float:
        """Seconds until this job, the first in line, has to make room for others."""
        if isinstance(self.job, Audit) or all(s.owner == self.owner for s in line):
            return math.inf
        return max(0.0, slice_seconds - self.state.running_seconds)


def standings(folder: Path) -> list[Standing]:
    """All jobs of a folder; those with unreadable files take no part."""
    found = []
    for job in (*list_runs(folder), *list_audits(folder)):
        with suppress(InputError):
            found.append(Standing(job, job.state, job.owner, job.place))
    return found


def line_of(kind: type[Job], everyone: Sequence[Standing]) -> list[Standing]:
    """The active jobs of a kind: what is running, then what waits, in order.

    An audit whose page is closed is passed over until somebody looks again.
    """
    return sorted(
        (s for s in everyone if s.active and isinstance(s.job, kind) and not _left(s)),
        key=lambda s: (s.state.status == "queued", s.place.round, s.place.ticket),
    )


def _left(standing: Standing) -> bool:
    job = standing.job
    return standing.state.status == "queued" and isinstance(job, Audit) and job.is_left


def place_behind(owner: str | None, everyone: Sequence[Standing]) -> Place:
    """The place of a job that comes now.

    Its round is the one that is being served, or the one after the last that its owner had.
    """
    rounds = [s.place.round for s in everyone]
    served = min((s.place.round for s in everyone if s.active), default=max(rounds, default=0))
    after_own = max((s.place.round + 1 for s in everyone if s.owner == owner), default=0)
    ticket = max((s.place.ticket for s in everyone), default=0) + 1
    return Place(round=max(served, after_own), ticket=ticket)


def seconds_before(
    target: Path, owner: str | None, everyone: list[Standing], pace: Pace, slice_seconds: float
) -> float | None:
    """Seconds until the run at `target` starts or goes on; None where unknown.

    The queue is played forward: everyone's steps left, at the pace measured so far.

    Args:
        target: the folder of a queued run, or of none yet: a run that `owner` would queue now.
    """
    everyone = [s for s in everyone if isinstance(s.job, Run)]
    left = {s.job.path: _seconds_left(s, pace) for s in everyone}
    if target not in left:
        everyone.append(Standing(Job(target), QUEUED, owner, place_behind(owner, everyone)))
    waited = 0.0
    while line := line_of(Job, everyone):
        first = line[0]
        path = first.job.path
        if path == target:
            break
        seconds = left[path]
        if seconds is None:
            return None
        turn = min(seconds, first.turn_left(line, slice_seconds))
        waited += turn
        left[path] = seconds - turn
        last = replace(first, state=QUEUED, place=place_behind(first.owner, everyone))
        everyone.remove(first)
        everyone.append(last if seconds > turn else replace(first, state=State(status="done")))
    return waited


def _seconds_left(standing: Standing, pace: Pace) -> float | None:
    """Seconds to a run's end, at its own pace or at one that is told, and to its verdict."""
    assert isinstance(standing.job, Run)
    config, state = standing.job.config, standing.state
    each, steps = state.seconds_per_step or pace(config), config.steps - state.step
    return (each or 0.0) * steps + JUDGING if each or not steps else None
