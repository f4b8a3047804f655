"""Two drops, a third one if there is something to drop, and one click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import streamlit as st

from ambient.copies.spaces import FEATURES, SPACES
from ambient.files import InputError
from ambient.runs.audits import Audit
from ambient.runs.limits import Limits, is_public
from ui import uploads, visitor, words
from ui.jobs import desk

GENERATED = {
    "generated": ("Generated images", "What your model made: 100 or more."),
    "model": (
        "A diffusers pipeline, as a zip",
        "The folder that *save_pretrained* wrote. It is sampled here, which takes minutes for a "
        "large one.",
    ),
}
SOURCES = {"generated": "Generated images", "model": "A diffusers model"}
COUNTS = (128, 256, 512)
REAL = {
    "train": ("Training images", "What it learned from: all of it."),
    "heldout": ("Unseen images, if you have some", "Real ones that it never saw: 100 or more."),
}


Given = dict[str, Sequence[Any] | str]  # uploaded files of a set, or where it lies


def ask(place: str, click: str, like: Given | None = None) -> Given:
    """The drops and the click; a click starts an audit in place of the last one at this place.

    Args:
        place: tells these drops from those of another place.
        click: what the button says.
        like: sets of another place, whose training and unseen images may be taken here too.

    Returns:
        What has been dropped.
    """
    given: Given = {}
    made = _source(place)
    sets = {made: GENERATED[made], **REAL}
    for column, (name, (label, about)) in zip(st.columns(3), sets.items(), strict=True):
        with column:
            if files := drop(place, name, label):
                given[name] = files
            st.caption(about)
    if not is_public():
        given = {**_places(place, sets), **given}
    if like and "train" in like and st.checkbox(LIKE, key=f"{place}-like"):
        given = {**{k: v for k, v in like.items() if k in REAL}, **given}
    ready = {made, "train"} <= given.keys()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        clicked = st.button(
            click,
            type=words.prominent(),
            icon=":material/fact_check:",
            disabled=not ready,
            key=f"{place}-go",
        )
        offered = [k for k, s in SPACES.items() if s.offline or not is_public()]
        features = st.selectbox(
            "Compared in pixels, and first in",
            offered,
            format_func=lambda name: SPACES[name].about,
            key=f"{place}-features",
            width=260,
            help="Features find copies that are mirrored, shifted or recolored.",
        )
        count = COUNTS[0]
        if made == "model":
            count = st.selectbox("Samples of it", COUNTS, key=f"{place}-count", width=140)
    st.caption(promise(), width=760)
    if clicked:
        start(place, given, features, count)
    return given


def drop(place: str, name: str, label: str) -> Sequence[Any]:
    """One place to drop a set, a key of `GENERATED` or `REAL`; what was dropped there."""
    if name == "model":
        return uploads.ask(label, f"{place}-{name}", ["zip"], several=False, help=MODEL_HELP)
    return uploads.ask(label, f"{place}-{name}", help=HELP)


def _source(place: str) -> str:
    """Whether images are handed over, or the model that makes them: a key of `GENERATED`."""
    made: str = st.segmented_control(
        "What do you have?",
        list(GENERATED),
        default="generated",
        format_func=SOURCES.__getitem__,
        required=True,
        key=f"{place}-source",
    )
    if made == "model" and find_spec("diffusers") is None:
        words.refuse(
            "diffusers pipelines need a package that is not installed; run "
            "`pip install -r requirements-models.txt`."
        )
    return made


def _places(place: str, sets: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Sets by where they lie, for who sits at this computer: no browser has to hand them over."""
    found = {}
    hub = " or a model on the Hub" if "model" in sets else ""
    with st.expander(f"Or name folders on this computer{hub}"):
        for column, (name, (label, _)) in zip(st.columns(3), sets.items(), strict=True):
            path = column.text_input(
                f"{label}: path",
                key=f"{place}-path-{name}",
                placeholder="a folder, or hub:owner/name@revision"
                if name == "model"
                else "a folder, zip or npz",
            )
            if path.strip():
                found[name] = path.strip()
    return found


MODEL_HELP = (
    "An unconditional pipeline in pixels: a UNet2DModel in safetensors and a DDPM, DDIM or EDM "
    "scheduler. Pickles are not opened, and nothing in it is executed."
)
LIKE = "The same training and unseen images as the first side"
HELP = (
    "PNG, JPEG, WebP, BMP or GIF; or all of them as one zip, or one npz of *images*. Pictures are "
    "cropped to a square and brought to the size of the training images. One that cannot be read "
    "is named and left out."
)


def promise() -> str:
    """Who sees the images, and how long they stay."""
    limits = Limits.here()
    if not is_public():
        return (
            "Your images stay on this computer; the audit's copies of them are deleted an hour "
            "after you leave."
        )
    return (
        f"Up to {limits.pictures:,.0f} pictures and {limits.upload / 1e6:.0f} MB a set. Only this "
        "browser finds them and the result again; both are deleted an hour after you leave. Upload "
        "nothing that must stay secret."
    )


def start(place: str, given: Given, features: str = FEATURES, count: int = COUNTS[0]) -> None:
    """Begin an audit, in place of the last one of this tab there."""
    if last := st.session_state.pop(_job(place), None):
        desk.end(last, visitor.browser())
    browser = visitor.own_browser()
    visitor.remember()
    try:
        st.session_state[_job(place)] = desk.submit(given, features, count, browser, place)
    except InputError as e:
        words.refuse(e)


def look(place: str) -> tuple[str, Audit | None]:
    """The key of this visitor's audit at a place, and the audit; None without one.

    That of this tab, or the last one of this browser: a page that is loaded again is a new session.
    """
    audit = desk.look(visitor.browser(), place, st.session_state.get(_job(place), ""))
    if audit is None:
        st.session_state.pop(_job(place), None)
        return "", None
    st.session_state[_job(place)] = audit.name
    return audit.name, audit


def forget(place: str, key: str) -> None:
    """End and forget an audit of this visitor's at a place."""
    st.session_state.pop(_job(place), None)
    desk.end(key, visitor.browser())


def _job(place: str) -> str:
    """In the session alone: the key of this tab's audit."""
    return f"{place}-job"
