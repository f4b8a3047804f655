"""The steps of the lesson (`assets/lesson.json`), and what was said at each, in the address."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
import streamlit as st

from ambient.files import ASSETS, Record
from ui.lesson import answers

SAID = "said"  # in the address: a letter a step, the place of its option; "-" where it is open
AT = "at"  # in the address: the number of the step
LETTERS = "abcdef"
OPEN = "-"


class Step(Record, frozen=True, kw_only=True):
    """Attributes:
    figure, finding: the name of a function in `figures.FIGURES` or `answers.ANSWERS`, and what it
        is given.
    shows: the runs whose film reveals the answer, where it is another figure.
    options: of the question, by key; a number is the lower bound of what it stands for.
    why: said after the answer.
    """

    name: str
    question: str
    text: str
    options: dict[str, str]
    figure: dict[str, Any]
    finding: dict[str, Any]
    number: int = 0
    shows: list[str] = []
    why: str = ""

    def found(self) -> answers.Finding | None:
        """What is stored about it."""
        given = dict(self.finding)
        return answers.ANSWERS[given.pop("by")](**given)

    def right(self) -> str | None:
        """The key of the right option; None without a stored answer."""
        found = self.found()
        return answers.option(list(self.options), found.right) if found else None


@cache
def steps() -> tuple[Step, ...]:
    text = (ASSETS / "lesson.json").read_bytes()
    loaded = msgspec.json.decode(text, type=dict[str, list[Step]])["steps"]
    return tuple(msgspec.structs.replace(step, number=i) for i, step in enumerate(loaded, 1))


def at() -> int:
    """The step that the address names; one more than the last is the end."""
    asked = st.query_params.get(AT, "1")
    number = int(asked) if asked.isdecimal() and len(asked) < 3 else 1
    return min(max(number, 1), len(steps()) + 1)


def said() -> dict[str, str]:
    """What was said at each step, as the key of an option, by the step's name."""
    letters = st.query_params.get(SAID, "")
    found = {}
    for step, letter in zip(steps(), letters, strict=False):
        place = LETTERS.find(letter)
        if 0 <= place < len(step.options):
            found[step.name] = list(step.options)[place]
    return found


def say(step: Step, option: str) -> None:
    """Put an answer into the address; the first one is the prediction, and stays."""
    known = said()
    st.query_params[SAID] = written({step.name: option} | known)


def written(answers_: Mapping[str, str]) -> str:
    """Answers as the address has them."""
    places = [
        LETTERS[list(step.options).index(answers_[step.name])] if step.name in answers_ else OPEN
        for step in steps()
    ]
    return "".join(places).rstrip(OPEN)
