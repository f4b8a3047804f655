"""Galleries of samples above what is nearest to them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui import words
from ui.data import Shown
from ui.pictures import arm_color, gallery

USUAL = 1.0  # the cutoff shown first, where it is stored


def usual(cutoffs: Sequence[float]) -> float:
    return min((c for c in cutoffs if c), key=lambda c: abs(c - USUAL))


def draw(some: Shown, arm: str, what: str, columns: int = 6, said: str = "") -> None:
    """Images above their nearest training images, copies framed and counted under them.

    Args:
        what: the images in words, as `12 samples of a run`.
        said: what else stands under them.
    """
    count = words.copies_of(some.copies)
    st.image(
        gallery(some.images, some.nearest, some.copies, arm_color(arm), columns),
        width="stretch",
        alt=f"{what} above their nearest training images ({', '.join(some.nearest_names)}); "
        f"{count}.",
    )
    st.caption(f"{count}{said or '.'}")
