"""The pictures under the noise: one that a run trained on, one it never saw, or one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from ambient.files import InputError
from ambient.runs.folder import Run
from ui import data, uploads, words
from ui.microscope import pad
from ui.pictures import Images
from ui.teacher import control, hidden

LISTED = 2000  # names in a list; more would be megabytes in the browser


@dataclass(frozen=True)
class Specimen:
    """A picture under the noise.

    Attributes:
        image: (h, w, c).
        kind: training or unseen.
        position: among the run's images of this kind; None for a visitor's own.
    """

    image: Images
    name: str
    kind: str
    position: int | None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.image.tobytes()).hexdigest()

    @property
    def title(self) -> str:
        return f"{self.kind.capitalize()} picture"


def choose(run: Run, usual: dict[str, int]) -> list[Specimen]:
    """A training picture, and an unseen one or the visitor's own.

    Args:
        usual: positions of those shown first, by kind.
    """
    both = data.sets(run)
    with st.popover("Other pictures", icon=":material/image_search:", type="tertiary"):
        seen = _choose("training", both.train, both.train_names, usual)
        place = st.container()
        own = None if hidden("open") else _own(run)
        with place:
            unseen = _choose("unseen", both.heldout, both.heldout_names, usual, bool(own))
    return [seen, own or unseen]


def _choose(
    kind: str,
    images: Images,
    names: Sequence[str],
    usual: dict[str, int],
    disabled: bool = False,
) -> Specimen:
    labels, first = _labels(tuple(names[:LISTED])), usual.get(kind, 0)
    if st.session_state.get(kind, labels[0]) not in labels:  # of another run
        st.session_state[kind] = labels[first]
    with control("settings"):
        chosen = st.selectbox(
            f"{kind.capitalize()} picture",
            labels,
            index=first,
            key=kind,
            bind="query-params",
            disabled=disabled,
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


def _own(run: Run) -> Specimen | None:
    """The visitor's picture in the run's size; one clear line where it cannot be read."""
    st.markdown("**Or your own**, in its place: drop a file, or draw below.")
    label = "A picture of yours"
    kinds, most = uploads.PICTURES, uploads.PICTURE_BYTES
    files = uploads.ask(label, "own-picture", kinds, several=False, most=most)
    given = files[0].getvalue() if files else pad.drawn(run)
    if not given:
        return None
    try:
        image = uploads.square(given, run.config)
    except InputError as e:
        words.refuse(e)
        return None
    return Specimen(image, "yours", "unseen", None)
