"""Sampling now: pictures appear in place as they come; and the verdict of a run that has none."""

import time
from typing import Any

import numpy as np
import streamlit as st

from ambient.diffusion.schedule import SAMPLER_NAMES
from ambient.runs.folder import Run
from ui import data, visitor, words
from ui.controls import progress
from ui.evidence.exhibit import Exhibit
from ui.pictures import grid
from ui.teacher import hidden

FRAME_SECONDS = 0.7  # a browser must have fetched a picture before the next one replaces it
COUNTS = (16, 36, 64, 128)
JUDGED = 200  # samples of a run that has no verdict yet
ACROSS = 16


def drawn(run: Run) -> Exhibit | None:
    """What this session drew from the run's weights; not from those of one that had its name."""
    found: Exhibit | None = st.session_state.get(_key(run))
    if found is None or data.weights(run, found.report.step) != found.report.checkpoint_sha256:
        return None
    return found


def _key(run: Run) -> str:
    return f"live-{run.path}"


def show_sampling(run: Run) -> None:
    """The form, and the samples as they form; then the page shows them."""
    if hidden("live") or not run.steps:
        st.caption("There are no weights to sample from here.")
        return
    if order := _ordered(run):
        st.session_state[_key(run)] = _sampled(run, order)
        st.rerun()
    if drawn(run):
        st.button(
            "Back to the stored samples",
            icon=":material/undo:",
            type="tertiary",
            on_click=lambda: st.session_state.pop(_key(run), None),
        )


def _ordered(run: Run) -> dict[str, Any] | None:
    """The form; what it asks `live.sampled` for, once its button is pressed."""
    with st.form("sample-now", border=False):
        a, b, c, d, e = st.columns(5)
        first = int(a.number_input("First seed", 0, 2**31 - 1, 0))
        count = b.selectbox("Samples", COUNTS, 1)
        sampler = c.selectbox("Sampler", SAMPLER_NAMES)
        steps = int(d.number_input("Steps", 2, 200, 18))
        known = run.steps[::-1]
        trained = e.selectbox("Trained for", known, format_func=lambda s: f"{s:,} steps")
        go = st.form_submit_button("Sample", type=words.prominent(), icon=":material/play_arrow:")
    seeds = tuple(range(first, first + count))
    order = {"seeds": seeds, "sampler": sampler, "steps": steps, "trained": trained}
    return order if go else None


def _sampled(run: Run, order: dict[str, Any]) -> Exhibit:
    """Samples made now; those to come are gray."""
    bar, slot = st.progress(0.0, "Loading the network"), st.empty()
    from ui import live

    shown, seeds = 0.0, order["seeds"]
    with live.turn():
        for share, images in live.sampled(run, **order):
            bar.progress(share, f"Denoising {len(seeds)} pictures: {share:.0%}")
            if time.monotonic() - shown > FRAME_SECONDS:
                gray = np.full((len(seeds) - len(images), *images.shape[1:]), 128, np.uint8)
                sheet = grid(np.concatenate([images, gray]), ACROSS, gap=6, tile=64)
                slot.image(sheet, alt="Samples as they form", width="stretch")
                shown = time.monotonic()
        report = live.judged(run, images, seeds, order["trained"])
    return Exhibit.of(run, images, report, live=True)


def offer_verdict(run: Run) -> None:
    """A button that samples and judges a run; what was found is kept in a run of one's own."""
    if hidden("live") or not run.steps:
        words.no_verdict(run)
    st.markdown(f"**{words.unmarked(run.name)}** has no verdict yet.")
    if not st.button(
        f"Sample {JUDGED} pictures and judge them",
        type=words.prominent(),
        icon=":material/gavel:",
        help="Takes a few minutes; keep this page open",
    ):
        return
    with progress("Loading the network") as tell:
        from ui import live

        images, report = live.judged_anew(run, JUDGED, tell, keep=visitor.may_change(run))
    st.session_state[_key(run)] = Exhibit.of(run, images, report, live=True)
    st.rerun()
