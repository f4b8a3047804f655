"""Live sampling with progress, beside the stored samples."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from ambient.copies.records import Report
from ambient.diffusion.schedule import SAMPLER_NAMES
from ambient.runs.folder import Run
from ui import data, words
from ui.evidence.exhibit import Exhibit
from ui.pictures import grid
from ui.teacher import hidden

FRAME_SECONDS = 0.7  # a browser must have fetched a picture before the next one replaces it
COUNTS = (16, 36, 64, 128)


@dataclass(frozen=True)
class Order:
    """What to sample."""

    seeds: tuple[int, ...]
    sampler: str
    steps: int
    trained: int


def drawn(run: Run) -> Exhibit | None:
    """What this session drew from the run's weights; not from those of one that had its name."""
    found: Exhibit | None = st.session_state.get(_key(run))
    made = found and found.verdicts
    if not isinstance(made, Report) or data.weights(run, made.step) != made.checkpoint_sha256:
        return None
    return found


def _key(run: Run) -> str:
    return f"live-{run.path}"


def draw_now(run: Run, expanded: bool) -> Exhibit | None:
    """The samples drawn in this session for this run, or None: show the stored ones."""
    if hidden("live"):
        return drawn(run)
    with st.expander("Sample this model now", icon=":material/play_arrow:", expanded=expanded):
        if not run.steps:
            st.caption("This run stores no weights, so there is nothing to sample from.")
            return None
        if order := _ordered(run, COUNTS[-1] if expanded else COUNTS[0]):
            st.session_state[_key(run)] = _sampled(run, order)
        if drawn(run):
            st.button(
                "Back to the stored samples",
                icon=":material/undo:",
                type="tertiary",
                on_click=lambda: st.session_state.pop(_key(run), None),
            )
    return drawn(run)


def _ordered(run: Run, usual: int) -> Order | None:
    """The form; what it asks for, once its button is pressed."""
    with st.form("sample-now", border=False):
        a, b, c, d, e = st.columns(5)
        first = int(a.number_input("First seed", 0, 2**31 - 1, 0))
        count = b.selectbox("Samples", COUNTS, COUNTS.index(usual))
        sampler = c.selectbox("Sampler", SAMPLER_NAMES)
        steps = int(d.number_input("Steps", 2, 200, 18))
        known = run.steps[::-1]
        trained = e.selectbox("Trained for", known, format_func=lambda s: f"{s:,} steps")
        go = st.form_submit_button("Sample", type=words.prominent(), icon=":material/play_arrow:")
    return Order(tuple(range(first, first + count)), sampler, steps, trained) if go else None


def _sampled(run: Run, order: Order) -> Exhibit:
    """Samples made now, shown as they form."""
    bar, slot = st.progress(0.0, "Loading the network"), st.empty()
    from ui import live

    shown, seeds = 0.0, order.seeds
    with live.turn():
        for share, images in live.sampled(
            run, seeds, order.sampler, order.steps, None, order.trained
        ):
            bar.progress(share, f"Denoising {len(seeds)} images: {share:.0%}")
            if time.monotonic() - shown > FRAME_SECONDS:
                slot.image(grid(images[-16:], 8, tile=96), alt="Samples as they form")
                shown = time.monotonic()
        verdicts = live.judged(run, images, seeds, order.trained)
    bar.empty()
    slot.empty()
    return Exhibit.of(images, verdicts, live=True)
