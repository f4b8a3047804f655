"""What stands on either side of a comparison: a judged run, or images of a visitor's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ambient.copies.records import Report
from ambient.copies.rules import choose
from ambient.reports.comparison import shaped
from ambient.reports.pictures import unstrip
from ambient.reports.records import Audit
from ambient.runs.folder import Run
from ui import data, words
from ui.compare.choice import IMAGES, SIDES
from ui.data import Shown
from ui.jobs import drops, outcome, waiting
from ui.teacher import hidden

SHOWN = 8  # pairs of a side, as an audit keeps them
TITLES = {"first": "Images of yours, on one side", "second": "Images of yours, on the other side"}


@dataclass(frozen=True)
class Side:
    """One side, judged.

    Attributes:
        run: None of images of a visitor's own.
    """

    name: str
    report: Report | Audit
    run: Run | None

    @property
    def arm(self) -> str:
        """Whose color it has; that of copies where no arm is known."""
        return self.run.config.arm if self.run else "standard"

    @property
    def title(self) -> str:
        """The name, where markdown is read."""
        return self.name if self.run else words.unmarked(self.name)

    @property
    def provenance(self) -> str:
        if isinstance(self.report, Audit):
            return outcome.provenance(self.report)
        return words.provenance(self.run, self.report) if self.run else ""

    @property
    def command(self) -> str:
        """How the command `compare` names it."""
        return words.address(self.run) if self.run else f"{self.name}.json"

    def some(self, order: str) -> Shown:
        """The samples nearest to being copies, around the median, or random ones."""
        if self.run and isinstance(self.report, Report):
            rows = self.report.samples
            chosen = choose([row.ratio for row in rows], order, SHOWN, seed=5)
            return data.shown(self.run, self.report, [rows[i].seed for i in chosen])
        assert isinstance(self.report, Audit)
        kept = [e for e in self.report.evidence if (e.rule, e.order) == ("ratio", order)]
        pictures = [unstrip(e.strip, len(e.files)) for e in kept]
        return Shown(
            np.stack([p[0] for p in pictures]),
            np.stack([p[1] for p in pictures]),
            tuple(e.files[1] for e in kept),
            tuple(self.report.samples[e.sample].copy for e in kept),
        )


def both_sides(names: Mapping[str, str], known: Mapping[str, Run]) -> list[Side] | None:
    """Both sides; None while one is still to be given or judged."""
    given: drops.Given = {}
    boxes: dict[str, DeltaGenerator] = {}
    for side in SIDES:  # all clicks are heard before the end of a wait runs the page again
        if names[side] not in known:
            boxes[side] = st.container()
            with boxes[side]:
                given = _drops(side, given)
    found = [
        _own(side, boxes[side]) if side in boxes else _run(known[names[side]]) for side in SIDES
    ]
    sides = [side for side in found if side is not None]
    if len(sides) < len(found):
        return None
    if not sides[0].run and sides[0].name == sides[1].name:
        sides[1] = replace(sides[1], name=f"{sides[1].name}, the other side")
    return sides


def _run(run: Run) -> Side:
    report = data.report(run)
    assert report is not None  # only judged runs can be chosen
    return Side(run.name, shaped(report, run.config), run)


def _drops(side: str, before: drops.Given) -> drops.Given:
    """Where images of one's own are handed over; what was."""
    if hidden("open"):
        st.caption("This link leaves out images of one's own.")
        return before
    _, job = drops.look(_place(side))
    done = job is not None and job.status == "done"
    with st.expander(TITLES[side], icon=":material/photo_library:", expanded=not done):
        return drops.ask(_place(side), "Judge these images", before)


def _place(side: str) -> str:
    return f"{IMAGES}-{side}"


def _own(side: str, box: DeltaGenerator) -> Side | None:
    """Images of one's own as a side: the wait for their verdict, and the verdict."""
    key, job = drops.look(_place(side))
    if job is None:
        return None
    with box:
        if job.active:
            waiting.watch(_place(side))
        elif job.status == "failed":
            words.refuse(job.state.error)
        else:
            report = outcome.read(str(job.json), data.stamp(job.json))
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(outcome.provenance(report), width="content")
                forget = partial(drops.forget, _place(side), key)
                outcome.delete("Delete these images", f"delete-{side}", forget)
            if report.copies.rate is not None:
                return Side(report.name, report, None)
            words.refuse(" ".join(report.warnings))
    return None
