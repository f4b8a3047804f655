"""A square to draw on, for who wants to see what a network makes of their own drawing."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import streamlit as st

from ambient.runs.folder import Run
from ui import data

HTML = """
<canvas role="img" aria-label="A square to draw on"></canvas>
<p><label>Ink <input type="color" /></label> <button type="button">Clear</button></p>
"""
CSS = """
canvas { display: block; width: 192px; height: 192px; touch-action: none; cursor: crosshair;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
p { display: flex; gap: 1rem; align-items: center; margin: 0.5rem 0 0;
    font: 1rem var(--st-font); color: var(--st-text-color); }
[hidden] { display: none; }
button { font: inherit; color: inherit; background: none; padding: 0.25rem 0.75rem; cursor: pointer;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
"""
_mount = st.components.v2.component(
    "ambient_pad",
    html=HTML,
    css=CSS,
    js=Path(__file__).with_name("pad.js").read_text(encoding="utf-8"),
)


def ask(run: Run, key: str) -> bytes | None:
    """What was drawn on paper of the color that a run's pictures have at their corners: a PNG."""
    drawn = f"{key}-drawn"

    def lifted() -> None:
        if (now := st.session_state[key].drawn) is not None:
            st.session_state[drawn] = now

    bright = data.sets(run).train[:, 0, 0].mean() > 127
    colors = ("#ffffff", "#000000") if bright else ("#000000", "#ffffff")
    about = {"paper": colors[0], "ink": colors[1], "colored": run.config.channels > 1}
    _mount(key=key, data=about, on_drawn_change=lifted)
    try:
        kind, _, text = str(st.session_state.get(drawn, "")).partition(",")
        return base64.b64decode(text, validate=True) if text else None
    except binascii.Error:
        return None
