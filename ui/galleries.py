"""Galleries: pictures above their nearest training images."""

import streamlit as st

from ui import words
from ui.data import Shown
from ui.pictures import arm_color, gallery


def draw(some: Shown, arm: str, what: str, columns: int = 6) -> None:
    """Images, said to be what, above their nearest training images, copies framed and counted."""
    count = words.copies_of(some.copies)
    st.image(
        gallery(some.images, some.nearest, some.copies, arm_color(arm), columns),
        width="stretch",
        alt=f"{what} above their nearest training images ({', '.join(some.nearest_names)}); "
        f"{count}.",
    )
    st.caption(f"{count}.")
