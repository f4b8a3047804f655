"""A lesson over the pages: each step is data, opens as a link, and never overwrites the visitor.

A step (`assets/lesson.json`) has a text, a page, the state to show it in, the control it points at
and a test of being done. `?lesson=3` on any page opens step 3 on its own page, once; whatever the
visitor moves afterwards stays. A question is answered from stored reports (`answers.py`), and
only after the visitor has said what to expect; until then, what would tell it is covered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import streamlit as st

from ambient.images.corpus import ASSETS
from ui import teacher, words
from ui.lesson import answers

COVERS = {  # parts of pages, by what stands in their place until a question is answered
    "gallery": "The gallery",
    "size": "Other sizes",
    "ambient": "The ambient model",
    "gap": "How much worse unseen images fare",
    "valley": "Copies at every cutoff",
    "quality": "Copies against quality",
    "splice": "Copies of both splices",
}
CAUTION = (
    "**Nothing here is a privacy guarantee.** Below the cutoff the network sees every clean image, "
    "and rates count only what is hardly a coincidence. What holds and what does not stands with "
    "all figures on the page *Reproduce*."
)
AT = "lesson"  # the step's number: in the address, and in the session
END = "done"  # in the place of a number: what was found, step by step
GOING = "lesson-going"  # a step and its state, to be shown at the next run
PENDING = "lesson-pending"  # state to apply when the step's page runs
DONE = "lesson-done"
State = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """Attributes:
    name: names its answer in the session.
    page: file name of its page, without ending.
    state: parameters of the address, by name: what the step is shown with.
    control: label of the control it points at; `groups` are those it belongs to (`teacher.GROUPS`).
    done: the name of a test in `TESTS` and what the test is given.
    finding: the name of a function in `answers.ANSWERS` and what it is given.
    options: of the question, by key; `reveal` is the state that shows the answer on the page.
    covers: parts of pages that would tell the answer (`covered`).
    why: what may be behind the answer, said after it.
    place: the anchor of what it is about, where that is far below, and its name.
    """

    number: int
    name: str
    title: str
    text: str
    minutes: int
    page: str
    state: dict[str, Any]
    control: str
    groups: list[str]
    done: dict[str, Any]
    finding: dict[str, Any]
    question: str = ""
    options: dict[str, str] = field(default_factory=dict)
    reveal: dict[str, Any] = field(default_factory=dict)
    covers: list[str] = field(default_factory=list)
    why: str = ""
    place: dict[str, str] = field(default_factory=dict)

    @property
    def answer_key(self) -> str:
        return f"lesson-answer-{self.name}"

    def found(self) -> answers.Finding | None:
        """What is stored about it."""
        given = dict(self.finding)
        return answers.ANSWERS[given.pop("by")](**given)

    def right(self) -> str | None:
        """The key of the right option."""
        found = self.found()
        return answers.option(list(self.options), found.right) if found else None


@cache
def steps() -> tuple[Step, ...]:
    loaded = json.loads((ASSETS / "lesson.json").read_text(encoding="utf-8"))
    return tuple(Step(number=i, **step) for i, step in enumerate(loaded["steps"], 1))


def as_text(value: Any) -> str:
    """A value as the address writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _stands(key: str) -> str | None:
    """Where a control stands, as the address writes it."""
    value = st.session_state.get(key, st.query_params.get(key))
    return None if value is None else as_text(value)


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


def _redrawn(step: Step, key: str) -> str | None:
    """Where a line stands that the visitor moved away from where the stored rule has it."""
    found, stands = step.found(), _stands(key)
    if found is None or not isinstance(found.right, float) or stands is None:
        return None
    return stands if abs(float(stands) - found.right) > 0.001 else None


# What the visitor did or said at a step, in words; None until then.
TESTS: dict[str, Callable[..., str | None]] = {
    "guessed": _guessed,
    "answered": _answered,
    "revealed": _revealed,
    "redrawn": _redrawn,
}


def said(step: Step) -> str | None:
    """What the visitor said or did at a step; once said, it is remembered."""
    known: dict[str, str] = st.session_state.setdefault(DONE, {})
    given = dict(step.done)
    now = TESTS[given.pop("by")](step, **given)
    if now and not (step.question and step.name in known):  # a prediction is the first answer
        known[step.name] = now
    return known.get(step.name)


def is_done(step: Step) -> bool:
    return said(step) is not None


def address(step: Step) -> dict[str, str]:
    """The parameters of a step's link; its state follows from its number."""
    hide = st.session_state.get(teacher.HIDDEN)
    return {AT: str(step.number)} | ({teacher.HIDDEN: hide} if hide else {})


def go(step: Step, state: State | None = None) -> None:
    """Show a step on its page at the next run, with its own state or this one."""
    st.session_state[GOING] = step, dict(step.state if state is None else state)


def _switch(step: Step, state: State) -> None:
    """Go to a step's page; the state is applied once, when that page runs."""
    st.session_state[AT] = step.number
    st.session_state[PENDING] = state
    st.switch_page(f"pages/{step.page}.py", query_params=address(step))


def begin() -> None:
    go(steps()[0])


def finish() -> None:
    st.session_state[AT] = st.query_params[AT] = END


def leave() -> None:
    st.session_state.pop(AT, None)
    st.query_params.pop(AT, None)


def _at() -> str:
    """The number in the address; after a click in the navigation, that of the step at hand."""
    return str(st.query_params.get(AT, st.session_state.get(AT)))


def _asked() -> Step | None:
    return next((s for s in steps() if str(s.number) == _at()), None)


def waits(part: str) -> int:
    """The last step, at hand or later, whose question about a part of a page is open; else 0."""
    here = _asked()
    asking = [s for s in steps()[here.number - 1 :] if part in s.covers] if here else []
    return max((s.number for s in asking if not is_done(s)), default=0)


