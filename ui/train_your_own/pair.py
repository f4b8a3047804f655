"""A standard and an ambient run, all else the same: queued with one click, and read together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ambient.reports.comparison import changed
from ambient.runs.folder import Run
from ui import visitor
from ui.teacher import hidden
from ui.train_your_own import choices, suggestion, verdict

KEPT = "pair-cutoff"  # in the session: why the ambient run of that name has its cutoff


def offer(chosen: Mapping[str, Any]) -> bool:
    """The button; whether it was pressed."""
    if hidden("live") and chosen["arm"] != "ambient":  # no cutoff may be computed
        return False
    return st.button(
        "Train a pair: standard and ambient",
        icon=":material/balance:",
        help="Two runs with these settings, from the same seed: one without a cutoff, one with the "
        "suggested cutoff, or with yours where *Training* is set to ambient. Then compare them.",
    )


def submit(chosen: Mapping[str, Any]) -> list[Run]:
    """Queue both.

    Raises:
        InputError: choices that could not be trained, no cutoff to suggest, or no room for two.
    """
    choices.check(chosen, count=2)  # before a cutoff is computed for them
    if chosen["arm"] == "ambient":
        cutoff, why = chosen["cutoff"], "your own."
    else:
        cutoff, why = suggestion.cutoff(chosen["images"], chosen["n_train"]), suggestion.WHY
    runs = choices.submit(chosen, [0.0, cutoff])
    st.session_state[KEPT] = runs[1].name, why
    return runs


def other(run: Run) -> Run | None:
    """The newest run that differs from this one in its cutoff alone, one of the two standard."""
    for known in visitor.runs().values():
        arms = {known.config.arm, run.config.arm}
        differ = set(changed(run.config, known.config))
        if differ == {"cutoff"} and arms == {"standard", "ambient"}:
            return known
    return None


def show(run: Run) -> None:
    """What the run is to be compared with, how far that is, and the way to both."""
    partner = other(run)
    if partner is None:
        return
    standard, ambient = sorted((run, partner), key=lambda r: r.config.arm == "ambient")
    name, why = st.session_state.get(KEPT, ("", ""))
    reason = f", {why}" if name == ambient.name else "."
    both, names = (standard, ambient), f"{standard.name} and {ambient.name}"
    waits = [f"{r.name} {_standing(r)}" for r in both if not verdict.current(r)]
    later = f" To be compared once both are judged: {' and '.join(waits)}." if waits else ""
    cutoff = f"Cutoff {ambient.config.cutoff:g}{reason}"
    st.caption(f"**A pair**: {names} differ in the cutoff alone. {cutoff}{later}", width=860)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not waits:
            st.page_link(
                "pages/compare.py",
                label="Compare the two",
                icon=":material/balance:",
                query_params={"first": standard.name, "second": ambient.name},
            )
        label = f"Show {partner.name}"
        if st.button(label, icon=":material/swap_horiz:", type="tertiary"):
            st.session_state["mine-next"] = partner.name
            st.rerun()


def _standing(run: Run) -> str:
    """How a run without a verdict stands, as the end of a sentence."""
    state = run.state
    if state.status == "running":
        return "is being judged" if state.judging else "is in training"
    return {"queued": "waits", "done": "is not judged"}.get(state.status, "has not ended")
