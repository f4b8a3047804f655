"""The images under the microscope: one that a run trained on, one it never saw, or one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from ambient.files import InputError
from ambient.runs.folder import Run
from ui import data, uploads, words
from ui.noise_microscope.answers import pack
from ui.pictures import Images
from ui.teacher import control, hidden

LISTED = 2000  # names in a list; more would be megabytes in the browser


@dataclass(frozen=True)
class Specimen:
    """An image under the microscope.

    Attributes:
        image: (h, w, c).
        kind: training, unseen or generated.
        position: among the run's images of this kind; None for a visitor's own.
    """

    image: Images
    name: str
    kind: str
    position: int | None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.image.tobytes()).hexdigest()


def choose_training(run: Run) -> Specimen:
    both = data.sets(run)
    return _choose(run, "training", "Training image", both.train, both.train_names)


def choose_unseen(run: Run) -> Specimen:
    """An image the network never saw: a held-out one, or the visitor's own."""
    both, place = data.sets(run), st.container()
    own = _own_picture(run)
    with place:
        listed = _choose(run, "unseen", "Unseen image", both.heldout, both.heldout_names, bool(own))
    return own or listed


def _choose(
    run: Run, kind: str, label: str, images: Images, names: Sequence[str], disabled: bool = False
) -> Specimen:
    labels = _labels(tuple(names[:LISTED]))
    found = pack(run)
    usual = found.positions[kind] if found else 0
    if st.session_state.get(kind, labels[0]) not in labels:  # of another run
        st.session_state[kind] = labels[usual]
    with control("settings"):
        chosen = st.selectbox(
            label, labels, index=usual, key=kind, bind="query-params", disabled=disabled
        )
    position = labels.index(chosen)
    return Specimen(images[position], names[position], kind, position)


@st.cache_data(max_entries=32, show_spinner=False)
def _labels(names: tuple[str, ...]) -> list[str]:
    """Names, each once: another image of the same name gets its number."""
    seen: set[str] = set()
    labels = []
    for i, name in enumerate(names):
        labels.append(f"{name} ({i})" if name in seen else name)
        seen.add(name)
    return labels


def _own_picture(run: Run) -> Specimen | None:
    """The visitor's picture in the run's size; one clear line where it cannot be read."""
    if hidden("open"):
        return None
    with st.popover("Use your own", icon=":material/upload:", type="tertiary"):
        files = uploads.ask(
            "A picture of yours, in place of the unseen one",
            "own-picture",
            uploads.PICTURES,
            several=False,
            most=uploads.PICTURE_BYTES,
        )
    if not files:
        return None
    try:
        image = uploads.square(files[0].getvalue(), run.config)
    except InputError as e:
        words.refuse(e)
        return None
    st.caption("Your picture, in place of the one above")
    return Specimen(image, "your image", "unseen", None)
