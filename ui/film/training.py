"""The training film: what runs make of the same noise at every stage, and how many are copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.film import Cell, Place, show
from ui.film.parts import Chart, Film, Line, Row
from ui.pictures import Images
from ui.stages import Runs, find, judged, panel_name
from ui.words import Mark

SHOWN = 12
Stage = tuple[Images, list[Mark], list[list[int]]]  # samples, their marks, what is nearest


def stage(run: Run, step: int, count: int) -> Stage:
    """The samples of the first seeds at a stage, as the report of that stage judged them."""
    images = _samples(run, step, count)
    report = judged(run).get(step)
    rows = {row.seed: row for row in report.samples} if report else {}
    if all(seed in rows for seed in range(len(images))):
        some = [rows[seed] for seed in range(len(images))]
        marks = [words.mark(row) for row in some]
        return images, marks, [[row.nearest, row.second] for row in some]
    found = find(run, images)
    return images, found.marks, found.near


def _samples(run: Run, step: int, count: int) -> Images:
    """At the last stage, those samples that the run's report judged."""
    last = run.samples() if step == run.last_step else None
    if last is not None and last[1][:count].tolist() == list(range(count)):
        return last[0][:count]
    sheet = run.sheet(step)
    assert sheet is not None  # its step was listed
    return sheet[:count]


def training_film(runs: Runs, at: Sequence[int], count: int = SHOWN) -> Film:
    """The same seeds of one or two runs of one training set at every step of training."""
    folders = [run.path for run in runs.values()]
    names = "sheets", "reports", "samples.npz", "report.json"
    changed = tuple(data.stamp(f / name) for f in folders for name in names)
    return _film(tuple(map(str, folders)), tuple(at), count, changed)


@st.cache_resource(max_entries=12, show_spinner=False)
def _film(
    paths: tuple[str, ...], at: tuple[int, ...], count: int, changed: tuple[int, ...]
) -> Film:
    runs = [store.open_run(path) for path in paths]
    both = data.sets(runs[0])
    return Film(
        rows=[_row(run, at, count) for run in runs],
        label="Training step",
        frames=[f"{step:,}" for step in at],
        chart=_chart(runs, at),
        pool=(both.train, both.train_names),
    )


def _row(run: Run, at: Sequence[int], count: int) -> Row:
    stages = [stage(run, step, count) for step in at]
    shares = _shares(run, at)
    return Row(
        title=panel_name(run),
        tone=words.tone(run.config.arm),
        images=np.stack([images for images, _, _ in stages]),
        marks=[marks for _, marks, _ in stages],
        numbers=["" if s is None else words.percent(s[0]) for s in shares],
        captions=["not judged at this step" if s is None else "are copies" for s in shares],
        near=[near for _, _, near in stages],
    )


def _shares(run: Run, at: Sequence[int]) -> list[tuple[float, tuple[float, float]] | None]:
    """The copied share and its interval at each step, None where no report says."""
    rules = {step: report.copies.ratio.rated for step, report in judged(run).items()}
    return [(rules[step].rate, rules[step].ci95) if step in rules else None for step in at]


def _chart(runs: Sequence[Run], at: Sequence[int]) -> Chart | None:
    lines, said = [], []
    for run in runs:
        shares = _shares(run, at)
        values = [None if s is None else 100 * s[0] for s in shares]
        ends = [None if s is None else (100 * s[1][0], 100 * s[1][1]) for s in shares]
        name = run.config.arm.capitalize()
        lines.append(Line(name, words.tone(run.config.arm), values, ends))
        if shares[-1]:
            said.append(f"{name} {words.percent(shares[-1][0])}")
    if not said:
        return None
    alt = f"Share of copies against training step; at the end: {', '.join(said)}."
    return Chart(lines, alt, ticks={0: "0", 50: "50\u00a0%", 100: "100\u00a0%"}, height=80)


def scrub_training(
    runs: Runs, at: Sequence[int], count: int = SHOWN, first: Cell | None = (0, 0)
) -> Place:
    """The training film; its step and the tapped picture go into the address."""
    film = training_film(runs, at, count)
    key = f"training-{'-'.join(run.name for run in runs.values())}"
    return show(film, key, "step", at, cell="picture", first=first)
