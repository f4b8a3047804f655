"""The button that measures a run by noise level, on the pages that show such curves."""

import streamlit as st

from ambient.runs.folder import Run
from ui import visitor, words
from ui.controls import progress
from ui.teacher import hidden


def offer(run: Run) -> None:
    """A button that measures a run; only who may change it may have that stored."""
    if hidden("live") or not run.steps or not visitor.may_change(run):
        words.missing(f"Run {run.name} has no curves yet.", words.measures(run, "--store"))
        return
    st.markdown(f"**{words.unmarked(run.name)}** is not measured by noise level yet.")
    about = "Takes a few minutes; stay here"
    if st.button("Measure it", f"measure-{run.name}", icon=":material/show_chart:", help=about):
        with progress("Loading the network") as tell:
            from ui import live

            live.measure(run, tell)
        st.rerun()
