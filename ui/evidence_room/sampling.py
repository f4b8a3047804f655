"""Live sampling with progress, beside the stored samples."""

from __future__ import annotations

import time

import streamlit as st

from ambient.runs.folder import Run
from ui import data, words
from ui.evidence_room.exhibit import Exhibit
from ui.pictures import grid
from ui.teacher import hidden

FRAME_SECONDS = 0.7  # a browser must have fetched a picture before the next one replaces it
COUNTS = (16, 36, 64, 128)
SAMPLERS = ("heun", "euler", "dpmpp-2m", "ancestral")


def drawn(run: Run) -> Exhibit | None:
    """What this session drew from the run's weights; not from those of one that had its name."""
    found: Exhibit | None = st.session_state.get(_key(run))
    if found is None:
        return None
    made = found.verdicts
    return found if data.weights(run, made["step"]) == made["checkpoint_sha256"] else None


def _key(run: Run) -> str:
    return f"live-{run.path}"


def draw_now(run: Run, expanded: bool) -> Exhibit | None:
    """The samples drawn in this session for this run, or None: show the stored ones."""
    key = _key(run)
    if hidden("live"):
        return drawn(run)
    with st.expander("Sample this model now", icon=":material/play_arrow:", expanded=expanded):
        if not run.steps:
            st.caption("This run stores no weights, so there is nothing to sample from.")
            return None
        with st.form("sample-now", border=False):
            columns = st.columns(5)
            first = columns[0].number_input("First seed", 0, 2**31 - 1, 0)
            most = len(COUNTS) - 1
            count = columns[1].selectbox("Samples", COUNTS, most if expanded else 0)
            sampler = columns[2].selectbox("Sampler", SAMPLERS)
            steps = columns[3].number_input("Steps", 2, 200, 18)
            trained = columns[4].selectbox(
                "Trained for", run.steps[::-1], format_func=lambda s: f"{s:,} steps"
            )
            go = st.form_submit_button(
                "Sample", type=words.prominent(), icon=":material/play_arrow:"
            )
        if go:
            seeds = tuple(range(int(first), int(first) + count))
            bar, slot = st.progress(0.0, "Loading the network"), st.empty()
            from ui import live

            shown = 0.0
            with live.turn():
                for share, images in live.sampled(run, seeds, sampler, int(steps), None, trained):
                    bar.progress(share, f"Denoising {count} images: {share:.0%}")
                    if time.monotonic() - shown > FRAME_SECONDS:
                        slot.image(grid(images[-16:], 8, tile=96), alt="Samples as they form")
                        shown = time.monotonic()
                verdicts = live.judged(run, images, seeds, trained)
            bar.empty()
            slot.empty()
            st.session_state[key] = Exhibit(images, verdicts, True)
        if drawn(run):
            st.button(
                "Back to the stored samples",
                icon=":material/undo:",
                type="tertiary",
                on_click=lambda: st.session_state.pop(key, None),
            )
    return drawn(run)
