"""Two pictures under growing noise: what the network guesses, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from ambient.diffusion.records import Curves
from ambient.runs.folder import Run
from ui import data, noise, words
from ui.film.parts import Chart, Film, Line, Row
from ui.microscope.answers import answers, remembered
from ui.microscope.records import Answers
from ui.microscope.specimens import Specimen
from ui.stages import find
from ui.words import Mark

LABELS = ("the picture", "with noise", "network's guess", "perfect memory", "comes back", "again")
BACK = 4  # the place of what comes back
TICKS = {1.0: "1×", 10.0: "10×", 100.0: "100×", 1000.0: "1000×"}


def film(run: Run, specimens: Sequence[Specimen], sigmas: Sequence[float]) -> Film:
    """Both pictures at every level; what is not stored is computed.

    Raises:
        InputError: unusable weights, or another visitor's work takes too long.
    """
    found = [answers(run, specimen, sigmas) for specimen in specimens]
    key = str(run.path), data.weights(run), data.stamp(run.path / "curves.json")
    rule = data.stamp(run.path / "report.json")
    shown = tuple(f"{s.sha256}{s.kind}{s.name}" for s in specimens)
    return _film(*key, rule, shown, tuple(sigmas), run, specimens, found)


@st.cache_resource(max_entries=24, show_spinner=False)
def _film(
    path: str,
    weights: str,
    changed: int,
    rule: int,
    shown: tuple[str, ...],
    sigmas: tuple[float, ...],
    _run: Run,
    _specimens: Sequence[Specimen],
    _found: Sequence[Answers],
) -> Film:
    both, curves = data.sets(_run), data.curves(_run)
    rows = [
        _row(_run, specimen, found, sigmas, curves)
        for specimen, found in zip(_specimens, _found, strict=True)
    ]
    return Film(
        rows=rows,
        label="Noise level",
        frames=[f"{s:.2g}" for s in sigmas],
        chart=_chart(_run, curves) if curves else None,
        ticks={0: "almost clean", len(sigmas) - 1: "pure static"},
        said=_said(curves) if curves else ("",),
        abreast=True,
        pool=(both.train, both.train_names),
    )


def _row(
    run: Run, specimen: Specimen, found: Answers, sigmas: Sequence[float], curves: Curves | None
) -> Row:
    levels, image = len(sigmas), specimen.image
    best, _ = remembered(run, image, sigmas)
    clean = np.broadcast_to(image, (levels, 1, *image.shape))
    noisy = noise.noised(image, sigmas)[:, None]
    made = np.concatenate([found.guesses[:, None], best[:, None], found.returns], axis=1)
    judged = find(run, made.reshape(-1, *image.shape))
    count = made.shape[1]
    marks: list[list[Mark]] = []
    near: list[list[list[int]]] = []
    for i in range(levels):
        at = slice(i * count + 2, (i + 1) * count)
        marks.append(["", "", "", "", *judged.marks[at]])
        near.append([[], [], *judged.near[i * count : (i + 1) * count]])
    numbers, captions = _shares(curves, specimen.kind, levels)
    return Row(
        title=f"{specimen.title}: {specimen.name}",
        tone=words.tone(run.config.arm) if specimen.kind == "training" else "gray",
        images=np.concatenate([clean, noisy, made], axis=1),
        marks=marks,
        numbers=numbers,
        captions=captions,
        labels=LABELS,
        near=near,
    )


def _shares(curves: Curves | None, kind: str, levels: int) -> tuple[list[str], list[str]]:
    """How many pictures of a kind come back from each level, where that is stored."""
    name = "return_train" if kind == "training" else "return_heldout"
    rates = [getattr(p, name) for p in curves.levels] if curves else [None] * levels
    said = f"of {kind} pictures come back"
    return (
        ["" if rate is None else words.percent(rate) for rate in rates],
        ["" if rate is None else said for rate in rates],
    )


def _chart(run: Run, curves: Curves) -> Chart:
    """How many times larger errors are on unseen pictures; the cutoff through it."""
    ratios = [p.gap_ratio for p in curves.levels]
    known = [r for r in ratios if r is not None]
    widest = data.widest_gap(curves)
    sigmas, uprights = [p.sigma for p in curves.levels], []
    if curves.cutoff:
        uprights = [(float(np.interp(curves.cutoff, sigmas, range(len(sigmas)))), "cutoff", "blue")]
    line = Line(
        "",
        words.tone(run.config.arm),
        [None if r is None else max(r, 0.8) for r in ratios],
        [p.gap_ratio_ci95 for p in curves.levels],
    )
    return Chart(
        [line],
        "How many times larger the error on unseen pictures is, by noise level; most at "
        f"{widest.sigma:.2g}, {times(widest.gap_ratio)}.",
        low=0.8,
        high=1.5 * max(known),
        ticks={value: text for value, text in TICKS.items() if value < 1.5 * max(known)},
        say=times,
        log=True,
        uprights=uprights,
        height=130,
    )


def _said(curves: Curves) -> list[str]:
    return [
        f"On pictures it never saw, the network errs {times(p.gap_ratio)} as much as on its "
        "training pictures."
        for p in curves.levels
    ]


def times(ratio: float | None) -> str:
    return "nobody knows how many times" if ratio is None else f"{ratio:.3g} times"


def opening(made: Film, specimens: Sequence[Specimen]) -> int:
    """The highest level from which the training picture comes back, and the unseen one as another.

    Else the highest from which the training picture does, else the middle one.
    """
    seen, unseen = made.rows
    frames = range(len(made.frames))
    first = [i for i in frames if seen.near[i][BACK][0] == specimens[0].position]
    both = [i for i in first if unseen.marks[i][BACK] == "copy"]
    return (both or first or [len(made.frames) // 2])[-1]
