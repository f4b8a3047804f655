"""How far an audit is, and a way to end it."""

from __future__ import annotations

import streamlit as st

from ambient.runs import queue
from ui.jobs import drops

TICK = 1.0  # seconds between two looks


@st.fragment(run_every=TICK)
def watch(place: str) -> None:
    """The progress of a visitor's audit at a place, until it ends."""
    key, job = drops.look(place)
    if job is None or not job.active:
        st.rerun()
    if job.status == "queued":
        before = queue.position(job)
        others = "another audit" if before == 1 else f"{before} other audits"
        st.progress(0.0, f"Waiting for {others}." if before else "Starting.")
    else:
        far = job.progress()
        done, total = far.done, far.total
        share = min(1.0, done / total) if total else 0.0
        count = f": {done:,} of {total:,}" if total > 1 else f": {done:,}" if done else ""
        st.progress(share, f"{far.part.capitalize()}{count}")
    if st.button("Cancel", icon=":material/close:", key=f"{place}-cancel"):
        drops.forget(place, key)
        st.rerun()
