"""A cutoff for pictures, before any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ambient.files import InputError
from ambient.images.corpus import Corpus
from ui import words
from ui.controls import progress
from ui.training_form import fill

if TYPE_CHECKING:
    from ambient.diffusion.levels import CutoffReport

WHY = "Up to there at most 5 % of unseen pictures, once noised, could pass for a training picture."
KEPT = "suggested-cutoff"  # in the session: for which images, the cutoff, or why there is none


def offer(images: Corpus, n_train: int) -> None:
    """A button that computes a cutoff and puts it into the form."""
    if st.button("Suggest a cutoff", icon=":material/auto_awesome:", help=WHY, key="suggest"):
        try:
            fill_later = {"arm": "ambient", "cutoff": cutoff(images, n_train)}
        except InputError as e:
            words.refuse(e)
        else:
            st.session_state["form-next"] = fill_later
            st.rerun()


def fill_waiting() -> None:
    """Put into the form what was suggested after its fields were drawn."""
    if values := st.session_state.pop("form-next", None):
        fill(values)


def cutoff(images: Corpus, n_train: int) -> float:
    """The cutoff for these images, computed once a session.

    Raises:
        InputError: why none is suggested.
    """
    key, kept = (images.sha256, n_train), st.session_state.get(KEPT)
    if kept is None or kept[0] != key:
        kept = st.session_state[KEPT] = key, _computed(images, n_train)
    report: CutoffReport = kept[1]
    if report.suggested_cutoff is None:
        raise InputError(" ".join(report.warnings))
    return round(report.suggested_cutoff, 2)


def _computed(images: Corpus, n_train: int) -> CutoffReport:
    with progress("Looking for a cutoff") as tell:
        from ui import live

        return live.suggestion(images, n_train, tell)
