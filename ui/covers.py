"""What pages know of the lesson: whether one is on, at which step, and what it still covers.

The lesson (`ui.lesson`) knows the pages. Before a page runs it writes down here what waits for an
answer; the pages only ask.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

AT = "lesson"  # the step's number: in the address, and in the session
GOING = "lesson-going"  # the number of a step to show at the next run, and its state
STEP = "lesson-step"  # the name of the step at hand
WAITING = "lesson-waiting"  # by part of a page, the number of the step that it waits for
PARTS = {  # of pages, by what is said in their place until a question is answered
    "gallery": "The gallery",
    "size": "Other sizes",
    "ambient": "The ambient model",
    "gap": "How much worse unseen images fare",
    "valley": "Copies at every cutoff",
    "quality": "Copies against quality",
    "splice": "Copies of both splices",
}


def begin() -> None:
    """Show the lesson's first step at the next run."""
    st.session_state[GOING] = 1, None


def is_on() -> bool:
    return AT in st.session_state


def at(name: str) -> bool:
    """Whether the step of this name is at hand."""
    return st.session_state.get(STEP) == name


def say(step: str, waiting: Callable[[str], int]) -> None:
    """Write down which step is at hand and what each part waits for; for the lesson alone."""
    st.session_state[STEP] = step
    st.session_state[WAITING] = {part: waiting(part) for part in PARTS}


def forget() -> None:
    """No step is at hand."""
    for name in (STEP, WAITING):
        st.session_state.pop(name, None)


def waits(part: str) -> int:
    """The last step whose question about a part of a page is open; 0 if there is none."""
    waiting: dict[str, int] = st.session_state.get(WAITING, {})
    return waiting.get(part, 0)


def covered(part: str) -> bool:
    """Whether a part of a page waits for an answer; a line then stands in its place."""
    number = waits(part)
    if number:
        st.caption(f":material/visibility_off: {PARTS[part]}: once step {number} is done.")
    return bool(number)
