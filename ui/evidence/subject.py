"""What can be searched among, and the image that is searched by: in the address, or clicked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from ui.evidence.exhibit import Exhibit
from ui.pictures import Images
from ui.teacher import control


@dataclass(frozen=True)
class Shelf:
    """Images of one kind, their names, and the numbers that the address knows them by."""

    images: Images
    names: Sequence[str]
    keys: Sequence[int]


@dataclass(frozen=True)
class Subject:
    """The image that is searched by: its kind, and its position among its kind."""

    kind: str
    position: int
    name: str
    image: Images


def shelves(exhibit: Exhibit) -> dict[str, Shelf]:
    """The images of a run by kind; no shelf is empty."""
    both = exhibit.sets
    named = [f"seed {seed}" for seed in exhibit.seeds]
    every = {
        "generated": Shelf(exhibit.images, named, exhibit.seeds),
        "training": Shelf(both.train, both.train_names, range(len(both.train))),
        "unseen": Shelf(both.heldout, both.heldout_names, range(len(both.heldout))),
    }
    return {kind: shelf for kind, shelf in every.items() if len(shelf.images)}


def look_for(kind: str, key: int) -> None:
    """Search by an image: its kind and its seed or position, in the address."""
    st.query_params["image"] = f"{kind}-{key}"


def choose(exhibit: Exhibit, every: Mapping[str, Shelf]) -> Subject:
    """Which image. The controls stand where the address does, and write what they are moved to."""
    kind, key = _asked(exhibit, every)
    shelf = every[kind]
    kinds, images = "search-in", f"search-{kind}-{exhibit.run.name}"
    st.session_state[kinds], st.session_state[images] = kind, key
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    with row, control("shuffle"):
        st.segmented_control(
            "Search by an image that is",
            list(every),
            format_func=str.capitalize,
            key=kinds,
            required=True,
            on_change=lambda: look_for(chosen := st.session_state[kinds], every[chosen].keys[0]),
        )
        st.selectbox(
            "Image",
            list(shelf.keys),
            format_func=dict(zip(shelf.keys, shelf.names, strict=True)).__getitem__,
            key=images,
            on_change=lambda: look_for(kind, st.session_state[images]),
            width=300,
        )
    position = list(shelf.keys).index(key)
    return Subject(kind, position, shelf.names[position], shelf.images[position])


def _asked(exhibit: Exhibit, every: Mapping[str, Shelf]) -> tuple[str, int]:
    """What the address searches by; the sample most of a copy where it names nothing known."""
    kind, _, number = st.query_params.get("image", "").rpartition("-")
    if (
        kind in every
        and number.isdecimal()
        and len(number) < 10
        and int(number) in every[kind].keys
    ):
        return kind, int(number)
    return "generated", exhibit.seeds[int(exhibit.ratios.argmin())]
