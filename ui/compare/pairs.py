"""Samples of two runs from the same noise: where both copy, where one does, where none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from ambient.comparison import Paired, on_same_noise, same_noise
from ambient.run import Run
from ui import data, words
from ui.spot_the_copy import deal, pair
from ui.teacher import control, hidden

ORDERS = ("First", "Random", "One copies", "Both copy")
NONE = (
    "No pairs: these two make images of different sizes, or have no stored samples of the same "
    "seeds, so no two samples began with the same noise."
)
Report = Mapping[str, Any]


def paired(runs: Sequence[Run], reports: Sequence[Report]) -> Paired:
    """Verdicts pair by pair; the runs have common seeds."""
    paths = tuple(str(run.path) for run in runs)
    changed = tuple(data.stamp(run.path / "report.json") for run in runs)
    return _paired(paths, changed, reports)


@st.cache_data(max_entries=64, show_spinner=False)
def _paired(paths: tuple[str, ...], changed: tuple[int, ...], _reports: Sequence[Report]) -> Paired:
    found = on_same_noise(*_reports)
    assert found is not None
    return found


def common(runs: Sequence[Run], reports: Sequence[Report]) -> list[int]:
    """Seeds that are the same noise for both runs, and have a sample and a verdict of each."""
    if not same_noise(runs[0].config, runs[1].config):
        return []
    kept = [
        set(data.samples(run)[1].tolist()) & {row["seed"] for row in report["samples"]}
        for run, report in zip(runs, reports, strict=True)
    ]
    return sorted(kept[0] & kept[1])


def headline(runs: Sequence[Run], reports: Sequence[Report], found: Paired | None) -> None:
    """Both shares, their difference over pairs, and what the rule says of unseen images."""
    *places, between, unseen = st.columns(4, gap="medium")
    for place, run, report in zip(places, runs, reports, strict=True):
        rule = report["copies"]["ratio"]
        with place:
            words.rate_metric(f"{run.name}: copied", rule["rate"], rule["ci95"], run.config.arm)
    if found:
        with between:
            _difference(found)
    with unseen:
        worse = max(reports, key=lambda r: r["copies"]["ratio"]["heldout_rate"])
        words.alarm_metric("Unseen real images: called copies, at most", worse)


def _difference(found: Paired) -> None:
    low, high = 100 * found.low, 100 * found.high
    st.metric(
        f"Difference in points, {found.count:,} pairs",
        f"{100 * found.difference:+.1f}".replace("-", "−"),
        f"95\u00a0% interval: {low:+.1f} to {high:+.1f}".replace("-", "−"),
        delta_color="off",
        delta_arrow="off",
        help="Of the second run, against the first. The interval is over samples; the same "
        "training with other seeds varies more.",
    )


def show(runs: Sequence[Run], reports: Sequence[Report], seeds: Sequence[int]) -> None:
    """Both galleries, place by place from the same noise."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = _order()
        if order != "First" and not hidden("shuffle"):
            st.button("Draw others", icon=":material/shuffle:", on_click=deal.again)
    shown = _pick(order, reports, seeds)
    if not shown:
        st.caption("No such pair among the stored samples.")
    for column, run, report in zip(st.columns(2, gap="large"), runs, reports, strict=True):
        with column:
            if shown:
                pair.show_gallery(run, report, shown)


@control("shuffle")
def _order() -> str:
    return st.segmented_control(
        "Pairs", ORDERS, default="First", key="pairs", required=True, bind="query-params"
    )


def _pick(order: str, reports: Sequence[Report], seeds: Sequence[int]) -> list[int]:
    copies = [{s["seed"] for s in r["samples"] if s["copy"]} for r in reports]
    if order == "One copies":
        seeds = [s for s in seeds if s in copies[0] ^ copies[1]]
    if order == "Both copy":
        seeds = [s for s in seeds if s in copies[0] & copies[1]]
    if order == "First" or len(seeds) <= pair.SHOWN:
        return list(seeds[: pair.SHOWN])
    drawn = np.random.default_rng([deal.number(), 5]).choice(seeds, pair.SHOWN, replace=False)
    return sorted(drawn.tolist())


def in_words(found: Paired) -> str:
    """How the pairs fall, and what the pictures are."""
    return (
        f"Of {found.count:,} pairs from the same noise, both are copies in **{found.both:,}**, the "
        f"first alone in **{found.first:,}**, the second alone in **{found.second:,}**, neither in "
        f"**{found.neither:,}**. Each sample stands above the training image nearest to it; a "
        "frame with an equals sign marks a copy. Fréchet distances compare within one set of "
        "training images only."
    )


def rows(reports: Sequence[Report], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """A row a common seed."""
    by_seed = [{s["seed"]: s for s in r["samples"]} for r in reports]
    return [
        {"seed": s}
        | {
            f"{side}_{field}": known[s][field]
            for side, known in zip(("first", "second"), by_seed, strict=True)
            for field in ("nearest", "d1", "d2", "ratio", "copy")
        }
        for s in seeds
    ]
