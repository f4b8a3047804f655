"""The guess game: six samples of one model, one of them unlike the other five."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from ambient.run import Run
from ui import data, words
from ui.pictures import arm_color, lettered
from ui.spot_the_copy import deal

LETTERS = "ABCDEF"


def _deal(verdicts: Mapping[str, Any], seeds: set[int], hand: int) -> tuple[list[int], bool]:
    """Six seeds and whether the odd one is the copy: the rarer kind is the odd one."""
    rows = [r for r in verdicts["samples"] if r["seed"] in seeds]
    copies = [r["seed"] for r in rows if r["copy"]]
    others = [r["seed"] for r in rows if not r["copy"]]
    odd_is_copy = len(copies) < len(others)
    rare, common = (copies, others) if odd_is_copy else (others, copies)
    if not rare or len(common) < 5:
        return [], odd_is_copy
    rng = np.random.default_rng([hand, 6])
    picked = [int(rng.choice(rare)), *rng.choice(common, 5, replace=False).tolist()]
    return [picked[i] for i in rng.permutation(6)], odd_is_copy


@st.fragment
def play(run: Run, verdicts: Mapping[str, Any]) -> None:
    """Dealt at once; the answer shows each sample's nearest training image."""
    hand = deal.number("hand")
    seeds, odd_is_copy = _deal(verdicts, set(data.samples(run)[1].tolist()), hand)
    if not seeds:
        return
    some = data.shown(run, verdicts, seeds)
    answer = LETTERS[some.copies.index(odd_is_copy)]
    kind = "a copy" if odd_is_copy else "new"
    st.space("medium")
    st.subheader(f"Your turn: which one of these six is {kind}?", anchor=False)
    guess = st.session_state.get(f"guess-{hand}")
    if guess and st.session_state.get("guessed-hand") != hand:
        st.session_state["guessed-hand"] = hand
        st.rerun()  # once: the lesson's step above is outside of this fragment, and may be done
    st.image(
        lettered(
            some.images,
            LETTERS,
            some.nearest if guess else None,
            some.copies,
            arm_color(run.config.arm),
        ),
        width="stretch",
        alt=f"Six generated images, A to F, one of which is {kind}."
        + (f" It is {answer}; under each is its nearest training image." if guess else ""),
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.segmented_control(
            "Your guess", list(LETTERS), key=f"guess-{hand}", label_visibility="collapsed"
        )
        st.button(
            "Deal again",
            icon=":material/style:",
            type="tertiary",
            on_click=deal.again,
            args=("hand",),
        )
    if guess:
        right = guess == answer
        ratio = some.rows[LETTERS.index(answer)]["ratio"]
        st.markdown(
            f"**{'Yes' if right else 'No'}, {answer} is {kind}**: its distance to the nearest "
            f"training image is {ratio:.2f} of that to the second nearest "
            f"(a copy is below {verdicts['copies']['ratio']['threshold']:.2f}).",
        )
    st.caption(
        f"Six samples of the {words.arm_name(run.config)} model, "
        f"seeds {', '.join(map(str, seeds))}. "
        "Without the training images beside them, copies are hard to tell."
    )
