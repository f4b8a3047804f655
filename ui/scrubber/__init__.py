"""A slider over a film: dragging changes the pictures in the browser, only a release comes here.

Where the component cannot run, `?native=1` shows the same with Streamlit's own slider and pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from ui.scrubber.film import Film
from ui.teacher import control, hidden

HERE = Path(__file__).parent
PERIOD = 5000  # milliseconds a whole film plays, at most 700 a frame

_HTML, _CSS, _JS = (
    (HERE / f"scrubber.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
)
_mount = st.components.v2.component("ambient_scrubber", html=_HTML, css=_CSS, js=_JS)
# Apart, since Streamlit sends an element that did not change as a reference only.
_hold = st.components.v2.component(
    "ambient_strip", js=(HERE / "strip.js").read_text(encoding="utf-8")
)


def chosen(name: str, options: Sequence[int], usual: int) -> int:
    """The place of the option that the address names, else this visit; a foreign one is dropped."""
    known = {str(option): i for i, option in enumerate(options)}
    asked = str(st.query_params.get(name, st.session_state.get(name, "")))
    if asked not in known:
        st.query_params.pop(name, None)
        st.session_state.pop(name, None)
        return usual
    choose(name, options, known[asked])
    return known[asked]


def choose(name: str, options: Sequence[int], index: int) -> None:
    """Put an option into the address and keep it for this visit."""
    st.session_state[name] = options[index]
    if st.query_params.get(name) != str(options[index]):
        st.query_params[name] = str(options[index])


def scrubber(
    film: Film,
    labels: Sequence[str],
    index: int,
    key: str,
    label: str,
    on_release: Callable[[int], None],
    native: bool | None = None,
) -> int:
    """Show a film at a frame; `on_release` gets the frame a visitor lets go at, before the rerun.

    Args:
        labels: names the frames, such as "step 2,100".
        index: the frame to show: the caller's word holds, so an address can set it.
        native: without the component; by default, where the address says `native=1`.

    Returns:
        The frame shown.
    """
    native = st.query_params.get("native") == "1" if native is None else native
    if native:
        return _native(film, labels, index, key, label, on_release)

    def released() -> None:
        frame = st.session_state[key].released
        if isinstance(frame, int) and 0 <= frame < len(labels):
            on_release(frame)

    with st.container(gap=None):
        _hold(key=f"{key}-strip", data={"film": film.sha256, "strip": film.address})
        _mount(key=key, data=_data(film, labels, index, label), on_released_change=released)
    return index


def _data(film: Film, labels: Sequence[str], index: int, label: str) -> dict[str, Any]:
    """What the browser needs beside the strip."""
    return {
        "film": film.sha256,
        "cell": film.panels[0].frames[0][0].size,
        "panels": [
            {
                "title": p.title,
                "tone": p.tone,
                "cells": len(p.frames[0]),
                "captions": list(p.captions),
                "alts": list(p.alts),
            }
            for p in film.panels
        ],
        "labels": list(labels),
        "index": index,
        "label": label,
        "controls": not hidden("settings"),
        "period": min(700, PERIOD // len(labels)),
    }


def _native(
    film: Film,
    labels: Sequence[str],
    index: int,
    key: str,
    label: str,
    on_release: Callable[[int], None],
) -> int:
    own = f"{key}-native"
    st.session_state[own] = index
    with control("settings"):
        st.select_slider(
            label,
            range(len(labels)),
            format_func=labels.__getitem__,
            key=own,
            on_change=lambda: on_release(st.session_state[own]),
        )
    for i, panel in enumerate(film.panels):
        st.markdown(f":{panel.tone}[**{panel.title}**]")
        st.image(film.sheet(i, index, len(panel.frames[0])), width="stretch", alt=panel.alts[index])
        st.caption(panel.captions[index])
    return index
