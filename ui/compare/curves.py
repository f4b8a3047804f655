"""Two runs by noise level and along training, in one figure each."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import streamlit as st

from ambient.runs.folder import Run
from ui import charts, data, stages, words
from ui.charts.levels import gaps
from ui.charts.training import copies_along


def show_levels(runs: Sequence[Run]) -> None:
    """How many times worse each is on unseen images, level by level."""
    known = [(run, curves) for run in runs if (curves := data.curves(run))]
    st.subheader("At which noise levels they remember", anchor=False)
    bare = {run.name: run for run in runs if data.curves(run) is None}
    if bare:
        lines = [words.measures(r, "--store") for r in bare.values()]
        words.missing(f"No curves are stored yet of {' and '.join(bare)}.", "\n".join(lines))
    if not known:
        return
    peaks = [data.widest_gap(curves) for _, curves in known]
    alt = "; ".join(
        f"{run.name} at most {p.gap_ratio:.3g} times, at noise level {p.sigma:.2g}"
        for (run, _), p in zip(known, peaks, strict=True)
    )
    charts.show(
        gaps([(curves, run.config.arm, run.name) for run, curves in known]),
        "compare-levels",
        f"Error on unseen over error on training images against noise level: {alt}.",
    )
    words.under(
        "compare-levels",
        "How many times larger the error is on unseen images; at 1 a network treats both alike. "
        "The shaded band is the 95 % interval; a dashed line is a cutoff.",
        [words.provenance(run, None) for run, _ in known],
        lambda: [
            {"run": run.name, **msgspec.structs.asdict(p)}
            for run, curves in known
            for p in curves.levels
        ],
        "\n".join(words.measures(run) for run, _ in known),
    )


def show_training(runs: Sequence[Run]) -> None:
    """Copied share along training, of the runs whose stages were judged."""
    judged = [(run, found) for run in runs if len(found := stages.copies(run)) > 1]
    if not judged:
        return
    st.subheader("When they begin to copy", anchor=False)
    arms = [words.arm_name(run.config) for run, _ in judged]
    alike = len(set(arms)) < len(arms)
    names = [_in_two(run.name) for run, _ in judged] if alike else arms
    ends = [f"{run.name} {words.percent(rows[-1]['rate'])}" for run, rows in judged]
    charts.show(
        copies_along(
            [
                (run.config.arm, name, rows, True)
                for name, (run, rows) in zip(names, judged, strict=True)
            ]
        ),
        "compare-training",
        f"Copied share against training step; at the end: {'; '.join(ends)}.",
    )
    words.under(
        "compare-training",
        "Each line is one run, judged at its stored stages.",
        [words.provenance(run, data.report(run)) for run, _ in judged],
        lambda: [row for _, rows in judged for row in rows],
        "make assets",
    )


def _in_two(name: str) -> str:
    """A run's name on two lines, where there is a hyphen near its middle."""
    cuts = [i for i, c in enumerate(name) if c == "-"]
    at = min(cuts, key=lambda i: abs(2 * i - len(name)), default=-1) + 1
    return f"{name[:at]}<br>{name[at:]}" if at else name
