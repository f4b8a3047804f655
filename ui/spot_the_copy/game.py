"""The guess game: six samples of one model, one of them unlike the other five."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from ambient.copies.records import Report
from ambient.runs.folder import Run
from ui import data, deal, words
from ui.data import Shown
from ui.pictures import arm_color, lettered

LETTERS = "ABCDEF"
CARD = 164  # two of them side by side on a phone


@dataclass(frozen=True)
class Deal:
    """Six samples, one of them unlike the others.

    Attributes:
        odd_is_copy: whether the odd one is the copy, or the only new one.
        threshold: of the rule that says so, on d1/d2.
    """

    six: Shown
    odd_is_copy: bool
    threshold: float

    @property
    def answer(self) -> str:
        return LETTERS[self.six.copies.index(self.odd_is_copy)]

    @property
    def kind(self) -> str:
        return "a copy" if self.odd_is_copy else "new"

    @property
    def why(self) -> str:
        ratio = self.six.rows[LETTERS.index(self.answer)].ratio
        return (
            f"its distance to the nearest training image is {ratio:.2f} of that to the second "
            f"nearest (a copy is below {self.threshold:.2f})."
        )


def dealt(run: Run, report: Report, hand: int) -> Deal | None:
    """A deal by its number, the rarer kind as the odd one; None where there are too few."""
    stored = set(data.samples(run)[1].tolist())
    rows = [r for r in report.samples if r.seed in stored]
    copies = [r.seed for r in rows if r.copy]
    others = [r.seed for r in rows if not r.copy]
    odd_is_copy = len(copies) < len(others)
    rare, common = (copies, others) if odd_is_copy else (others, copies)
    if not rare or len(common) < 5:
        return None
    rng = np.random.default_rng([hand, 6])
    picked = [int(rng.choice(rare)), *rng.choice(common, 5, replace=False).tolist()]
    six = data.shown(run, report, [picked[i] for i in rng.permutation(6)])
    return Deal(six, odd_is_copy, report.copies.ratio.threshold)


def _cards(six: Shown, told: bool, color: str) -> None:
    """The six side by side, two on a phone; once told, each above its nearest training image."""
    with st.container(horizontal=True, gap="small"):
        for i, letter in enumerate(LETTERS):
            alt = f"{letter}, a generated image"
            if told:
                alt += f", {'a copy of' if six.copies[i] else 'above'} {six.nearest_names[i]}"
            nearest = six.nearest[i] if told else None
            picture = lettered(six.images[i], letter, nearest, six.copies[i], color)
            st.image(picture, width=CARD, alt=alt)


@st.fragment
def play(run: Run, report: Report) -> None:
    """Dealt at once; the answer shows each sample's nearest training image."""
    hand = deal.number("hand")
    on_table = dealt(run, report, hand)
    if on_table is None:
        return
    six, answer, kind = on_table.six, on_table.answer, on_table.kind
    st.space("medium")
    st.subheader(f"Your turn: which one of these six is {kind}?", anchor=False)
    key = f"guess-{run.config.n_train}-{hand}"
    guess = st.session_state.get(key)
    if guess and st.session_state.get("guessed") != key:
        st.session_state["guessed"] = key
        st.rerun()  # once: the lesson's step above is outside of this fragment, and may be done
    _cards(six, bool(guess), arm_color(run.config.arm))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.segmented_control("Your guess", list(LETTERS), key=key)
        st.button(
            "Deal again",
            icon=":material/style:",
            type="tertiary",
            on_click=deal.again,
            args=("hand",),
        )
    if guess:
        said = "Yes" if guess == answer else "No"
        st.markdown(f"**{said}, {answer} is {kind}**: {on_table.why}")
    seeds = ", ".join(str(row.seed) for row in six.rows)
    st.caption(
        f"Six samples of the {words.arm_name(run.config)} model, seeds {seeds}. By looks one can "
        "only guess; the training images beside them decide."
    )
