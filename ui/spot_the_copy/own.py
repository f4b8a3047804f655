"""On the first page: two drops and one click audit one's own images, another trains on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ui.jobs import drops
from ui.teacher import hidden
from ui.training_form import hand_over

PLACE = "audit"  # of the page that the click leads to
ANCHOR = "your-own-images"
SETS = {"generated": "Generated images", "train": "What the generator learned from"}


def show_hint() -> None:
    """One line at the top that leads to the drops."""
    st.markdown(f"**Your own images?** [Find the copies among them](#{ANCHOR}) or train on them.")


def show_card() -> None:
    """Both drops in a row, and where they lead."""
    st.subheader("Your own images: new, or copies?", anchor=ANCHOR)
    with st.container(border=True):
        *places, ways = st.columns([3, 3, 2], gap="medium", vertical_alignment="bottom")
        given: dict[str, Sequence[Any]] = {}
        for column, (name, label) in zip(places, SETS.items(), strict=True):
            with column:
                if files := drops.drop("first", name, label):
                    given[name] = files
        with ways:
            _ways(given)
        st.caption(drops.promise())


def _ways(given: dict[str, Sequence[Any]]) -> None:
    """Where to go: to the answer once both sets are here, to the page that asks for them before."""
    if st.button(
        "Find the copies",
        icon=":material/fact_check:",
        key="to-audit",
        disabled=len(given) == 1,
        help="Drop the other set too" if len(given) == 1 else None,
        width="stretch",
    ):
        if given:
            drops.start(PLACE, {**given})
        st.switch_page("pages/audit.py")
    if not hidden("train") and st.button(
        "Train on my own pictures",
        icon=":material/model_training:",
        key="to-train",
        width="stretch",
    ):
        hand_over(given.get("train", ()))
        st.switch_page("pages/train.py", query_params={"train-corpus": "your own pictures"})
