"""The lesson as a stage: question, figure and answer in one view, and the way on below them."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ui import data, words
from ui.lesson import figures, room
from ui.lesson.steps import AT, SAID, Step, at, said, say, steps
from ui.pages import HOME

NOT_STORED = "The run that answers this is not stored here."
CAUTION = (
    "**Nothing here is a privacy guarantee.** Below the cutoff the model sees every clean picture, "
    "and rates count only what is hardly a coincidence."
)
FIRST = "before"  # the step whose question is asked again at the end
TAKEN = ("deal", "samples", "hidden")  # figures that the end shows once more


def show() -> None:
    """The step that the address names, or the end."""
    room.hear(said())
    number = at()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title("Lesson", anchor=False, width="stretch")
        st.page_link(f"pages/{HOME}.py", label="Leave", icon=":material/close:")
    if number > len(steps()):
        _show_end()
    else:
        _show_step(steps()[number - 1])
    with st.bottom:
        _ways_on(number)


def _show_step(step: Step) -> None:
    chosen = said().get(step.name)
    st.subheader(step.question, anchor=False)
    if chosen is None:
        st.markdown(step.text)
        figures.ask(step)
        _options(step)
        return
    if step.name == FIRST:  # the last step asks it again, and tells
        st.markdown(f"You said: **{step.options[chosen]}**. Keep that in mind.")
        figures.ask(step)
        return
    st.markdown(_verdict(step, chosen))
    figures.reveal(step)


def _options(step: Step) -> None:
    """One tap says it."""
    short = all(len(text) < 3 for text in step.options.values())
    grid = st.grid(6 if short else 4, min_column_width=40 if short else 150, gap="xsmall")
    for key, text in step.options.items():
        with grid.cell():
            st.button(
                text,
                f"say-{step.name}-{key}",
                on_click=say,
                args=(step, key),
                width="stretch",
                wrap=True,
            )


def _verdict(step: Step, chosen: str) -> str:
    """What was said beside what is stored."""
    found, right = step.found(), step.right()
    if found is None or right is None:
        return f"You said: {step.options[chosen]}. {NOT_STORED}"
    hit = chosen == right
    yours = "" if hit else f":orange[:material/cancel:] You said: {step.options[chosen]}. "
    answer = f":green[:material/check_circle:] **{step.options[right]}.**"
    return f"{yours}{answer} {found.text} {step.why}"


def _ways_on(number: int) -> None:
    """Back, how far it is, and on: always in view."""
    count = len(steps())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Back",
            "lesson-back",
            icon=":material/arrow_back:",
            type="tertiary",
            disabled=number == 1,
            on_click=go,
            args=(number - 1,),
        )
        there = min(number, count)
        st.progress(there / count, f"{there} of {count}", width="stretch")
        if number <= count:
            done = steps()[number - 1].name in said()
            st.button(
                "Next" if number < count else "Finish",
                "lesson-next",
                icon=":material/arrow_forward:",
                icon_position="right",
                type=words.prominent() if done else "secondary",
                on_click=go,
                args=(number + 1,),
            )
        else:
            st.button("Begin again", "lesson-again", on_click=begin)


def go(number: int) -> None:
    """Show a step; for `on_click`."""
    for name in ("step", "cell"):  # of the film that is left behind
        st.query_params.pop(name, None)
        st.session_state.pop(name, None)
    st.query_params[AT] = str(number)


def begin() -> None:
    """From the first step, with nothing said; for `on_click`."""
    st.query_params.pop(SAID, None)
    go(1)


def results(answers: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row a step: what was asked, said and found."""
    rows = []
    for step in steps():
        yours, right = answers.get(step.name), step.right()
        rows.append(
            {
                "step": step.number,
                "question": step.question,
                "said": step.options[yours] if yours else "",
                "found": step.options[right] if right else "",
                "right": yours == right if yours and right else "",
            }
        )
    return rows


def _show_end() -> None:
    """Three pictures, a tick or a cross a question, and what changed between first and last."""
    st.subheader("What you saw", anchor=False)
    kept = {step.figure["by"]: step for step in steps() if step.figure["by"] in TAKEN}
    grid = st.grid(3, min_column_width=240, gap="medium")
    for step in kept.values():
        with grid.cell():
            figures.ask(step)
            found = step.found()
            st.caption(found.text if found else NOT_STORED)
    rows = results(said())
    marks = {True: ":green[:material/check:]", False: ":orange[:material/close:]", "": "·"}
    st.markdown(
        "\n".join(
            f"- {marks[row['right']]} {row['question']} **{row['found'] or NOT_STORED}**"
            for row in rows[1:-1]
        )
    )
    first, last = rows[0], rows[-1]
    if first["said"] and last["said"]:
        st.markdown(f"At first you said: *{first['said']}*. Now: *{last['said']}*.")
    st.caption(CAUTION)
    words.download(
        "My answers (CSV)", lambda: data.csv_bytes(rows), "lesson.csv", "text/csv", key="answers"
    )
