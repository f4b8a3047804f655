"""On the first page: the way to images and models of one's own."""

from __future__ import annotations

import streamlit as st

from ui.teacher import hidden


def card() -> None:
    """One line and two buttons, before anything that is stored here."""
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", gap="medium", width="stretch"
    ):
        st.markdown(
            "**Your own images?** Find the copies among them, or train on them.",
            width="stretch",
        )
        if st.button("Audit my own images", icon=":material/fact_check:", key="to-audit"):
            st.switch_page("pages/audit.py")
        if hidden("train"):
            return
        if st.button("Train on my own pictures", icon=":material/model_training:", key="to-train"):
            st.switch_page(
                "pages/train_your_own.py", query_params={"train-corpus": "your own pictures"}
            )
