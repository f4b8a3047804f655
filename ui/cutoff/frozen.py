"""The noisy copies that are all a network sees of its training images above the cutoff."""

from __future__ import annotations

import numpy as np
import streamlit as st
from PIL import Image

from ambient.runs.folder import Run
from ui import data
from ui.pictures import Images, grid
from ui.teacher import hidden

SHOWN = 12


def _stored(run: Run) -> Images | None:
    """`frozen.png` of a bundled run: its first noisy copies in one row."""
    path = run.path / "frozen.png"
    if not path.exists():
        return None
    picture = np.atleast_3d(np.asarray(Image.open(path)))
    return np.stack(np.split(picture, picture.shape[1] // run.config.side, axis=1))


def show_frozen(run: Run) -> None:
    """Stored or, when asked for, derived again as training derived them."""
    copies = _stored(run)
    if copies is None and hidden("live"):
        return
    st.subheader(f"What it sees of them above noise level {run.config.cutoff:g}", anchor=False)
    if copies is None:
        if not st.button("Derive the noisy copies", icon=":material/grain:", help="Loads torch"):
            return
        from ui import live

        copies = live.frozen_copies(run, SHOWN)
    both = data.sets(run)
    count = len(copies)
    st.image(
        grid(np.concatenate([both.train[:count], copies]), count, tile=96),
        width="stretch",
        alt=f"{count} training images, and below each its one noisy copy at noise level "
        f"{run.config.cutoff:g}.",
    )
    st.caption(
        "Above: training images. Below: the one noisy copy of each, drawn once and never again. "
        "At lower noise the same network sees them clean, so this is no privacy guarantee.",
        width=760,
    )
