"""The steps of the lesson (`assets/lesson.json`), and what the visitor did or said at each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import streamlit as st

from ambient.files import ASSETS, Record
from ui.lesson import answers

DONE = "lesson-done"  # in the session: what was said, by the step's name


class Step(Record, frozen=True, kw_only=True):
    """Attributes:
    name: names its answer in the session.
    page: file name of its page, without ending.
    state: parameters of the address, by name: what the step is shown with.
    control: label of the control it points at; `groups` are those it belongs to (`teacher.GROUPS`).
    finding: the name of a function in `answers.ANSWERS` and what it is given.
    done: the name of a test in `TESTS`.
    options: of the question, by key; `reveal` is the state that shows the answer on the page.
    covers: parts of pages that would tell the answer (`ui.covers.PARTS`).
    why: what may be behind the answer, said after it.
    place: the anchor of what it is about, where that is far below, and its name.
    """

    name: str
    title: str
    text: str
    minutes: int
    page: str
    state: dict[str, Any]
    control: str
    groups: list[str]
    finding: dict[str, Any]
    number: int = 0
    done: str = "answered"
    question: str = ""
    options: dict[str, str] = {}
    reveal: dict[str, Any] = {}
    covers: list[str] = []
    why: str = ""
    place: dict[str, str] = {}

    @property
    def answer_key(self) -> str:
        return f"lesson-answer-{self.name}"

    def found(self) -> answers.Finding | None:
        """What is stored about it."""
        given = dict(self.finding)
        return answers.ANSWERS[given.pop("by")](**given)

    def right(self) -> str | None:
        """The key of the right option; None without a question or a stored answer."""
        found = self.found() if self.question else None
        return answers.option(list(self.options), found.right) if found else None


@cache
def steps() -> tuple[Step, ...]:
    text = (ASSETS / "lesson.json").read_bytes()
    loaded = msgspec.json.decode(text, type=dict[str, list[Step]])["steps"]
    return tuple(msgspec.structs.replace(step, number=i) for i, step in enumerate(loaded, 1))


def _answered(step: Step) -> str | None:
    chosen = st.session_state.get(step.answer_key)
    return step.options[chosen].lower() if chosen else None


def _guessed(step: Step) -> str | None:
    """In the guessing game: the letter of the first deal, or that another one was played."""
    letters = {k: v for k, v in st.session_state.items() if str(k).startswith("guess-") and v}
    return str(letters.get(f"guess-{step.state['n']}-0", "another deal")) if letters else None


def _revealed(step: Step) -> str | None:
    told = [v for k, v in st.session_state.items() if str(k).startswith("onset-told-")]
    return (f"step {told[0]:,}" if told[0] else "never") if told else None


def _redrawn(step: Step) -> str | None:
    """Where a line stands that the visitor moved away from where the stored rule has it."""
    found, line = step.found(), st.session_state.get(f"ratio-{step.finding['run']}")
    if found is None or not isinstance(found.right, float) or line is None:
        return None
    return f"{line:g}" if abs(line - found.right) > 0.001 else None


# What the visitor did or said at a step, in words; None until then.
TESTS: dict[str, Callable[[Step], str | None]] = {
    "guessed": _guessed,
    "answered": _answered,
    "revealed": _revealed,
    "redrawn": _redrawn,
}


def said(step: Step) -> str | None:
    """What the visitor said or did at a step; once said, it is remembered."""
    known: dict[str, str] = st.session_state.setdefault(DONE, {})
    now = TESTS[step.done](step)
    if now and not (step.question and step.name in known):  # a prediction is the first answer
        known[step.name] = now
    return known.get(step.name)


def waits(here: Step, part: str) -> int:
    """The last step, this one or later, whose question about a part of a page is open; else 0."""
    asking = [s for s in steps()[here.number - 1 :] if part in s.covers]
    return max((s.number for s in asking if not said(s)), default=0)
