"""Along training: where the numbers come from, errors beside copies, and every stored size."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ambient.reports.onset import ONSET
from ambient.runs.folder import Run
from ui import charts, curves, data, words
from ui.charts import training as training_charts
from ui.stages import (
    Runs,
    copies,
    errors,
    judged,
    missing_errors,
    onset,
    panel_name,
    rows,
    size_name,
)


def sources(runs: Runs, step: int) -> list[str]:
    """What the shares at a step rest on, and what the same rule says of unseen pictures."""
    lines = []
    for run in runs.values():
        report = judged(run)[step]
        rule = report.copies.ratio.rated
        lines += [
            words.provenance(run, report, step=step),
            f"{words.percent(rule.rate)} of {report.n_samples:,} are copies "
            f"({words.interval(rule.ci95)}); of real pictures that it never saw, the same rule "
            f"calls {words.percent(rule.heldout_rate)} copies.",
        ]
    return lines


def show_errors(runs: Runs) -> None:
    """Errors on training and unseen pictures above the steps at which copies come."""
    stages = {arm: copies(run) for arm, run in runs.items()}
    measured = {arm: errors(run) for arm, run in runs.items()}
    st.subheader("Errors part before copies come", anchor=False)
    ends = [f"{panel_name(r)} {words.percent(copies(r)[-1]['rate'])}" for r in runs.values()]
    charts.show(
        training_charts.copies_and_errors(stages, measured),
        "along",
        f"Copies and errors against training step; copies at the end: {'; '.join(ends)}.",
    )
    words.under(
        "errors-along",
        "How far the networks' guesses are from the clean picture: solid on training pictures, "
        "dotted on unseen ones." + missing_errors(runs),
        [words.provenance(run, data.report(run)) for run in runs.values()],
        lambda: rows(runs),
        "python -m scripts.build_runs --weights\npython -m scripts.measure along",
    )


def show_sizes(every: Mapping[str, Runs], here: Runs) -> None:
    """Copied share against training step for every stored size."""
    st.subheader("How soon, from how many images", anchor=False)
    st.markdown(_in_words(every), width=760)
    curves.show_copies(
        [(_size_and_arm(run), run) for runs in every.values() for run in runs.values()],
        list(here.values()),
        "copies-along-sizes",
        "Each line is one run to the end of its training; thick ones are those shown above.",
    )


def _size_and_arm(run: Run) -> str:
    return size_name(run) + (", ambient" if run.config.arm == "ambient" else "")


def _in_words(every: Mapping[str, Runs]) -> str:
    """When each size's standard model reaches 10 % copies."""
    parts = []
    for runs in every.values():
        run = runs["standard"]
        first, end = onset(run), copies(run)[-1]["step"]
        when = f"by step {first:,}" if first else f"not within {end:,} steps"
        parts.append(f"from **{size_name(run)}** {when}")
    share = words.percent(ONSET)
    return f"{share} of the standard model's samples are copies: {', '.join(parts)}."
