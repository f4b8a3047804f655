"""Rows of evidence: a sample beside everything it might be a copy of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.records import JudgedImage
from ambient.copies.rules import choose
from ambient.runs.folder import Run
from ui import deal, words
from ui.controls import pick
from ui.evidence.encoded import Cloud, Features
from ui.evidence.exhibit import Room
from ui.evidence.ruling import Ruling
from ui.evidence.subject import look_for
from ui.pictures import compared
from ui.teacher import control, hidden

ORDERS = ("Worst", "Median", "Random", "One seed")
ROWS = 6


@dataclass(frozen=True)
class Found:
    """What a sample is closest to under a rule: positions, and the two numbers that decide."""

    nearest: int
    second: int
    unseen: int | None
    numbers: str


def by_pixels(verdict: JudgedImage) -> Found:
    unseen = verdict.nearest_heldout
    reach = "" if unseen is None else f", unseen {verdict.d_heldout:.2f}"
    numbers = f"d1 = {verdict.d1:.2f}, d2 = {verdict.d2:.2f}{reach}"
    return Found(verdict.nearest, verdict.second, unseen, numbers)


def by_encoder(real: Cloud, made: Features, groups: NDArray[np.int64]) -> Found:
    """The most similar images; the second of another twin group, as in the pixel rule.

    Args:
        made: features of one sample.
    """
    similar = real.train @ made
    nearest = int(similar.argmax())
    other = np.where(groups == groups[nearest], -np.inf, similar)
    numbers = f"similarity {similar[nearest]:.3f}, second {other.max():.3f}"
    unseen = None
    if len(real.heldout):
        reach = real.heldout @ made
        unseen = int(reach.argmax())
        numbers += f", unseen {reach[unseen]:.3f}"
    return Found(nearest, int(other.argmax()), unseen, numbers)


def originals(room: Room, rule: str) -> NDArray[np.int64]:
    """The position of each sample's nearest training image under the rule."""
    if seen := room.seen(rule):
        return (seen[1] @ seen[0].train.T).argmax(axis=1)
    return np.array([row.nearest for row in room.exhibit.rows], np.int64)


def show_row(room: Room, ruling: Ruling, position: int) -> None:
    """One sample: five pictures and the numbers behind the verdict."""
    exhibit, both, seen = room.exhibit, room.sets, room.seen(ruling.rule)
    label = exhibit.names[position]
    label = label.capitalize() if exhibit.seeds else words.unmarked(label)
    found = by_pixels(exhibit.rows[position])
    if seen:
        found = by_encoder(seen[0], seen[1][position], both.groups)
    pictures = [exhibit.images[position], both.train[found.nearest], both.train[found.second]]
    names = [both.train_names[found.nearest], both.train_names[found.second]]
    if found.unseen is not None:
        pictures.append(both.heldout[found.unseen])
        names.append(both.heldout_names[found.unseen])
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    left.image(
        compared(pictures),
        width="stretch",
        alt=f"{label}; nearest training image, second nearest and nearest unseen image: "
        f"{', '.join(names)}; difference to the nearest.",
    )
    with right:
        score = float(ruling.samples[position])
        original = words.unmarked(names[0])
        mark = f"**not a copy**, nearest is *{original}*"
        if ruling.copies[position]:
            mark = f"{words.tinted('**= copy**', room.run.config.arm)} of *{original}*"
        st.markdown(f"{mark} · {ruling.word} **{score:.{ruling.digits}f}**")
        st.caption(f"{label} · {found.numbers}{ruling.percentile(score)}")
        if exhibit.seeds and not hidden("shuffle"):
            _actions(room.run, exhibit.seeds[position])


def _actions(run: Run, seed: int) -> None:
    def only() -> None:
        st.session_state["rows"] = "One seed"
        st.query_params["seed"] = str(seed)

    def by_this() -> None:
        st.session_state["view"] = "Search"
        look_for("generated", seed)

    with st.container(horizontal=True, gap="small"):
        st.button(
            "Search by this",
            icon=":material/image_search:",
            type="tertiary",
            on_click=by_this,
            key=f"search-by-{run.name}-{seed}",
        )
        st.button(
            "Only this row",
            icon=":material/link:",
            type="tertiary",
            on_click=only,
            key=f"only-{run.name}-{seed}",
            help="Its address can be shared",
        )


@control("shuffle")
def _seed(first: int) -> int:
    """From the address, where the field writes what it is moved to."""
    asked = st.query_params.get("seed", "")
    st.session_state["one-seed"] = int(asked) if asked.isdecimal() and len(asked) < 10 else first
    return st.number_input(
        "Seed",
        0,
        2**31 - 1,
        step=1,
        key="one-seed",
        on_change=lambda: st.query_params.update(seed=str(st.session_state["one-seed"])),
        width=180,
    )


def show_rows(room: Room, ruling: Ruling) -> None:
    """Rows in the order a visitor chooses."""
    at = room.exhibit.at
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = pick("shuffle", "Rows", ORDERS, key="rows")
        seed = _seed(min(at)) if order == "One seed" else None
        if order == "Random" and not hidden("shuffle"):
            deal.button()
    st.caption(
        "From left to right: generated · nearest training image · second nearest · nearest unseen "
        "image · difference to the nearest (three times as bright, black where equal)."
    )
    if ruling.rule == "ratio":
        st.caption(words.resembling(ruling.limit), width=760)
    if seed is None:
        for position in choose(ruling.closeness, order.lower(), ROWS, seed=[deal.number(), 3]):
            show_row(room, ruling, position)
    elif seed in at:
        show_row(room, ruling, at[seed])
    else:
        st.caption(
            f"Seed {seed} is not stored, only {min(at)} to {max(at)}. Draw it with the form above."
        )
