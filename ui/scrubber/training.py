"""Films of runs: samples along training, or anything else that a run draws moment by moment."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.pictures import Images, arm_color
from ui.scrubber import scrub
from ui.scrubber.film import Film, Panel, drawn
from ui.stages import SHOWN, TONES, Runs, judge, panel_name


def run_panel(run: Run, moments: Iterable[tuple[str, Images]], above: bool) -> Panel:
    """Pictures of a run at several moments, copies framed.

    Args:
        moments: in words, such as "8 samples at step 700", and their pictures.
        above: whether each picture stands above its nearest training image.
    """
    color, frames, captions, alts = arm_color(run.config.arm), [], [], []
    for moment, images in moments:
        some = judge(run, images)
        below = some.nearest if above else [None] * len(images)
        cells = zip(some.images, below, some.copies, strict=True)
        frames.append([drawn(*cell, color) for cell in cells])
        captions.append(words.copies_of(some.copies))
        names = f", each above its nearest training image ({', '.join(some.nearest_names)})"
        alts.append(f"{panel_name(run)}: {moment}{names if above else ''}; {captions[-1]}.")
    tone = TONES.get(run.config.arm, "gray")
    return Panel(panel_name(run), tone, frames, captions, alts)


def _samples(run: Run, step: int, count: int) -> Images:
    """Samples of the first seeds at a stage; at the last one, those that its report judged."""
    judged = run.samples() if step == run.last_step else None
    if judged is not None and judged[1][:count].tolist() == list(range(count)):
        return judged[0][:count]
    sheet = run.sheet(step)
    assert sheet is not None  # its step was listed
    return sheet[:count]


@st.cache_resource(max_entries=12, show_spinner=False)
def _training(
    paths: tuple[str, ...], at: tuple[int, ...], count: int, changed: tuple[int, ...]
) -> Film:
    panels = []
    for run in map(store.open_run, paths):
        moments = ((f"{count} samples at step {s:,}", _samples(run, s, count)) for s in at)
        panels.append(run_panel(run, moments, above=True))
    return Film.of(panels)


def training_film(runs: Runs, at: list[int], count: int = SHOWN) -> Film:
    """The same seeds at every step of training, each above its nearest training image."""
    folders = [run.path for run in runs.values()]
    changed = (max(data.stamp(f / "sheets"), data.stamp(f / "samples.npz")) for f in folders)
    return _training(tuple(map(str, folders)), tuple(at), count, tuple(changed))


def scrub_training(runs: Runs, at: list[int], count: int = SHOWN) -> None:
    """The training scrubber; its step goes into the address."""
    scrub(
        training_film(runs, at, count),
        "step",
        at,
        [f"step {step:,}" for step in at],
        f"training-{'-'.join(run.name for run in runs.values())}",
        "Training step",
    )
