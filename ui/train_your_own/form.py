"""The fields of the form, from outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form, for its next run."""
    st.session_state.update({f"train-{name}": value for name, value in values.items()})
