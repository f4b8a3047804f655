"""Guess the onset of copying before looking: what covers the page, the question, the verdict."""

from __future__ import annotations

import streamlit as st

from ambient.reports.onset import ONSET
from ui import words
from ui.stages import NEVER, Runs, at_step, copies, onset, size_name
from ui.teacher import hidden


def covers(runs: Runs) -> tuple[bool, int | None]:
    """An invitation to predict before looking; who does not take it sees everything.

    Returns:
        Whether the results stay covered, and the guess once it is revealed.
    """
    run = runs["standard"]
    if hidden("game"):
        return False, None
    wanted = st.toggle(
        "Guess first",
        key="guess",
        bind="query-params",
        help="Covers numbers, curves and pictures until you have said when copying sets in.",
    )
    told = f"onset-told-{run.name}"
    if not wanted:
        st.session_state.pop(told, None)
        return False, None
    return told not in st.session_state, st.session_state.get(told)


def ask(runs: Runs) -> None:
    """The question in place of the results."""
    run = runs["standard"]
    told = f"onset-told-{run.name}"
    with st.container(border=True):
        st.subheader("When does copying set in?", anchor=False)
        c = run.config
        st.markdown(
            f"A standard model learns from {size_name(run)}, {c.batch} images a step. At which "
            f"step are {words.percent(ONSET)} of its samples copies for the first time?",
            width=760,
        )
        options = [None, *(row["step"] for row in copies(run)), NEVER]
        guess = st.select_slider(
            "Your guess: training step",
            options,
            None,
            format_func=_in_words,
            key=f"onset-at-{run.name}",
            width=620,
        )
        st.button(
            "Reveal",
            type=words.prominent(),
            icon=":material/visibility:",
            disabled=guess is None,
            on_click=lambda: st.session_state.update({told: guess}),
        )


def _in_words(step: int | None) -> str:
    if step is None:
        return "not yet said"
    return f"{step:,}" if step else "never"


def verdict(runs: Runs, guess: int) -> None:
    """What was said beside what is stored."""
    run = runs["standard"]
    first, stages = onset(run), copies(run)
    said = f"step {guess:,}" if guess else "never"
    if not first:
        last = stages[-1]
        found = f"never up to step {last['step']:,}: {words.percent(last['rate'])} there"
    else:
        row = at_step(run, first)
        found = f"step {first:,}, with {words.percent(row['rate'])} ({words.interval(row['ci95'])})"
    right = guess == first
    st.markdown(
        f":material/lightbulb: You said **{said}**. "
        + (f"**Yes**: {found}." if right else f"It is **{found}**.")
        + (f" Stages are stored every {stages[0]['step']:,} steps." if first else ""),
        width=860,
    )
