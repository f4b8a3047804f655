"""The form of *Train your own* from outside of it: its settings, its fields, its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import streamlit as st

from ambient.config import CHOICES, Config

NEXT = "form-next"  # values for fields that are drawn already, in the session for the next run
HANDED = "handed-pictures"  # in the session: files that another page got
SCRATCH = "scratch"  # to start from nothing
ASKED = ("corpus", "n_train", "arm", "steps", "batch", "lr", "width", "network", "seed")
OTHERS: dict[str, Any] = {  # values of the form where a preset says none
    **{name: CHOICES[name].usual for name in ("batch", "width", "network", "seed")},
    "cutoff": 1.0,
    "start": SCRATCH,
}


def settings(c: Config) -> dict[str, Any]:
    """What the form asks for, as a run has it."""
    asked = {name: getattr(c, name) for name in ASKED}
    return {**OTHERS, **asked, "cutoff": c.cutoff or OTHERS["cutoff"]}


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form, for its next run."""
    st.session_state.update({f"train-{name}": value for name, value in values.items()})


def fill_next(values: Mapping[str, Any]) -> NoReturn:
    """The same from inside of the form."""
    st.session_state[NEXT] = dict(values)
    st.rerun()


def hand_over(files: Sequence[Any]) -> None:
    """Files that were dropped on another page, to be trained on until others are dropped here."""
    st.session_state[HANDED] = files
