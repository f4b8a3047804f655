"""A slider over a film: dragging changes the pictures in the browser, only a release comes here.

Where the component cannot run, `?native=1` shows the same with Streamlit's own slider and pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def chosen(name: str, options: Sequence[int]) -> int:
    """The place of the option that the address names, else this visit; else the last.

    An option that is none of these is dropped from the address.
    """
    known = {str(option): i for i, option in enumerate(options)}
    asked = str(st.query_params.get(name, st.session_state.get(name, "")))
    if asked not in known:
        st.query_params.pop(name, None)
        st.session_state.pop(name, None)
        return len(options) - 1
    _choose(name, options, known[asked])
    return known[asked]


def _choose(name: str, options: Sequence[int], index: int) -> None:
    """Put an option into the address and keep it for this visit."""
    st.session_state[name] = options[index]
    if st.query_params.get(name) != str(options[index]):
        st.query_params[name] = str(options[index])


def scrub(
    film: Film, name: str, options: Sequence[int], labels: Sequence[str], key: str, label: str
) -> None:
    """Show a film at the chosen frame. A release puts its option into the address and reruns.

    Args:
        name: in the address; `options` are its values, one a frame.
        labels: names the frames, such as "step 2,100".
    """
    index = chosen(name, options)
    if st.query_params.get("native") == "1":
        _show_native(film, name, options, labels, index, f"{key}-native", label)
        return

    def released() -> None:
        frame = st.session_state[key].released
        if isinstance(frame, int) and 0 <= frame < len(options):
            _choose(name, options, frame)

    with st.container(gap=None):
        _hold(key=f"{key}-strip", data={"film": film.sha256, "strip": film.address})
        _mount(key=key, data=_data(film, labels, index, label), on_released_change=released)


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


def _show_native(
    film: Film,
    name: str,
    options: Sequence[int],
    labels: Sequence[str],
    index: int,
    key: str,
    label: str,
) -> None:
    st.session_state[key] = index
    with control("settings"):
        st.select_slider(
            label,
            range(len(options)),
            format_func=labels.__getitem__,
            key=key,
            on_change=lambda: _choose(name, options, st.session_state[key]),
        )
    for i, panel in enumerate(film.panels):
        st.markdown(f":{panel.tone}[**{panel.title}**]")
        st.image(film.sheet(i, index), width="stretch", alt=panel.alts[index])
        st.caption(panel.captions[index])
