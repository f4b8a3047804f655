"""Samples of two sides: pair by pair from the same noise, or, where none is the same, side by side.

Where no noise is the same, the two shares are compared as those of two independent sets. Images
are shown pair by pair of two runs only: of other models, a report keeps too few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from ambient.copies.records import JudgedImage, Report
from ambient.reports.comparison import Paired, Unpaired, apart, by_seed, on_same_noise, unpaired
from ambient.reports.records import Audit, AuditedImage
from ui import data, deal, galleries, words
from ui.compare.sides import Side
from ui.controls import pick
from ui.jobs import outcome
from ui.teacher import hidden

ORDERS = ("First", "Random", "One copies", "Both copy")
Sides = Sequence[Side]


def paired(both: Sides) -> Paired | None:
    """Verdicts pair by pair; None where no noise is the same."""
    reports = both[0].report, both[1].report
    return None if apart(*reports) else on_same_noise(*reports)


def pictured(both: Sides) -> list[int]:
    """Seeds with a verdict and a stored sample on both sides, which are runs."""
    kept = [
        by_seed(side.report).keys() & data.samples(side.run)[1].tolist()
        for side in both
        if side.run
    ]
    return sorted(kept[0] & kept[1]) if len(kept) == 2 else []


def headline(both: Sides, found: Paired | None) -> None:
    """Both shares, their difference, and what the rule says of unseen images."""
    *places, between, unseen = st.columns(4, gap="medium")
    for place, side in zip(places, both, strict=True):
        with place:
            words.copied_metric(f"{side.title}: copied", side.report, side.arm)
    with between:
        if found:
            _difference(found, f"{found.count:,} pairs", PAIRED)
        else:
            _difference(unpaired(*(side.report for side in both)), "not paired", NOT_PAIRED)
    with unseen:
        worse = max((side.report for side in both), key=lambda r: words.rated(r).heldout_rate)
        words.alarm_metric(f"{words.called_copies(worse)}, at most", worse)


PAIRED = (
    "Of the second side, against the first. The interval is over samples; the same training with "
    "other seeds varies more."
)
NOT_PAIRED = (
    "Of the second side, against the first. No two samples began with the same noise, so the "
    "interval is that of two independent shares (Newcombe's), wider than one over pairs."
)


def _difference(found: Paired | Unpaired, of: str, about: str) -> None:
    low, high = 100 * found.low, 100 * found.high
    st.metric(
        f"Difference in points, {of}",
        f"{100 * found.difference:+.1f}".replace("-", "−"),
        f"95\u00a0% interval: {low:+.1f} to {high:+.1f}".replace("-", "−"),
        delta_color="off",
        delta_arrow="off",
        help=about,
    )


def side_by_side(both: Sides, seeds: Sequence[int]) -> None:
    """Both galleries, place by place from the same noise."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = pick("shuffle", "Pairs", ORDERS, key="pairs")
        if order != "First" and not hidden("shuffle"):
            deal.button()
    shown = _chosen(order, both, seeds)
    if not shown:
        st.caption("No such pair among the stored samples.")
    for column, side in zip(st.columns(2, gap="large"), both, strict=True):
        with column:
            if shown and side.run and isinstance(side.report, Report):
                galleries.show_gallery(side.run, side.report, shown)


def some_of_each(both: Sides) -> None:
    """Some samples of each side, above their nearest training images."""
    order = pick("shuffle", "Samples", ("Worst", "Median", "Random"), key="apart").lower()
    for column, side in zip(st.columns(2, gap="large"), both, strict=True):
        some = side.some(order)
        with column:
            st.markdown(f"##### {words.tinted(side.title, side.arm)}")
            galleries.draw(some, side.arm, f"{len(some)} samples of {side.name} ({order})", 4)


def _chosen(order: str, both: Sides, seeds: Sequence[int]) -> list[int]:
    copies = [{seed for seed, row in by_seed(side.report).items() if row.copy} for side in both]
    if order == "One copies":
        seeds = [s for s in seeds if s in copies[0] ^ copies[1]]
    if order == "Both copy":
        seeds = [s for s in seeds if s in copies[0] & copies[1]]
    if order == "First" or len(seeds) <= galleries.SHOWN:
        return list(seeds[: galleries.SHOWN])
    rng = np.random.default_rng([deal.number(), 5])
    return sorted(rng.choice(seeds, galleries.SHOWN, replace=False).tolist())


def in_words(found: Paired, shown: bool) -> str:
    """How the pairs fall, and what the pictures are: pairs too where they are `shown`."""
    aside = "" if shown else "The pictures are no pairs: of a model, only some are kept. "
    return (
        f"Of {found.count:,} pairs from the same noise, both are copies in **{found.both:,}**, the "
        f"first alone in **{found.first:,}**, the second alone in **{found.second:,}**, neither in "
        f"**{found.neither:,}**. {aside}Each sample stands above the training image nearest to "
        "it; a frame with an equals sign marks a copy. Fréchet distances compare within one set "
        "of training images only."
    )


def apart_in_words(both: Sides) -> str:
    """Why there are no pairs, what that means for the difference, and what the pictures are."""
    first, second = (side.report for side in both)
    return (
        f"No pairs: {apart(first, second)}. So the difference is that of two independent sets, "
        f"{len(first.samples):,} and {len(second.samples):,} samples, and "
        "each side is judged by a rule that was set on its own images that are no copies. Each "
        "sample stands above the training image nearest to it; a frame with an equals sign marks "
        "a copy."
    )


def command(both: Sides) -> str:
    """The commands that make the numbers again."""
    audits = [
        f"{outcome.command(side.report)} --json {side.command}"
        for side in both
        if isinstance(side.report, Audit)
    ]
    names = " ".join(side.command for side in both)
    return "\n".join([*audits, f"python -m ambient compare {names} --json -"])


FIELDS = ("nearest", "d1", "d2", "ratio", "copy")


def table(both: Sides, found: Paired | None) -> list[dict[str, Any]]:
    """A row a pair; a row a sample where there are none."""
    if not found:
        return [
            {"side": side.name, "sample": _name(row), **{f: getattr(row, f) for f in FIELDS}}
            for side in both
            for row in side.report.samples
        ]
    first, second = (by_seed(side.report) for side in both)
    return [
        {"seed": s}
        | {
            f"{side}_{field}": getattr(known[s], field)
            for side, known in (("first", first), ("second", second))
            for field in FIELDS
        }
        for s in sorted(first.keys() & second.keys())
    ]


def _name(row: JudgedImage) -> str | int:
    return row.file if isinstance(row, AuditedImage) else getattr(row, "seed", "")
