"""What agrees with the paper and at which scale, from the stored results."""

import streamlit as st

from ambient import __version__
from ui import figures, words
from ui.frame import enter

enter("What agrees with the paper", "Measured here, at a scale that fits a laptop.")
if agreed := figures.section("What agrees with the paper"):
    st.markdown(agreed)
else:
    words.missing("No results are written yet.", "make results")
st.caption(f"Ambient Explorer {__version__}, MIT license.")
