"""The fields of the form, from outside of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import streamlit as st

NEXT = "form-next"  # values for fields that are drawn already, in the session for the next run


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form, for its next run."""
    st.session_state.update({f"train-{name}": value for name, value in values.items()})


def fill_next(values: Mapping[str, Any]) -> NoReturn:
    """The same from inside of the form."""
    st.session_state[NEXT] = dict(values)
    st.rerun()
