"""Rows of evidence: a sample beside everything it might be a copy of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.rules import choose
from ambient.runs.folder import Run
from ui import data, deal, words
from ui.evidence_room.encoded import Cloud
from ui.evidence_room.exhibit import Exhibit
from ui.evidence_room.ruling import Ruling
from ui.evidence_room.subject import look_for
from ui.pictures import Images, compared
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


def by_pixels(verdict: Mapping[str, Any]) -> Found:
    unseen = verdict["nearest_heldout"]
    reach = "" if unseen is None else f", unseen {verdict['d_heldout']:.2f}"
    numbers = f"d1 = {verdict['d1']:.2f}, d2 = {verdict['d2']:.2f}{reach}"
    return Found(verdict["nearest"], verdict["second"], unseen, numbers)


def by_encoder(known: Cloud, position: int, groups: NDArray[np.int64]) -> Found:
    """The most similar images; the second of another twin group, as in the pixel rule."""
    assert known.samples is not None
    similar = known.train @ known.samples[position]
    nearest = int(similar.argmax())
    other = np.where(groups == groups[nearest], -np.inf, similar)
    numbers = f"similarity {similar[nearest]:.3f}, second {other.max():.3f}"
    unseen = None
    if len(known.heldout):
        reach = known.heldout @ known.samples[position]
        unseen = int(reach.argmax())
        numbers += f", unseen {reach[unseen]:.3f}"
    return Found(nearest, int(other.argmax()), unseen, numbers)


def originals(exhibit: Exhibit, ruling: Ruling, known: Cloud | None) -> NDArray[np.int64]:
    """The position of each sample's nearest training image under the rule."""
    if ruling.rule == "similarity" and known is not None and known.samples is not None:
        return (known.samples @ known.train.T).argmax(axis=1)
    return np.array([row["nearest"] for row in exhibit.rows], np.int64)


@st.cache_data(max_entries=256, show_spinner=False)
def _strip(images: Images) -> bytes:
    """Five pictures side by side; the last one made from the first two."""
    return compared(images)


def show_row(
    run: Run, exhibit: Exhibit, ruling: Ruling, known: Cloud | None, position: int
) -> None:
    """One sample: five pictures and the numbers behind the verdict."""
    verdict, both = exhibit.rows[position], data.sets(run)
    label = f"Seed {verdict['seed']}" if "seed" in verdict else verdict["name"]
    encoder = ruling.rule == "similarity" and known is not None and known.samples is not None
    found = by_encoder(known, position, both.groups) if encoder else by_pixels(verdict)
    pictures = [exhibit.images[position], both.train[found.nearest], both.train[found.second]]
    names = [both.train_names[found.nearest], both.train_names[found.second]]
    if found.unseen is not None:
        pictures.append(both.heldout[found.unseen])
        names.append(both.heldout_names[found.unseen])
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    left.image(
        _strip(np.stack(pictures)),
        width="stretch",
        alt=f"{label}; nearest training image, second nearest and nearest unseen image: "
        f"{', '.join(names)}; difference to the nearest.",
    )
    with right:
        score = float(ruling.samples[position])
        original = words.unmarked(names[0])
        mark = f"**not a copy**, nearest is *{original}*"
        if ruling.is_copy(score):
            mark = f"{words.tinted('**= copy**', run.config.arm)} of *{original}*"
        st.markdown(f"{mark} · {ruling.word} **{score:.{ruling.digits}f}**")
        st.caption(f"{words.unmarked(label)} · {found.numbers}{ruling.percentile(score)}")
        if "seed" in verdict and not hidden("shuffle"):
            _actions(run, verdict["seed"])


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
def _order() -> str:
    return st.segmented_control(
        "Rows", ORDERS, default="Worst", key="rows", required=True, bind="query-params"
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


def show(run: Run, exhibit: Exhibit, ruling: Ruling, known: Cloud | None) -> None:
    """Rows in the order a visitor chooses."""
    first, last = min(exhibit.at), max(exhibit.at)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = _order()
        seed = _seed(first) if order == "One seed" else None
        if order == "Random" and not hidden("shuffle"):
            st.button(
                "Draw others",
                icon=":material/shuffle:",
                on_click=deal.again,
            )
    st.caption(
        "From left to right: generated · nearest training image · second nearest · nearest unseen "
        "image · difference to the nearest (three times as bright, black where equal).",
    )
    if ruling.rule == "ratio":
        st.caption(words.resembling(ruling.limit), width=760)
    if seed is None:
        for position in choose(ruling.closeness, order.lower(), ROWS, seed=[deal.number(), 3]):
            show_row(run, exhibit, ruling, known, position)
    elif seed in exhibit.at:
        show_row(run, exhibit, ruling, known, exhibit.at[seed])
    else:
        st.caption(f"No sample of seed {seed} here, only of {first} to {last}. Sample it above.")
