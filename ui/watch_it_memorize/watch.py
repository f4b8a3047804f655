"""Two runs of one training set step by step: their samples, their copies, their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ambient.reports.onset import ONSET
from ambient.runs.folder import Run
from ui import charts, data, words
from ui.charts import training as training_charts
from ui.stages import Runs, at_step, copies, errors, judged, onset, panel_name, size_name


def headline(runs: Runs, step: int, columns: Sequence[DeltaGenerator]) -> None:
    """The copied shares at this step, and what the same rule says of unseen images."""
    reports = {arm: judged(run)[step] for arm, run in runs.items()}
    for column, (arm, report) in zip(columns, reports.items(), strict=False):
        with column:
            words.copied_metric(f"{panel_name(runs[arm])}, step {step:,}: copied", report, arm)
    with columns[len(runs)]:
        words.alarm_metric(words.called_copies(report), report)


def show_curves(runs: Runs, step: int, guess: int | None) -> None:
    """Copies and errors along training, one above the other, the chosen step marked."""
    stages = {arm: copies(run) for arm, run in runs.items()}
    measured = {arm: errors(run) for arm, run in runs.items()}
    figure = training_charts.copies_and_errors(stages, measured, step, guess)
    said = [f"{panel_name(run)} {words.percent(at_step(run, step)['rate'])} copies"
            for arm, run in runs.items()]  # fmt: skip
    charts.show(figure, "along", f"Against training step; at step {step:,}: {'; '.join(said)}.")


def show_sizes(every: Mapping[int, Runs], n: int, step: int) -> None:
    """Copied share against training step for every stored size."""
    st.subheader("How soon, from how many images", anchor=False)
    st.markdown(_in_words(every), width=760)
    lines = {run.name: (run.config.arm, _size_and_arm(run), copies(run), run.config.n_train == n)
             for runs in every.values() for run in runs.values()}  # fmt: skip
    charts.show(
        training_charts.copies_along(list(lines.values()), step),
        "sizes",
        "Copied share against training step on a log scale; at the end: "
        + "; ".join(f"{k} {words.percent(v[2][-1]['rate'])}" for k, v in lines.items())
        + ".",
    )
    runs = [run for runs in every.values() for run in runs.values()]
    words.under(
        "copies-along-sizes",
        "Each line is one run to the end of its training; thick ones are those shown above.",
        [words.provenance(run, data.report(run)) for run in runs],
        lambda: [row for run in runs for row in copies(run)],
        "make assets",
    )


def _size_and_arm(run: Run) -> str:
    return size_name(run) + (", ambient" if run.config.arm == "ambient" else "")


def _in_words(every: Mapping[int, Runs]) -> str:
    """When each size's standard model reaches 10 % copies."""
    parts = []
    for runs in every.values():
        run = runs["standard"]
        first, end = onset(run), copies(run)[-1]["step"]
        when = f"by step {first:,}" if first else f"not within {end:,} steps"
        parts.append(f"from **{size_name(run)}** {when}")
    share = words.percent(ONSET)
    return f"{share} of the standard model's samples are copies: {', '.join(parts)}."
