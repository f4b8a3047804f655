"""The film of a training: what runs make of the same noise at every stage, and how many are copies.

Stored stages are shown as their reports judged them, those of a run that trains here as their
pictures are judged now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from ambient.copies.intervals import clopper_pearson
from ambient.copies.records import Report
from ambient.files import InputError
from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.film import Cell, Place, show
from ui.film.parts import Chart, Film, Line, Row
from ui.pictures import Images
from ui.stages import Runs, find, judged, panel_name
from ui.words import Mark

SHOWN = 12


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        images, marks, near: its first samples, and of each its mark and what is nearest.
        rate, ci95: the share of copies among all that were judged.
        number: that share, as it is said.
    """

    images: Images
    marks: Sequence[Mark]
    near: Sequence[Sequence[int]]
    rate: float
    ci95: tuple[float, float]
    number: str


def stage(run: Run, step: int) -> Stage:
    """A stage as its report judged it; without one, as it is judged now.

    Raises:
        InputError: its samples were removed.
    """
    if report := judged(run).get(step):
        return _reported(run, step, report)
    sheet = run.path / "sheets" / f"{store.step_name(step)}.png"
    changed = data.stamp(sheet), data.stamp(run.path / "report.json")
    return _judged_now(str(run.path), step, changed)


def _reported(run: Run, step: int, report: Report) -> Stage:
    images, rule = _samples(run, step), report.copies.ratio.rated
    share = rule.rate, rule.ci95, words.percent(rule.rate)
    by_seed = {row.seed: row for row in report.samples}
    rows = [by_seed[seed] for seed in range(len(images)) if seed in by_seed]
    if len(rows) == len(images):
        near = [[row.nearest, row.second] for row in rows]
        return Stage(images, [words.mark(row) for row in rows], near, *share)
    found = find(run, images)
    return Stage(images, found.marks, found.near, *share)


def _samples(run: Run, step: int) -> Images:
    """At the last stage, those samples that the run's report judged."""
    last = run.samples() if step == run.last_step else None
    if last is not None and last[1][:SHOWN].tolist() == list(range(SHOWN)):
        return last[0][:SHOWN]
    return _sheet(run, step)[:SHOWN]


def _sheet(run: Run, step: int) -> Images:
    found = run.sheet(step)
    if found is None:  # it was listed a moment ago
        raise InputError(
            f"the samples of '{run.name}' at step {step} were just removed; look again."
        )
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def _judged_now(path: str, step: int, changed: tuple[int, int]) -> Stage:
    run = store.open_run(path)
    sheet = _sheet(run, step)
    found = find(run, sheet)
    copies, count = found.marks.count("copy"), len(sheet)
    return Stage(
        sheet[:SHOWN],
        found.marks[:SHOWN],
        found.near[:SHOWN],
        copies / count,
        clopper_pearson(copies, count),
        f"{copies} of {count}",
    )


def drawn_steps(runs: Runs) -> list[int]:
    """The stages that all of these runs have samples of."""
    return sorted(set.intersection(*(set(run.sheet_steps) for run in runs.values())))


def rows(run: Run) -> list[dict[str, Any]]:
    """The copied share at every stage, with its interval."""
    found = [(step, stage(run, step)) for step in run.sheet_steps]
    return [{"run": run.name, "step": k, "rate": s.rate, "ci95": s.ci95} for k, s in found]


def training_film(runs: Runs, at: Sequence[int]) -> Film:
    """The same seeds of one or two runs of one training set at every step of training."""
    folders = [run.path for run in runs.values()]
    names = "sheets", "reports", "samples.npz", "report.json"
    changed = tuple(data.stamp(f / name) for f in folders for name in names)
    return _film(tuple(map(str, folders)), tuple(at), changed)


@st.cache_resource(max_entries=12, show_spinner=False)
def _film(paths: tuple[str, ...], at: tuple[int, ...], changed: tuple[int, ...]) -> Film:
    found = [(run, [stage(run, step) for step in at]) for run in map(store.open_run, paths)]
    both = data.sets(found[0][0])
    return Film(
        rows=[_row(run, stages) for run, stages in found],
        label="Training step",
        frames=[f"{step:,}" for step in at],
        chart=_chart(found),
        pool=(both.train, both.train_names),
    )


def _row(run: Run, stages: Sequence[Stage]) -> Row:
    return Row(
        title=panel_name(run),
        tone=words.tone(run.config.arm),
        images=np.stack([s.images for s in stages]),
        marks=[s.marks for s in stages],
        numbers=[s.number for s in stages],
        captions=["are copies"],
        near=[s.near for s in stages],
    )


def _chart(found: Sequence[tuple[Run, Sequence[Stage]]]) -> Chart:
    lines, said = [], []
    for run, stages in found:
        name = run.config.arm.capitalize()
        ends = [(100 * s.ci95[0], 100 * s.ci95[1]) for s in stages]
        lines.append(Line(name, words.tone(run.config.arm), [100 * s.rate for s in stages], ends))
        said.append(f"{name} {words.percent(stages[-1].rate)}")
    alt = f"Share of copies against training step; at the end: {', '.join(said)}."
    return Chart(lines, alt, ticks={0: "0", 50: "50\u00a0%", 100: "100\u00a0%"}, height=80)


def scrub_training(
    runs: Runs,
    at: Sequence[int],
    first: Cell | None = (0, 0),
    usual: int = -1,
    opens: bool = False,
) -> Place:
    """The training film; its step and the tapped picture go into the address."""
    key = f"training-{'-'.join(run.name for run in runs.values())}"
    made = training_film(runs, at)
    return show(made, key, "step", at, usual=usual, cell="picture", first=first, opens=opens)
