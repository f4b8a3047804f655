"""Samples along training as a film: the same seeds at every step, copies framed."""

from __future__ import annotations

import streamlit as st

from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, scrubber, words
from ui.pictures import Images, arm_color
from ui.scrubber.film import Film, Panel, pair
from ui.stages import SHOWN, TONES, Runs, judge, panel_name


def _samples(run: Run, step: int, count: int) -> Images:
    """Samples of the first seeds at a stage; at the last one, those that its report judged."""
    judged = run.samples() if step == run.last_step else None
    if judged is not None and judged[1][:count].tolist() == list(range(count)):
        return judged[0][:count]
    sheet = run.sheet(step)
    assert sheet is not None  # its step was listed
    return sheet[:count]


def _training_panel(run: Run, at: tuple[int, ...], count: int) -> Panel:
    color, frames, captions, alts = arm_color(run.config.arm), [], [], []
    for step in at:
        stage = judge(run, _samples(run, step, count))
        cells = zip(stage.images, stage.nearest, stage.copies, strict=True)
        frames.append([pair(*cell, color) for cell in cells])
        captions.append(words.copies_of(stage.copies))
        alts.append(
            f"{panel_name(run)}: {count} samples at step {step:,}, each above its nearest training "
            f"image ({', '.join(stage.names)}); {words.copies_of(stage.copies)}."
        )
    tone = TONES.get(run.config.arm, "gray")
    return Panel(panel_name(run), tone, frames, captions, alts)


@st.cache_resource(max_entries=12, show_spinner=False)
def _training(
    paths: tuple[str, ...], at: tuple[int, ...], count: int, changed: tuple[int, ...]
) -> Film:
    return Film.of([_training_panel(store.open_run(path), at, count) for path in paths])


def training_film(runs: Runs, at: list[int], count: int = SHOWN) -> Film:
    """The same seeds at every step of training, each above its nearest training image."""
    paths = tuple(str(run.path) for run in runs.values())
    changed = tuple(
        max(data.stamp(run.path / "sheets"), data.stamp(run.path / "samples.npz"))
        for run in runs.values()
    )
    return _training(paths, tuple(at), count, changed)


def scrub_training(runs: Runs, at: list[int], index: int, count: int = SHOWN) -> None:
    """The training scrubber; its step goes into the address."""
    labels = [f"step {step:,}" for step in at]
    scrubber.scrubber(
        training_film(runs, at, count),
        labels,
        index,
        f"training-{'-'.join(run.name for run in runs.values())}",
        "Training step",
        lambda i: scrubber.choose("step", at, i),
    )
