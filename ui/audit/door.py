"""Two drops and one click: what is dropped is looked at as it arrives, then it is queued."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import streamlit as st

from ambient.copies.spaces import FEATURES, SPACES
from ambient.files import InputError
from ambient.runs import queue
from ambient.runs.audits import ABANDONED, Audit
from ambient.runs.limits import Limits, is_public
from ui import pictures, uploads, visitor, words
from ui.jobs import desk, outcome
from ui.uploads import Glance

JOB = "audit-job"  # in the session alone: the key of this tab's audit
ANOTHER = "another"  # in the address: one is asked for beside a result, to which Back leads
ROUND = "audit-round"  # how often an audit was deleted: fresh drops have keys of their own
COUNTS = (128, 256, 512)
TICK = 1.0  # seconds between two looks
SETS = {
    "generated": ("What was generated", "100 or more"),
    "train": ("What it learned from", "all of it"),
    "heldout": ("Unseen pictures", "real ones, if there are some"),
}
MODEL_HELP = (
    "An unconditional pipeline in pixels: a UNet2DModel in safetensors and a DDPM, DDIM or EDM "
    "scheduler. Pickles are not opened, and nothing in it is executed."
)

Given = dict[str, Sequence[Any] | str]  # uploaded files of a set, or where it lies


def ask() -> Given:
    """The drops and the click; a click starts an audit in place of the last one.

    Returns:
        What has been dropped.
    """
    given: Given = {}
    for column, name in zip(st.columns(2, gap="medium"), ("generated", "train"), strict=True):
        with column:
            _drop(name, given)
    button = st.empty()
    with st.expander("More: a model, unseen pictures, folders, features", icon=":material/tune:"):
        features, count = _more(given)
    ready = "train" in given and bool({"generated", "model"} & given.keys())
    with button.container(horizontal=True, vertical_alignment="center", gap="medium"):
        go = st.button(
            "Audit",
            "audit-go",
            type=words.prominent(),
            icon=":material/fact_check:",
            disabled=not ready,
        )
        st.caption(_promise(), width="stretch")
    if go:
        start(given, features, count)
    return given


def _drop(name: str, given: Given) -> None:
    """One place to drop a set, and what arrived there; it is given if it can be used."""
    label, about = SETS[name]
    key = f"audit-{name}-{st.session_state.get(ROUND, 0)}"
    files = uploads.ask(f"{label} ({about})", key, help=HELP)
    if not files:
        return
    try:
        seen = uploads.glance(files, label)
    except InputError as e:
        words.refuse(e)
        return
    given[name] = files
    _show(seen, label)


def _show(seen: Glance, label: str) -> None:
    if seen.first:
        st.image(
            pictures.row(seen.first, 8, 64), width="content", alt=f"{label}: the first pictures"
        )
    st.caption(words.unmarked(seen.said))


HELP = (
    "PNG, JPEG, WebP, BMP, GIF or TIFF; or all of them as one zip, or one npz of *images*. "
    "Pictures are brought to squares of one size."
)


def _more(given: Given) -> tuple[str, int]:
    """What few need; returns the features to compare in, and how often to sample a model."""
    left, right = st.columns(2, gap="medium")
    with left:
        _drop("heldout", given)
    with right:
        key = f"audit-model-{st.session_state.get(ROUND, 0)}"
        label = "Instead of generated pictures, a diffusers pipeline as a zip"
        files = uploads.ask(label, key, ["zip"], several=False, help=MODEL_HELP)
    if files:
        given["model"] = files
    if not is_public():
        given.update({**_places(), **given})
    if "model" in given:
        given.pop("generated", None)
        if find_spec("diffusers") is None:
            del given["model"]
            words.refuse(
                "diffusers pipelines need a package that is not installed; run "
                "`pip install -r requirements-models.txt`."
            )
    with st.container(horizontal=True, gap="medium"):
        offered = [k for k, s in SPACES.items() if s.offline or not is_public()]
        features = st.selectbox(
            "Compared in pixels, and in",
            offered,
            format_func=lambda name: SPACES[name].about,
            key="audit-features",
            width=260,
        )
        count = COUNTS[0]
        if "model" in given:
            count = st.selectbox("Samples of the model", COUNTS, key="audit-count", width=200)
    return features, count


def _places() -> dict[str, str]:
    """Sets by where they lie, for who sits at this computer: no browser has to hand them over."""
    found = {}
    names = {**{k: label for k, (label, _) in SETS.items()}, "model": "A model"}
    for column, (name, label) in zip(st.columns(4), names.items(), strict=True):
        hint = "a folder, or hub:owner/name@revision" if name == "model" else "a folder, zip or npz"
        path = column.text_input(f"{label}: path", key=f"audit-path-{name}", placeholder=hint)
        if path.strip():
            found[name] = path.strip()
    return found


def _promise() -> str:
    """Who sees the images, and how long they stay."""
    limits = Limits.here()
    if not is_public():
        return "They stay on this computer; the audit's copies go an hour after you leave."
    return (
        f"Up to {limits.pictures:,.0f} pictures and {limits.upload / 1e6:.0f} MB a set. Only this "
        "browser finds them and the result; both go an hour after you leave. Upload nothing that "
        "must stay secret."
    )


def start(given: Given, features: str = FEATURES, count: int = COUNTS[0]) -> None:
    """Begin an audit, in place of the last one of this tab."""
    last, browser = st.session_state.get(JOB), visitor.own_browser()
    visitor.remember()
    try:
        st.session_state[JOB] = desk.submit(given, features, count, browser)
    except InputError as e:
        words.refuse(e)
        return
    if last:
        desk.end(last, browser)
    st.query_params.pop(ANOTHER, None)
    st.rerun()


def look() -> tuple[str, Audit | None]:
    """The key of this visitor's audit, and the audit; None without one.

    That of this tab, or the last one of this browser: a page that is loaded again is a new session.
    """
    audit = desk.look(visitor.browser(), st.session_state.get(JOB, ""))
    if audit is None:
        st.session_state.pop(JOB, None)
        return "", None
    st.session_state[JOB] = audit.name
    return audit.name, audit


def actions(key: str) -> None:
    """What can be done with an audit that is done: leave it for another one, or delete it."""
    st.button(
        "Another audit",
        "audit-another",
        icon=":material/add:",
        on_click=lambda: st.query_params.update({ANOTHER: "1"}),
    )
    outcome.delete("Delete this audit", f"audit-delete-{key}", lambda: forget(key))


def forget(key: str) -> None:
    """End and forget an audit of this visitor's, and what was dropped for it."""
    st.session_state.pop(JOB, None)
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1
    desk.end(key, visitor.browser())


@st.fragment(run_every=TICK)
def wait() -> None:
    """The progress of a visitor's audit, until it ends."""
    key, job = look()
    if job is None or not job.active:
        st.rerun()
    if job.status == "queued":
        before = queue.position(job)
        others = "one audit comes" if before == 1 else f"{before} audits come"
        st.progress(0.0, f"In line: {others} before yours." if before else "Starting.")
    else:
        far = job.progress()
        done, total = far.done, far.total
        share = min(1.0, done / total) if total else 0.0
        count = f": {done:,} of {total:,}" if total > 1 else f": {done:,}" if done else ""
        st.progress(share, f"{far.part.capitalize()}{count}")
    st.caption(f"It goes on for {words.duration(ABANDONED)} after you leave.")
    if st.button("Cancel", "audit-cancel", icon=":material/close:"):
        forget(key)
        st.rerun()