def covered(part: str) -> bool:
    """Whether a part of a page waits for an answer; a line then stands in its place."""
    number = waits(part)
    if number:
        st.caption(f":material/visibility_off: {COVERS[part]}: once step {number} is done.")
    return bool(number)


def at(name: str) -> bool:
    """Whether the step of this name is at hand."""
    step = _asked()
    return step is not None and step.name == name


def _arrive(step: Step, page: str) -> None:
    """Apply a step's state once; what the address says itself comes first."""
    if (state := st.session_state.pop(PENDING, None)) is not None:
        st.session_state.update(state)
    elif st.session_state.get(AT) != step.number:
        own = {k: v for k, v in step.state.items() if k not in st.query_params}
        if page != step.page:
            _switch(step, step.state)
        st.session_state[AT] = step.number
        st.session_state.update(own)
    if AT not in st.query_params:
        st.query_params[AT] = str(step.number)


def panel(page: str) -> None:
    """The step at hand, above the page; nothing without a lesson."""
    if GOING in st.session_state:
        _switch(*st.session_state.pop(GOING))
    step = _asked()
    if step is None:
        st.session_state.pop(teacher.NEEDED, None)
        if _at() == END:
            _summary()
        return
    _arrive(step, page)
    here = page == step.page
    st.session_state[teacher.NEEDED] = step.groups if here else []
    with st.container(border=True, key="lesson-panel", gap="small"):
        done = here and is_done(step)
        _head(step, done)
        st.markdown(f"{step.text} {_hint(step, done) if here else ''}", width=860)
        if not here:
            st.button("Go to its page", icon=":material/arrow_forward:", on_click=go, args=(step,))
        else:
            if step.question:
                _question(step)
            elif done:
                _show_finding(step)
            if done and step.place:
                place = f"To *{step.place['name']}*](#{step.place['anchor']})"
                st.markdown(f"[:material/arrow_downward: {place}")


def _hint(step: Step, done: bool) -> str:
    """What to use, as long as it was not used; a question speaks for itself."""
    if step.question or done:
        return ""
    return f":gray[:material/arrow_downward: **{step.control}**]"


def _show_finding(step: Step) -> None:
    if found := step.found():
        st.markdown(f":material/lightbulb: {found.text} {step.why}", width=860)


def _head(step: Step, done: bool) -> None:
    """Where the visitor is, and the ways on."""
    every = steps()
    last = step.number == len(every)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":gray[{step.number} of {len(every)}]  **{step.title}**", width="stretch")
        kind = words.prominent() if done else "secondary"
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if step.number > 1:
                _button("Back", "arrow_back", "tertiary", go, every[step.number - 2])
            if last:
                _button("Finish", "check", kind, finish)
            else:
                label = "Next" if done else "Skip"
                _button(label, "arrow_forward", kind, go, every[step.number], key="next")
                _button("Leave", "close", "tertiary", leave)


def _button(
    label: str,
    icon: str,
    kind: Literal["primary", "secondary", "tertiary"],
    do: Callable[..., None],
    *args: Any,
    key: str = "",
) -> None:
    name = f"lesson-{key or label.lower()}"
    st.button(label, name, icon=f":material/{icon}:", type=kind, on_click=do, args=args)


def _question(step: Step) -> None:
    """First the visitor's answer, then the stored one."""
    chosen = st.pills(
        step.question,
        list(step.options),
        format_func=step.options.__getitem__,
        key=step.answer_key,
        persist_state="session",
        on_change=_reveal,
        args=(step,),
    )
    if not chosen:
        return
    found = step.found()
    right = step.right()
    if found is None or right is None:
        st.caption(found.text if found else "The run that answers this is not stored here.")
        return
    yours, theirs = (step.options[key].lower() for key in (chosen, right))
    verdict = f"**As you said: {theirs}.**"
    if chosen != right:
        verdict = f"**You said: {yours}. Found: {theirs}.**"
    st.markdown(f":material/lightbulb: {verdict} {found.text} {step.why}", width=860)


def _reveal(step: Step) -> None:
    """Once answered, the page shows the answer too."""
    if st.session_state.get(step.answer_key) and step.reveal:
        go(step, {**step.state, **step.reveal})


def _summary() -> None:
    """What each step came to, beside what the visitor had said."""
    st.session_state[AT] = st.query_params[AT] = END
    with st.container(border=True, key="lesson-panel", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown("**What you found**", width="stretch")
            with st.container(horizontal=True, width="content", gap="xsmall"):
                _button("Begin again", "restart_alt", "tertiary", begin)
                _button("Close", "check", words.prominent(), leave)
        st.markdown("\n".join(f"{s.number}. {_found(s)}" for s in steps()), width=860)
        st.markdown(CAUTION, width=860)


def _found(step: Step) -> str:
    found, right = step.found(), step.right()
    text = f"**{step.title}** {found.text if found else 'Not stored here.'}"
    if step.question and right:
        text = f"**{step.question}** {step.options[right]}. {found.text if found else ''}"
    yours = said(step)
    if not yours:
        return text
    mark = ""
    if step.question and right:
        mark = ":material/check: " if yours == step.options[right].lower() else ":material/close: "
    return f"{text} :gray[{mark}You said: {yours}.]"


def offer() -> None:
    """The lesson's start, on the home page."""
    if AT not in st.session_state and not teacher.hidden("lesson"):
        minutes = sum(s.minutes for s in steps())
        st.button(
            "Ten-minute lesson",
            icon=":material/menu_book:",
            help=f"{len(steps())} steps over these pages, about {minutes} minutes",
            on_click=begin,
        )
