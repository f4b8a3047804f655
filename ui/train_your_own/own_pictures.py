"""A visitor's own pictures to train on: handed over, checked, and told in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ambient.copies.rules import MIN_SAMPLES
from ambient.files import InputError
from ambient.images.corpus import MAX_IMAGES, Corpus, read_uploads
from ambient.reports.onset import usual_n_train
from ambient.runs.folder import OWN
from ambient.runs.limits import Limits, is_public
from ui import uploads, words
from ui.training_form import HANDED, fill_next

KEPT = "read-pictures"  # in the session alone: which files were read, and what they gave
SIDES = {"as they are": None, "16×16": 16, "32×32": 32, "64×64": 64}
LOOK = 20  # pictures between two looks whether the visitor is still there


def ask() -> Corpus | None:
    """An uploader, who will see the pictures, and what became of them; None without any."""
    left, right = st.columns([3, 1])
    with left:
        files: Sequence[Any] = uploads.ask(
            "Your pictures",
            "pictures-to-train-on",
            help="PNG, JPEG, WebP, BMP or GIF, or all of them as one zip, or one npz of *images*.",
        )
    size = right.selectbox(
        "Their size",
        list(SIDES),
        key="pictures-side",
        help="In pixels. A picture is cropped to a square and resized; small ones learn fast.",
    )
    st.caption(_promise(), width=760)
    if not files:
        files = st.session_state.get(HANDED, ())
        if not files:
            return None
        names = ", ".join(words.unmarked(f.name) for f in files[:3])
        st.caption(f"From the first page: {names}{' and others' * (len(files) > 3)}.", width=760)
    try:
        return _read(files, SIDES[size])
    except InputError as e:
        words.refuse(e)
        st.session_state.pop(HANDED, None)
        return None


def _promise() -> str:
    """Who sees the pictures, and how long they stay."""
    if not is_public():
        return (
            "They are copied into the run's folder and stay there with it. An export leaves them "
            "out unless you ask for them."
        )
    return (
        "Whoever has the run's link sees them and what the model makes of them; nobody else does, "
        "and only your key changes the run. They stay in the run's folder on this server until "
        "you delete the run, or it makes room for others. Upload nothing that must stay secret."
    )


def _read(files: Sequence[Any], side: int | None) -> Corpus:
    """The images of these files, read once a session; the form then trains on three of four.

    Raises:
        InputError: nothing to train on, or more than this server takes.
    """
    key = (tuple(f.file_id for f in files), side)
    kept = st.session_state.get(KEPT)
    if kept is None or kept[0] != key:
        st.session_state.pop(KEPT, None)
        corpus = _read_now(files, side)
        kept = st.session_state[KEPT] = (key, corpus)
        most = min(usual_n_train(len(set(corpus.groups.tolist()))), Limits.here().n_train)
        fill_next({"n_train": int(most)})
    found: Corpus = kept[1]
    return found


def _read_now(files: Sequence[Any], side: int | None) -> Corpus:
    limits, place = Limits.here(), st.empty()

    def look(part: str, done: int, total: int) -> None:
        if done % LOOK == 0:  # Streamlit stops the script here if the visitor left
            place.caption(f"Reading picture {done + 1:,} of {total:,}.")

    most = int(min(limits.pictures, MAX_IMAGES))
    given = [(f.name, f.getvalue()) for f in files]
    corpus = read_uploads(given, OWN, side=side, most=most, tell=look)
    place.empty()
    limits.check_pictures(len(corpus), max(corpus.images.shape[1:3]))
    return corpus


def tell(corpus: Corpus, n_train: int) -> None:
    """What there is to train on: counts, sizes, near-duplicates, and whether it is enough."""
    n, side, _, channels = corpus.images.shape
    distinct = len(set(corpus.groups.tolist()))
    parts = [
        f"{n:,} pictures of {side}×{side} pixels, {'gray' if channels == 1 else 'in color'}",
        f"{distinct:,} of them different: near-duplicates are left out"
        if n > distinct
        else "no near-duplicates",
    ]
    st.caption(f"**{'; '.join(parts)}.** {_enough(distinct, n_train)}", width=760)
    for note in corpus.notes:
        st.caption(words.unmarked(note), width=760)


def _enough(distinct: int, n_train: int) -> str:
    """Whether enough are left that the model never sees."""
    unseen = distinct - n_train
    if n_train < 2 or unseen < 0:
        return f"Train on 2 to {distinct:,} of them."
    text = f"{n_train:,} are trained on and {unseen:,} stay unseen."
    if unseen >= MIN_SAMPLES:
        return text
    return (
        f"{text} With {MIN_SAMPLES} unseen or more the rule for copies can be checked on them; "
        "upload more or train on fewer."
    )
