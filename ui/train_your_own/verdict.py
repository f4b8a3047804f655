"""What became of a run that was trained: its verdict, or why it has none, and what to do next."""

from __future__ import annotations

import streamlit as st

from ambient.copies.records import Report
from ambient.runs.folder import Run
from ambient.runs.job import State
from ambient.runs.queue import JUDGED
from ui import data, visitor, words

HELP = f"Draws {JUDGED} samples and counts the copies among them, with an interval: a minute or so."


def current(run: Run) -> Report | None:
    """The verdict on the weights that the run has now."""
    found = data.report(run)
    return found if found and found.step == run.last_step else None


def is_due(run: Run) -> bool:
    """Whether the run is trained to its end, and nobody has judged it there."""
    return bool(run.steps) and run.last_step >= run.config.steps and _stored(run) is None


def _stored(run: Run) -> Report | None:
    found = run.report()
    return found if found and found.step == run.last_step else None


def show(run: Run, state: State) -> None:
    """The verdict in numbers; of a run without one, why."""
    found = current(run)
    if found:
        _numbers(run, found)
        return
    refused = _stored(run)
    if refused:
        st.caption(f"No verdict: {' '.join(refused.warnings)}", width=760)
    elif state.unjudged:
        st.caption(f"No verdict: {words.unplaced(state.unjudged)}", width=760)


def _numbers(run: Run, found: Report) -> None:
    copied, unseen, quality = st.columns(3, gap="medium")
    with copied:
        words.copied_metric("Copied", found, run.config.arm)
    with unseen:
        words.alarm_metric(words.called_copies(found), found)
    with quality:
        words.quality_metric(found, None)


def compare_link(run: Run) -> None:
    """The way to Compare, beside the judged run that it differs least from."""
    other = visitor.nearest(run)
    if current(run) and other:
        st.page_link(
            "pages/compare.py",
            label=f"Compare with {other.name}",
            icon=":material/balance:",
            query_params={"first": other.name, "second": run.name},
        )
