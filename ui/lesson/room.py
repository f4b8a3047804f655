"""A room of learners: what they guess, live on the projector, anonymous, in memory alone."""

import hashlib
import io
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import segno
import streamlit as st

from ui import charts, data, teacher, visitor, words
from ui.charts import finish
from ui.lesson import figures
from ui.lesson.steps import Step, steps
from ui.pictures import COOL, NEUTRAL

ROOM = "room"  # in the address: its code
CODE = re.compile(r"[a-z]{4}", re.ASCII)
ROOMS, SEATS = 50, 500  # kept at once: rooms, and learners of one
SIGNS = "abcdefghijkmnpqrstuvwxyz"  # no letter that is taken for another
TICK = 2.0  # seconds between two looks of the projector
Seats = dict[str, dict[str, str]]  # by learner, the option said at each step


@st.cache_resource
def _rooms() -> dict[str, Seats]:
    """One memory a server; a learner's own address brings the answers back after a restart."""
    return {}


def _code() -> str | None:
    asked = st.query_params.get(ROOM, "")
    return asked if CODE.fullmatch(asked) else None


def opened() -> str:
    """A new room's code."""
    rooms = _rooms()
    for old in list(rooms)[: max(0, len(rooms) + 1 - ROOMS)]:
        rooms.pop(old, None)
    code = "".join(secrets.choice(SIGNS) for _ in range(4))
    rooms.setdefault(code, {})
    return code


def hear(answers: Mapping[str, str]) -> None:
    """Note what this learner has said so far, where the address names a room."""
    code = _code()
    if code is None or not answers:
        return
    seats = _rooms().setdefault(code, {}) if len(_rooms()) < ROOMS else _rooms().get(code, {})
    learner = hashlib.sha256(f"{code}{visitor.own_browser()}".encode()).hexdigest()[:12]
    visitor.remember()
    if learner in seats or len(seats) < SEATS:
        seats[learner] = dict(answers)


def table(code: str) -> list[dict[str, Any]]:
    """A row a learner: what was said at each step, and whether that is right."""
    right = {step.name: step.right() for step in steps()}
    rows = []
    for number, seat in enumerate(_rooms().get(code, {}).values(), 1):
        row: dict[str, Any] = {"learner": number}
        for step in steps():
            row[step.name] = step.options.get(seat.get(step.name, ""), "")
            known = step.name in seat and right[step.name] is not None
            row[f"{step.name} right"] = seat[step.name] == right[step.name] if known else ""
        rows.append(row)
    return rows


def show() -> None:
    """The projector's view: how to join, and the guesses as they come."""
    code = _code()
    if code is None:
        st.markdown(
            "Open a room, and show this page on the projector: whoever takes the lesson under its "
            "address adds guesses to it, without a name."
        )
        st.button(
            "Open a room",
            icon=":material/groups:",
            type=words.prominent(),
            on_click=lambda: st.query_params.update({ROOM: opened()}),
        )
        return
    _rooms().setdefault(code, {})
    left, right = st.columns([1, 3], gap="large")
    with left:
        _invite(f"{teacher.base()}/lesson?room={code}")
    with right:
        names = {str(step.number): step for step in steps()}
        number = st.segmented_control(
            "Question", list(names), default="1", key="asked", bind="query-params", required=True
        )
        told = st.toggle("Show the answer", key="told")
        st.fragment(run_every=TICK)(_guesses)(code, names[number], told)
        words.download(
            "All answers (CSV)",
            lambda: data.csv_bytes(table(code)),
            "room.csv",
            "text/csv",
            key="room-csv",
        )


def _invite(address: str) -> None:
    """How to join: a code to point a phone at, and the address to type."""
    drawn = io.BytesIO()
    segno.make(address).save(drawn, kind="png", scale=10, border=2)
    st.image(drawn.getvalue(), width="stretch", alt=f"A code for {address}")
    st.markdown(f"**{address}**")
    teacher.warn_if_local()


def _guesses(code: str, step: Step, told: bool) -> None:
    """How often each option was said, now."""
    seats = _rooms().get(code, {})
    counts = Counter(seat[step.name] for seat in seats.values() if step.name in seat)
    st.subheader(step.question, anchor=False)
    figures.ask(step, high=150)
    right = step.right() if told else None
    colors = [COOL if key == right else NEUTRAL for key in step.options]
    figure = go.Figure(
        go.Bar(
            x=[counts[key] for key in step.options],
            y=[f"{text} " for text in step.options.values()],
            orientation="h",
            marker={"color": colors},
            text=[counts[key] or "" for key in step.options],
            textposition="outside",
            cliponaxis=False,
        )
    )
    figure.update_yaxes(
        autorange="reversed", tickfont={"size": 18}, automargin=True, showgrid=False
    )
    figure.update_xaxes(visible=False, rangemode="tozero")
    said_ = "; ".join(f"{text}: {counts[key]}" for key, text in step.options.items())
    charts.show(finish(figure, 70 + 52 * len(step.options)), f"room-{step.name}", said_)
    found = step.found() if told else None
    st.caption(f"{counts.total()} of {len(seats)} have answered. {found.text if found else ''}")
