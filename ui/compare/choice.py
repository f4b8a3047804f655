"""Which two runs are compared, and in what they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from ambient.config import FIELDS
from ambient.copies.records import Judged
from ambient.reports.comparison import changed, sampled
from ambient.runs.folder import Run
from ui.teacher import control, hidden

IMAGES = "images of yours"  # as a side, in the place of a run
SIDES = {"first": "One run", "second": "The other"}
USUAL = ("emoji-300-standard", "emoji-300-ambient-1.0")
NAMES = {  # of what is chosen beside the fields of a config, in a reader's words
    "cutoff": "way of training",
    "sampler": "way of sampling",
    "sampler_steps": "steps of sampling",
    "sampler_sigma_min": "lowest noise level of sampling",
    "sampler_sigma_max": "highest noise level of sampling",
    "sampler_rho": "spacing of noise levels in sampling",
}


def choose(runs: dict[str, Run]) -> dict[str, str]:
    """Two of them, or images of one's own; `?first=` and `?second=` in the address."""
    names = [*runs] if hidden("open") else [*runs, IMAGES]
    chosen: dict[str, str] = {}
    for (side, label), usual in zip(SIDES.items(), USUAL, strict=True):
        with control("settings"):
            chosen[side] = st.selectbox(
                label,
                names,
                index=names.index(usual) if usual in names else min(len(chosen), len(names) - 1),
                key=side,
                bind="query-params",
                width=320,
                help="The last choice opens a place to drop images of any generator.",
            )
    return chosen


def show_changes(runs: Sequence[Run], reports: Sequence[Judged]) -> None:
    """One thing changed, or several: what a difference may be due to.

    Args:
        runs: those of the two sides that are runs.
        reports: the verdicts of both sides.
    """
    drawn = _listed(sampled(reports[0], reports[1]))
    if len(runs) < 2:
        known = f"Known to differ: {', '.join(drawn)}. " if drawn else ""
        st.caption(known + UNKNOWN, width=860)
        return
    parts = _listed(changed(runs[0].config, runs[1].config)) + drawn
    if not parts:
        text = "Nothing differs in their settings."
    elif len(parts) == 1:
        text = f"**One thing is changed:** {parts[0]}."
    else:
        text = f"**{len(parts)} things differ:** {', '.join(parts)}; nothing below has one cause."
    st.markdown(text, width=860)


def _listed(differ: Mapping[str, tuple[Any, Any]]) -> list[str]:
    return [
        f"{NAMES.get(name) or FIELDS[name].title} (*{_short(a)}* and *{_short(b)}*)"
        for name, (a, b) in differ.items()
    ]


UNKNOWN = "What else differs between these two is not known here; nothing below has one cause."


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return Path(value).name if "/" in value else value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
