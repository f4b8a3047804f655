"""The figures of the lesson: a picture that asks, and what moves once it is answered."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from ambient.runs.folder import Run
from ui import charts, data, noise, pictures, stages, words
from ui.charts.levels import gaps
from ui.film.training import scrub_training
from ui.home.game import LETTERS, dealt
from ui.lesson.answers import HAND
from ui.lesson.steps import Step
from ui.pictures import Images

ACROSS = 12  # pictures in a row
NOISES = (0.05, 0.25, 1.0, 4.0)  # one in each of the ranges that are asked for
STAGES = 6
WIDE, HIGH = 1200, 330  # pixels that a figure is at most, so that question and answers fit too


def _train(run: Run, count: int) -> Images:
    return data.sets(run).train[:count]


def training(run: str) -> bytes | None:
    """Some of the pictures that a model learned from."""
    found = data.known(run)
    return pictures.grid(_train(found, 3 * ACROSS), ACROSS, 16, 96) if found else None


def deal(run: str) -> bytes | None:
    """Six samples, each with its letter."""
    found = _six(run)
    if found is None:
        return None
    return pictures.captioned(found.images, list(LETTERS), pictures.NEUTRAL, 192)


def _six(run: str) -> data.Shown | None:
    found = data.known(run)
    report = data.report(found) if found else None
    six = dealt(found, report, HAND) if found and report else None
    if found is None or report is None or six is None:
        return None
    return data.shown(found, report, [row.seed for row in six.rows])


def samples(runs: Sequence[str]) -> bytes | None:
    """What models draw from the same noise at the end of training, a row each."""
    found = [run for name in runs if (run := data.known(name))]
    count = ACROSS * (2 if len(found) == 1 else 1)
    rows = [data.samples(run)[0][:count] for run in found]
    return pictures.grid(np.concatenate(rows), ACROSS, 16, 96) if rows else None


def along(run: str) -> bytes | None:
    """The same noise at stages of training: a row each of the first seeds."""
    found = data.known(run)
    steps = found.sheet_steps if found else []
    if found is None or len(steps) < 2:
        return None
    chosen = [steps[i] for i in np.linspace(0, len(steps) - 1, STAGES).round().astype(int)]
    columns = [sheet[:3] for step in chosen if (sheet := found.sheet(step)) is not None]
    tall = [np.concatenate(list(column), axis=0) for column in columns]
    return pictures.captioned(
        np.stack(tall), [f"step {k:,}" for k in chosen], pictures.NEUTRAL, 3 * 128
    )


def noisy(run: str) -> bytes | None:
    """One training picture at four noise levels."""
    found = data.known(run)
    if found is None:
        return None
    levels = noise.noised(_train(found, 1)[0], NOISES)
    marks = [f"{letter}: noise {sigma:g}" for letter, sigma in zip("ABCD", NOISES, strict=True)]
    return pictures.captioned(levels, marks, pictures.NEUTRAL, 192)


def hidden(run: str) -> bytes | None:
    """Training pictures, the right half of them as the cutoff leaves them."""
    found = data.known(run)
    if found is None:
        return None
    some = noise.half_noised(_train(found, 3 * ACROSS), ACROSS, found.config.cutoff)
    return pictures.grid(some, ACROSS, 16, 96)


FIGURES: dict[str, Callable[..., bytes | None]] = {
    f.__name__: f for f in (training, deal, samples, along, noisy, hidden)
}


def picture(step: Step) -> bytes | None:
    """The figure of a step that asks; None where its run is not stored."""
    given: dict[str, Any] = dict(step.figure)
    return FIGURES[given.pop("by")](**given)


def ask(step: Step, high: int = HIGH) -> None:
    """The figure before the answer, at most so many pixels high."""
    if found := picture(step):
        with Image.open(io.BytesIO(found)) as size:
            wide = min(WIDE, round(high * size.width / size.height))
        st.image(found, width=wide, alt=step.text)


def reveal(step: Step) -> None:
    """The figure after the answer: what was only seen can now be moved."""
    kind = step.figure["by"]
    if kind == "deal":
        _show_pairs(step.figure["run"])
    elif kind == "noisy":
        _show_gap(step.figure["run"])
    else:
        names = step.shows or step.figure.get("runs") or [step.figure["run"]]
        _show_film([run for name in names if (run := data.known(name))])


def _show_pairs(run: str) -> None:
    six = _six(run)
    if six is None:
        return
    st.image(
        pictures.gallery(six.images, six.nearest, six.copies, pictures.WARM),
        width="stretch",
        alt=f"Each above its nearest training picture; {words.copies_of(six.copies)}.",
    )
    st.caption("From left, A to F, each above the training picture nearest to it.")


def _show_gap(name: str) -> None:
    run = data.known(name)
    curves = data.curves(run) if run else None
    if run is None or curves is None:
        return
    figure = gaps([(curves, run.config.arm, "")])
    peak = data.widest_gap(curves)
    charts.show(
        figure, "lesson-gap", f"Unseen over training error; widest at noise {peak.sigma:.2g}."
    )


def _show_film(runs: Sequence[Run]) -> None:
    shown = {run.config.arm: run for run in runs if stages.copies(run)}
    if shown:
        scrub_training(shown, stages.steps(shown))
