"""The film of a training as it grows: the newest samples, how many are copies, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from ambient.copies.aligned import find_neighbors
from ambient.copies.guises import orbit_of
from ambient.copies.intervals import clopper_pearson
from ambient.files import InputError
from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.film import show
from ui.film.parts import Chart, Film, Line, Row
from ui.pictures import Images

SHOWN = 12


@dataclass(frozen=True)
class Stage:
    """Samples of a stage: which are copies, and the training images nearest to each."""

    images: Images
    copies: tuple[bool, ...]
    near: list[list[int]]

    @property
    def rate(self) -> float:
        return sum(self.copies) / len(self.copies)

    @property
    def ci95(self) -> tuple[float, float]:
        return clopper_pearson(sum(self.copies), len(self.copies))


@st.cache_resource(max_entries=128, show_spinner=False)
def _stage(path: str, step: int, changed: tuple[int, int]) -> Stage:
    run = store.open_run(path)
    sheet = run.sheet(step)
    if sheet is None:  # it was listed a moment ago
        raise InputError(
            f"the samples of '{run.name}' at step {step} were just removed; look again."
        )
    both = data.sets(run)
    found = find_neighbors(sheet, both.train, both.groups, orbit_of(run.config)).aligned
    near = np.stack([found.nearest, found.second], axis=1).tolist()
    copies = tuple((found.ratio < data.threshold(run)).tolist())
    return Stage(sheet, copies, near)


def stage(run: Run, step: int) -> Stage:
    """The stored samples of a step, judged.

    Raises:
        InputError: they were removed.
    """
    path = run.path / "sheets" / f"{store.step_name(step)}.png"
    return _stage(str(run.path), step, (data.stamp(path), data.stamp(run.path / "report.json")))


def steps_of(runs: Mapping[str, Run]) -> list[int]:
    """The stages that all of these runs have that have any."""
    known = [set(run.sheet_steps) for run in runs.values() if run.sheet_steps]
    return sorted(set.intersection(*known)) if known else []


def rows(run: Run) -> list[dict[str, Any]]:
    """Copied share of the stored samples of every stage, with its interval."""
    found = [(step, stage(run, step)) for step in run.sheet_steps]
    return [{"run": run.name, "step": k, "rate": s.rate, "ci95": s.ci95} for k, s in found]


def scrub(runs: Mapping[str, Run]) -> None:
    """The film of one run or of a pair, from the same noise; its step goes into the address."""
    at, some = steps_of(runs), [run for run in runs.values() if run.sheet_steps]
    changed = tuple(data.stamp(run.path / f) for run in some for f in ("sheets", "report.json"))
    film = _film(tuple(str(run.path) for run in some), tuple(at), changed)
    key = f"live-{'-'.join(run.name for run in some)}"
    show(film, key, "step", at, cell="picture", first=(0, 0))


@st.cache_resource(max_entries=12, show_spinner=False)
def _film(paths: tuple[str, ...], at: tuple[int, ...], changed: tuple[int, ...]) -> Film:
    runs = {run.config.arm: run for run in map(store.open_run, paths)}
    both = data.sets(next(iter(runs.values())))
    return Film(
        rows=[_row(arm, run, at) for arm, run in runs.items()],
        label="Training step",
        frames=[f"{step:,}" for step in at],
        chart=_chart(runs, at) if len(at) > 1 else None,
        pool=(both.train, both.train_names),
    )


def _row(arm: str, run: Run, at: Sequence[int]) -> Row:
    found = [stage(run, step) for step in at]
    count = len(found[0].copies)
    return Row(
        title=words.arm_name(run.config).capitalize(),
        tone=words.tone(arm),
        images=np.stack([s.images[:SHOWN] for s in found]),
        marks=[["copy" if c else "new" for c in s.copies[:SHOWN]] for s in found],
        numbers=[f"{sum(s.copies)} of {count}" for s in found],
        captions=["are copies"],
        near=[s.near[:SHOWN] for s in found],
    )


def _chart(runs: Mapping[str, Run], at: Sequence[int]) -> Chart:
    lines, said = [], []
    for arm, run in runs.items():
        found = [stage(run, step) for step in at]
        ends = [(100 * s.ci95[0], 100 * s.ci95[1]) for s in found]
        tone = words.tone(arm)
        lines.append(Line(arm.capitalize(), tone, [100 * s.rate for s in found], ends))
        said.append(f"{arm} {words.percent(found[-1].rate)}")
    alt = f"Share of copies against training step; at the last: {', '.join(said)}."
    return Chart(lines, alt, ticks={0: "0", 50: "50\u00a0%", 100: "100\u00a0%"})
