"""Curves of several runs in one figure, for the pages that put some side by side."""

from collections.abc import Collection, Sequence

import streamlit as st

from ambient.runs.folder import Run
from ui import charts, data, stages, words
from ui.charts.levels import gaps
from ui.charts.training import copies_along

Named = Sequence[tuple[str, Run]]  # runs, each with the name at its line


def show_gaps(title: str, runs: Named, key: str, caption: str) -> None:
    """How many times worse each is on unseen pictures, level by level; nothing where unknown."""
    known = [(name, run, found) for name, run in runs if (found := data.curves(run))]
    if not known:
        return
    peaks = [(name, data.widest_gap(curves)) for name, _, curves in known]
    said = "; ".join(
        f"{name} at most {p.gap_ratio:.3g} times, at noise level {p.sigma:.2g}" for name, p in peaks
    )
    st.subheader(title, anchor=False)
    charts.show(
        gaps([(curves, run.config.arm, name) for name, run, curves in known]),
        key,
        f"Error on unseen over error on training pictures against noise level: {said}.",
    )
    words.under(
        key,
        caption,
        [words.provenance(run, None) for _, run, _ in known],
        lambda: [
            {"run": run.name, "sigma": p.sigma, "times": p.gap_ratio, "ci95": p.gap_ratio_ci95}
            for _, run, curves in known
            for p in curves.levels
        ],
        "\n".join(words.measures(run) for _, run, _ in known),
    )


def show_copies(runs: Named, thick: Collection[Run], key: str, caption: str) -> None:
    """The copied share of runs with judged stages along their training, those at hand thick."""
    lines = [(run.config.arm, name, stages.copies(run), run in thick) for name, run in runs]
    ends = (f"{rows[-1]['run']} {words.percent(rows[-1]['rate'])}" for _, _, rows, _ in lines)
    charts.show(
        copies_along(lines),
        key,
        f"Copied share against training step; at the end: {'; '.join(ends)}.",
    )
    words.under(
        key,
        caption,
        [words.provenance(run, data.report(run)) for _, run in runs],
        lambda: [row for _, _, rows, _ in lines for row in rows],
        "make assets",
    )
