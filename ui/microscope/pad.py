"""A square to draw on, and what a run's network makes of it in the visitor's browser."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import streamlit as st

from ambient.diffusion.closed_forms import noise_levels
from ambient.runs.folder import Run
from ui import data, network
from ui.pictures import Images, address, enlarge, png

HERE = Path(__file__).parent
_html, _css, _js = (
    (HERE / f"pad.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
)
_mount = st.components.v2.component("ambient_pad", html=_html, css=_css, js=network.SCRIPT + _js)


def drawn(run: Run) -> bytes | None:
    """What the visitor drew and sent to the server: a PNG."""
    kind, _, text = str(st.session_state.get(f"{_key(run)}-drawn", "")).partition(",")
    try:
        return base64.b64decode(text, validate=True) if text else None
    except binascii.Error:
        return None


def show(run: Run, start: Images) -> None:
    """The square and what follows from it.

    Args:
        start: (h, w, c), what is drawn on it at first.
    """
    key = _key(run)

    def sent() -> None:
        if (now := st.session_state[key].drawn) is not None:
            st.session_state[f"{key}-drawn"] = now

    c, levels = run.config, noise_levels()
    bright = data.sets(run).train[:, 0, 0].mean() > 127
    colors = ("#ffffff", "#000000") if bright else ("#000000", "#ffffff")
    about = {
        "paper": colors[0],  # the color that the run's pictures have at their corners
        "ink": colors[1],
        "side": c.side,
        "channels": c.channels,
        "start": address(png(enlarge(start))),
        "sigma": c.sigma_data,  # noise as strong as the pictures
        "low": levels[0],
        "high": run.sampler().sigma_max,
        "network": network.offered(run),
    }
    _mount(key=key, data={**about, **network.trained(run)}, on_drawn_change=sent)


def _key(run: Run) -> str:
    return f"pad-{run.config.channels}"
