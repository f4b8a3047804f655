"""The lesson above the pages: its step at hand, the ways on, and what was found at the end.

`?lesson=3` on any page opens step 3 on its own page, once; whatever the visitor moves afterwards
stays. A question is answered from stored reports, and only after the visitor has said what to
expect; until then, what would tell it is covered (`ui.covers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import streamlit as st

from ui import covers, teacher, words
from ui.covers import AT, GOING
from ui.lesson.steps import Step, said, steps, waits

CAUTION = (
    "**Nothing here is a privacy guarantee.** Below the cutoff the network sees every clean image, "
    "and rates count only what is hardly a coincidence. What holds and what does not stands with "
    "all figures on the page *Reproduce*."
)
NOT_STORED = "The run that answers this is not stored here."
END = "done"  # in the place of a step's number: what was found, step by step
PENDING = "lesson-pending"  # state to apply when the step's page runs
State = Mapping[str, Any]


def show_step(page: str) -> None:
    """The step at hand, above the page; nothing without a lesson."""
    if GOING in st.session_state:
        number, state = st.session_state.pop(GOING)
        _switch(steps()[number - 1], state)
    asked = str(st.query_params.get(AT, st.session_state.get(AT)))
    step = next((s for s in steps() if str(s.number) == asked), None)
    if step is None:
        st.session_state.pop(teacher.NEEDED, None)
        covers.forget()
        if asked == END:
            _show_summary()
        return
    here = page == step.page
    _arrive(step, here)
    st.session_state[teacher.NEEDED] = step.groups if here else []
    covers.say(step.name, lambda part: waits(step, part))
    with st.container(border=True, key="lesson-panel", gap="small"):
        _show_step(step, here)


def _switch(step: Step, state: State | None = None) -> None:
    """Go to a step's page; the state, by default its own, is applied once, when that page runs."""
    st.session_state[AT] = step.number
    st.session_state[PENDING] = step.state if state is None else state
    hide = st.session_state.get(teacher.HIDDEN)
    query = {AT: str(step.number)} | ({teacher.HIDDEN: hide} if hide else {})
    st.switch_page(f"pages/{step.page}.py", query_params=query)


def _arrive(step: Step, here: bool) -> None:
    """Apply a step's state once; what the address says itself comes first."""
    if (state := st.session_state.pop(PENDING, None)) is not None:
        st.session_state.update(state)
    elif st.session_state.get(AT) != step.number:
        if not here:
            _switch(step)
        st.session_state[AT] = step.number
        st.session_state.update({k: v for k, v in step.state.items() if k not in st.query_params})
    if AT not in st.query_params:
        st.query_params[AT] = str(step.number)


def _show_step(step: Step, here: bool) -> None:
    done = here and said(step) is not None
    _show_head(step, done)
    hint = f":gray[:material/arrow_downward: **{step.control}**]"
    points = here and not done and not step.question  # a question speaks for itself
    st.markdown(f"{step.text} {hint if points else ''}", width=860)
    if not here:
        st.button(
            "Go to its page", icon=":material/arrow_forward:", on_click=_go, args=(step.number,)
        )
        return
    found = step.found()
    if step.question:
        _ask(step)
    elif done and found:
        _tell(f"{found.text} {step.why}")
    if done and step.place:
        place = f"To *{step.place['name']}*](#{step.place['anchor']})"
        st.markdown(f"[:material/arrow_downward: {place}")


def _show_head(step: Step, done: bool) -> None:
    """Where the visitor is, and the ways on."""
    count = len(steps())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":gray[{step.number} of {count}]  **{step.title}**", width="stretch")
        kind = words.prominent() if done else "secondary"
        with st.container(horizontal=True, width="content", gap="xsmall"):
            if step.number > 1:
                _button("Back", "arrow_back", "tertiary", _go, step.number - 1)
            if step.number == count:
                _button("Finish", "check", kind, _finish)
            else:
                label = "Next" if done else "Skip"
                _button(label, "arrow_forward", kind, _go, step.number + 1, key="next")
                _button("Leave", "close", "tertiary", _leave)


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


def _go(number: int, state: State | None = None) -> None:
    """Show a step on its page at the next run, with its own state or this one."""
    st.session_state[GOING] = number, state


def _finish() -> None:
    st.session_state[AT] = st.query_params[AT] = END


def _leave() -> None:
    st.session_state.pop(AT, None)
    st.query_params.pop(AT, None)


def _ask(step: Step) -> None:
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
    found, right = step.found(), step.right()
    if found is None or right is None:
        st.caption(found.text if found else NOT_STORED)
        return
    yours, theirs = (step.options[key].lower() for key in (chosen, right))
    verdict = (
        f"As you said: {theirs}." if chosen == right else f"You said: {yours}. Found: {theirs}."
    )
    _tell(f"**{verdict}** {found.text} {step.why}")


def _tell(text: str) -> None:
    st.markdown(f":material/lightbulb: {text}", width=860)


def _reveal(step: Step) -> None:
    """Once answered, the page shows the answer too."""
    if st.session_state.get(step.answer_key) and step.reveal:
        _go(step.number, {**step.state, **step.reveal})


def _show_summary() -> None:
    """What each step came to, beside what the visitor had said."""
    _finish()
    with st.container(border=True, key="lesson-panel", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown("**What you found**", width="stretch")
            with st.container(horizontal=True, width="content", gap="xsmall"):
                _button("Begin again", "restart_alt", "tertiary", covers.begin)
                _button("Close", "check", words.prominent(), _leave)
        st.markdown("\n".join(f"{s.number}. {_summary(s)}" for s in steps()), width=860)
        st.markdown(CAUTION, width=860)


def _summary(step: Step) -> str:
    found, right, yours = step.found(), step.right(), said(step)
    text, mark = f"**{step.title}** {found.text if found else 'Not stored here.'}", ""
    if right:
        text = f"**{step.question}** {step.options[right]}. {found.text if found else ''}"
        hit = yours == step.options[right].lower()
        mark = f":material/{'check' if hit else 'close'}: "
    return f"{text} :gray[{mark}You said: {yours}.]" if yours else text
