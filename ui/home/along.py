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
    """Errors on training and unseen pictures, and the steps at which copies come."""
    measured = {arm: found for arm, run in runs.items() if len(found := errors(run)) > 1}
    if not measured:
        return
    onsets = {arm: onset(runs[arm]) for arm in measured}
    st.subheader("Errors part before copies come", anchor=False)
    charts.show(
        training_charts.errors_along(measured, onsets),
        "along",
        "Errors against training step, on unseen pictures above those on training pictures; "
        + "; ".join(f"{panel_name(runs[arm])}: {_begins(step)}" for arm, step in onsets.items()),
    )
    words.under(
        "errors-along",
        "How far the networks' guesses are from the clean picture: solid on training pictures, "
        f"dotted on unseen ones. Copies begin where they are {words.percent(ONSET)} of samples.",
        [words.provenance(runs[arm], data.report(runs[arm])) for arm in measured],
        lambda: rows(runs),
        "python -m scripts.build_runs --weights\npython -m scripts.measure along",
    )


def _begins(step: int) -> str:
    return f"copies begin at step {step:,}" if step else "copies never begin"


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
