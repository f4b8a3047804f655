"""What can be said of the images of the form before any training: a cutoff, when copies begin."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.reports.onset import expected_onset, stored_rows
from ui import words
from ui.training_form import fill

WHY = (
    "up to there at most 5 % of unseen images, once noised, could pass for a noised training "
    "image. A rule of thumb of this project."
)
KEPT = "suggested-cutoff"  # in the session: for which images, the report, or why there is none


def offer(images: Corpus, n_train: int) -> None:
    """A button that computes it, and what came out."""
    key = images.sha256, n_train
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        asked = st.button(
            "Suggest a cutoff",
            icon=":material/auto_awesome:",
            help="From these images alone, by closed forms; seconds, with many images a minute.",
        )
        if asked:
            with suppress(InputError):  # shown below
                cutoff(images, n_train)
        kept = st.session_state.get(KEPT)
        if kept and kept[0] == key:
            _show(kept[1])


def cutoff(images: Corpus, n_train: int) -> float:
    """The cutoff for these images, computed once a session.

    Raises:
        InputError: why none is suggested.
    """
    key, kept = (images.sha256, n_train), st.session_state.get(KEPT)
    if kept is None or kept[0] != key or isinstance(kept[1], str):
        kept = st.session_state[KEPT] = key, _computed(images, n_train)
    found: float | str = kept[1]
    if isinstance(found, str):
        raise InputError(found)
    return found


def expect(n_train: int, batch: int, steps: int) -> None:
    """When copying is expected to begin without a cutoff, from what was trained before."""
    if n_train < 2 or batch < 1:
        return
    try:
        onset = expected_onset(n_train, batch, stored_rows())
    except InputError:
        return  # no runs to learn it from
    yours = f"{steps:,} steps end before that." if steps < onset.low else ""
    yours = f"{steps:,} steps go beyond that." if steps > onset.high else yours
    st.caption(f"{onset.in_words()} {yours}", width=760)


def _computed(images: Corpus, n_train: int) -> float | str:
    """The cutoff, or why none is suggested."""
    from ui import live

    bar = st.progress(0.0, "Measuring the images", width=320)

    def tell(part: str, done: int, total: int) -> None:
        bar.progress(done / total, "Measuring the images")

    try:
        report = live.suggestion(images, n_train, tell)
    except InputError as e:
        return str(e)
    finally:
        bar.empty()
    cutoff = report.suggested_cutoff
    return " ".join(report.warnings) if cutoff is None else round(cutoff, 2)


def _show(found: float | str) -> None:
    if isinstance(found, str):
        words.refuse(found)
        return
    st.caption(f"Cutoff {found:g}: {WHY}", width=560)
    values = {"arm": "ambient", "cutoff": found}
    st.button("Use it", type="tertiary", on_click=fill, args=(values,))
