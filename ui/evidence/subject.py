"""The image that is searched by: in the address, chosen by hand, in a row or on the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ui.evidence.exhibit import Exhibit, Room, Shelf
from ui.pictures import Images
from ui.teacher import control


@dataclass(frozen=True)
class Subject:
    """The image that is searched by, its kind and position among its kind."""

    kind: str
    position: int
    name: str
    image: Images
    features: NDArray[np.float32] | None


def look_for(kind: str, key: int) -> None:
    """Search by an image: its kind and its seed or position, in the address."""
    st.query_params["image"] = f"{kind}-{key}"


def _asked(exhibit: Exhibit, every: Mapping[str, Shelf]) -> tuple[str, int]:
    """What the address searches by; the sample most of a copy where it names nothing known."""
    kind, _, number = st.query_params.get("image", "").rpartition("-")
    if kind in every and number.isdecimal() and len(number) < 10:
        known = exhibit.at if kind == "generated" else range(len(every[kind].names))
        if int(number) in known:
            return kind, int(number)
    ratios = [row.ratio for row in exhibit.rows]
    return "generated", exhibit.seeds[ratios.index(min(ratios))]


def choose(room: Room, every: Mapping[str, Shelf]) -> Subject:
    """Which image. The controls stand where the address does, and write what they are moved to."""
    exhibit = room.exhibit
    kind, key = _asked(exhibit, every)
    shelf = every[kind]
    drawn, kinds, images = kind == "generated", "search-in", f"search-{kind}-{room.run.name}"
    st.session_state[kinds], st.session_state[images] = kind, key
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    with row, control("shuffle"):
        st.segmented_control(
            "Search by an image that is",
            list(every),
            format_func=str.capitalize,
            key=kinds,
            required=True,
            on_change=lambda: _turn_to(st.session_state[kinds], exhibit),
        )
        st.selectbox(
            "Image",
            list(exhibit.at) if drawn else range(len(shelf.names)),
            format_func=lambda k: f"seed {k}" if drawn else f"{k}: {shelf.names[k]}",
            key=images,
            on_change=lambda: look_for(kind, st.session_state[images]),
            width=340,
            help="Type to find one, or click a point of the map.",
        )
    position = exhibit.at[key] if drawn else key
    features = None if shelf.features is None else shelf.features[position]
    return Subject(kind, position, shelf.names[position], shelf.images[position], features)


def _turn_to(kind: str, exhibit: Exhibit) -> None:
    """The first image of another kind."""
    look_for(kind, min(exhibit.at) if kind == "generated" else 0)
