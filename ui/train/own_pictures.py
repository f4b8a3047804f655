"""A visitor's own pictures to train on: dropped on a card, checked, and told in words."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ambient.copies.rules import MIN_SAMPLES
from ambient.files import InputError
from ambient.images.corpus import MAX_IMAGES, Corpus, read_uploads
from ambient.runs.folder import OWN
from ambient.runs.limits import Limits, is_public
from ui import uploads, words

FILES = "own-pictures"  # in the session alone: what was dropped
KEPT = "own-pictures-read"  # in the session alone: of which files at which size, and their images
DROPS = "own-pictures-drops"  # how often pictures were put away: each drop has a key of its own
SIDES = {"automatic": None, "16x16": 16, "32x32": 32, "64x64": 64}
LOOK = 20  # pictures between two looks whether the visitor is still there


def ask() -> None:
    """A place to drop them; what cannot be used is refused as it arrives, by its own name."""
    files: Sequence[Any] = uploads.ask(
        "My pictures", f"own-pictures-{st.session_state.get(DROPS, 0)}", help=_promise()
    )
    if not files:
        return
    st.session_state[FILES] = list(files)
    try:
        kept()
    except InputError as e:
        st.session_state.pop(FILES)
        words.refuse(e)
    else:
        st.rerun()


def choose_size() -> None:
    """At which size the network sees them."""
    st.selectbox(
        "Size of my pictures",
        list(SIDES),
        key="own-side",
        help="A picture is cropped to a square and resized; small ones learn fast. Automatic: "
        "squares up to 64x64 stay, all others become 32x32.",
    )


def kept() -> Corpus | None:
    """The pictures dropped in this tab, read once at each size.

    Raises:
        InputError: nothing to train on, or more than this server takes.
    """
    files = st.session_state.get(FILES)
    if not files:
        return None
    side = SIDES[st.session_state.get("own-side", "automatic")]
    key = [file.file_id for file in files], side
    if st.session_state.get(KEPT, (None,))[0] != key:
        st.session_state[KEPT] = key, _read(files, side)
    found: Corpus = st.session_state[KEPT][1]
    return found


def put_away() -> None:
    """Forget them, for others; for a button's `on_click`."""
    for name in (FILES, KEPT):
        st.session_state.pop(name, None)
    st.session_state[DROPS] = st.session_state.get(DROPS, 0) + 1


def _promise() -> str:
    """Who sees the pictures, and how long they stay."""
    what = "PNG, JPEG, WebP, BMP, GIF or TIFF, or all of them as one zip, or one npz of *images*. "
    if not is_public():
        return f"{what}They are copied into the run's folder and stay there with it."
    return (
        f"{what}Whoever has the run's link sees them and what the model makes of them. They stay "
        "on this server until you delete the run, or it makes room for others. Upload nothing that "
        "must stay secret."
    )


def _read(files: Sequence[Any], side: int | None) -> Corpus:
    """The images of these files; `InputError` as `kept`."""
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


def told(corpus: Corpus, n_train: int) -> str:
    """What there is to train on: near-duplicates, changes, and whether enough stay unseen."""
    n, distinct = len(corpus), len(set(corpus.groups.tolist()))
    said = [f"{n:,} pictures of {corpus.images.shape[1]}x{corpus.images.shape[2]} pixels."]
    if n > distinct:
        said.append(f"{distinct:,} of them are different: near-duplicates are left out.")
    said += [words.unmarked(note) for note in corpus.notes]
    if distinct - n_train < MIN_SAMPLES:
        said.append(
            f"With {MIN_SAMPLES} pictures that are not trained on, the rule for copies can be "
            f"checked on them; {max(0, distinct - n_train):,} are left."
        )
    return " ".join(said)
