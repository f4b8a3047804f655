"""Any other cutoff: the form of Train, filled with a run's settings."""

from __future__ import annotations

import streamlit as st

from ambient.runs.folder import Run
from ui import words
from ui.teacher import hidden
from ui.training_form import fill, settings


def offer_training(standard: Run) -> None:
    if any(hidden(group) for group in ("train", "live", "settings")):
        return
    c = standard.config
    st.subheader("Another cutoff? Train it", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        cutoff = st.number_input("Cutoff to train", 0.05, 99.0, 0.7, 0.1, width=180)
        go = st.button("Set it up", icon=":material/model_training:", type=words.prominent())
    st.caption(f"The same {c.n_train} images, {c.steps:,} steps; the form shows how long it takes.")
    if go:
        fill({**settings(c), "arm": "ambient", "cutoff": cutoff})
        st.switch_page("pages/train.py")
