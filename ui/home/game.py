"""The guess game: six samples of one model, one of them unlike the other five."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from ambient.copies.records import Report, Sample
from ambient.runs.folder import Run
from ui import data, deal, words
from ui.film import show
from ui.film.parts import Film, Row

LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Deal:
    """Six samples, one of them unlike the others.

    Attributes:
        odd_is_copy: whether the odd one is the copy, or the only new one.
    """

    rows: tuple[Sample, ...]
    odd_is_copy: bool

    @property
    def place(self) -> int:
        return [row.copy for row in self.rows].index(self.odd_is_copy)

    @property
    def answer(self) -> str:
        return LETTERS[self.place]

    @property
    def kind(self) -> str:
        return "a copy" if self.odd_is_copy else "new"


def dealt(run: Run, report: Report, hand: int) -> Deal | None:
    """A deal by its number, the rarer kind as the odd one; None where there are too few.

    What resembles a training picture is neither.
    """
    stored = set(data.samples(run)[1].tolist())
    rows = {r.seed: r for r in report.samples if r.seed in stored}
    copies = [seed for seed, row in rows.items() if words.mark(row) == "copy"]
    others = [seed for seed, row in rows.items() if words.mark(row) == "new"]
    odd_is_copy = len(copies) < len(others)
    rare, common = (copies, others) if odd_is_copy else (others, copies)
    if not rare:
        return None
    rng = np.random.default_rng([hand, 6])
    odd = int(rng.choice(rare))
    unlike = {rows[seed].nearest: int(seed) for seed in rng.permutation(common)}  # no two alike
    picked = [odd, *[s for at, s in unlike.items() if at != rows[odd].nearest][:5]]
    if len(picked) < 6:
        return None
    six = tuple(rows[picked[i]] for i in rng.permutation(6))
    return Deal(six, odd_is_copy)


@st.fragment
def play(run: Run, report: Report) -> None:
    """Dealt at once; the answer marks all six and shows what is nearest to the tapped one."""
    hand = deal.number("hand")
    on_table = dealt(run, report, hand)
    if on_table is None:
        return
    five = "new, one is a copy" if on_table.odd_is_copy else "copies, one is new"
    st.subheader(f"Five of these are {five}: which?", anchor=False)
    key = f"guess-{run.name}-{hand}"
    told = key in st.query_params or key in st.session_state
    place = show(_film(run, on_table, told), f"{key}-{told}", "", [0], cell=key)
    if place.cell and not told:
        st.rerun()  # once: marks come, and the lesson's step above may be done
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if place.cell:
            st.markdown(_verdict(on_table, place.cell[1]), width="content")
        else:
            st.markdown("Tap it.", width="content")
        deal.button("Deal again", "hand")


def _verdict(on_table: Deal, tapped: int) -> str:
    if tapped == on_table.place:
        return f"**Yes, {on_table.answer} is {on_table.kind}.**"
    other = "new" if on_table.odd_is_copy else "a copy"
    return f"**No, {LETTERS[tapped]} is {other}**: it is {on_table.answer}."


def _film(run: Run, on_table: Deal, told: bool) -> Film:
    """The six; once told, with their marks and the training pictures nearest to them."""
    both, (images, seeds) = data.sets(run), data.samples(run)
    at = {int(seed): i for i, seed in enumerate(seeds)}
    row = Row(
        title="",
        tone=words.tone(run.config.arm),
        images=images[[at[row.seed] for row in on_table.rows]][None],
        marks=[[words.mark(row) for row in on_table.rows]] if told else (),
        labels=LETTERS,
        near=[[[row.nearest, row.second] for row in on_table.rows]] if told else (),
    )
    pool = (both.train, both.train_names) if told else None
    return Film([row], "Six pictures", [""], pool=pool, legend=False, largest=128)
