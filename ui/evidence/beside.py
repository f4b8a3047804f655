"""Another run beside this one, or an audit of any other generator's pictures: what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from ambient.config import FIELDS
from ambient.copies.records import JudgedImage, Report
from ambient.copies.rules import choose
from ambient.reports.comparison import Comparison, by_seed, changed, compare, sampled, shaped
from ambient.reports.pictures import unstrip
from ambient.reports.records import Audit, AuditedImage
from ambient.runs.folder import Run
from ui import curves, data, deal, galleries, stages, visitor, words
from ui.controls import pick
from ui.data import Shown
from ui.jobs import desk, outcome
from ui.teacher import control, hidden

KEY = "beside"
ORDERS = ("First", "Random", "One copies", "Both copy")
SHOWN = 12
NAMES = {  # of what is chosen beside the fields of a config, in a reader's words
    "cutoff": "way of training",
    "sampler": "way of sampling",
    "sampler_steps": "steps of sampling",
    "sampler_sigma_min": "lowest noise level of sampling",
    "sampler_sigma_max": "highest noise level of sampling",
    "sampler_rho": "spacing of noise levels in sampling",
}


@dataclass(frozen=True)
class Side:
    """One side, judged. `run`: None of pictures of another generator."""

    name: str
    report: Report | Audit
    run: Run | None = None

    @property
    def arm(self) -> str:
        return self.run.config.arm if self.run else "unknown"

    @property
    def source(self) -> str:
        if isinstance(self.report, Audit):
            return outcome.provenance(self.report)
        return words.provenance(self.run, self.report) if self.run else ""


def show_beside(run: Run, report: Report) -> None:
    """A run, and what a visitor puts beside it."""
    one, other = Side(run.name, shaped(report, run.config), run), _chosen(run)
    if other is None:
        st.caption("No other judged run yet.")
        return
    found = compare(one.report, other.report)
    _say_changes((one, other))
    _say_shares(found, (one, other))
    _show_samples(found, (one, other))
    words.under(
        "compare",
        _meaning(found),
        [one.source, other.source],
        lambda: _table(found, (one, other)),
        f"python -m ambient compare {words.address(run)} "
        f"{words.address(other.run) if other.run else other.name + '.json'} --json -",
    )
    _show_curves([side.run for side in (one, other) if side.run])


def _show_curves(runs: Sequence[Run]) -> None:
    """What they remember, and when they began to copy, where that is stored."""
    curves.show_gaps(
        "At which noise levels they remember",
        [(run.name, run) for run in runs],
        "compare-levels",
        "How many times larger the error is on unseen images, with its 95 % interval; a dashed "
        "line is a cutoff.",
    )
    judged = [(words.run_name(run), run) for run in runs if len(stages.copies(run)) > 1]
    if judged:
        st.subheader("When they begin to copy", anchor=False)
        caption = "Each line is one run, judged at its stored stages."
        curves.show_copies(judged, runs, "compare-training", caption)


def _chosen(run: Run) -> Side | None:
    """What stands beside: a judged run or a finished audit of this browser's; None without any."""
    known = {name: r for name, r in visitor.judged(KEY).items() if r.path != run.path}
    audits = {f"audit: {a.name}": a for a in desk.finished(visitor.browser())}
    names = [*known, *audits]
    if not names:
        return None
    nearest = visitor.nearest(run)
    visitor.tell_gone(KEY, names, more=", has no verdict yet")
    with (
        st.container(horizontal=True, vertical_alignment="bottom", gap="medium"),
        control("settings"),
    ):
        name = st.selectbox(
            "Beside it",
            names,
            index=names.index(nearest.name) if nearest and nearest.name in names else 0,
            key=KEY,
            bind="query-params",
            width=340,
        )
        st.page_link(
            "pages/audit.py",
            label="Audit pictures of another generator to put them here",
            icon=":material/fact_check:",
        )
    if name in audits:
        audit = outcome.read(str(audits[name].json), data.stamp(audits[name].json))
        return Side(audit.name, audit)
    other = known[name]
    judged = data.report(other)
    assert judged is not None  # only judged runs can be chosen
    return Side(name, shaped(judged, other.config), other)


def _say_changes(sides: tuple[Side, Side]) -> None:
    """One thing changed, or several: what a difference may be due to."""
    one, other = sides
    parts = _listed(sampled(one.report, other.report))
    if not (one.run and other.run):
        st.markdown("What else differs between these two is not known here.")
        return
    parts = _listed(changed(one.run.config, other.run.config)) + parts
    if len(parts) == 1:
        st.markdown(f"**One thing is changed:** {parts[0]}.")
    elif parts:
        st.markdown(f"**{len(parts)} things differ:** {', '.join(parts)}; no single cause.")
    else:
        st.markdown("Nothing differs in their settings.")


def _listed(differ: Mapping[str, tuple[Any, Any]]) -> list[str]:
    return [
        f"{NAMES.get(name) or FIELDS[name].title} (*{_short(a)}* and *{_short(b)}*)"
        for name, (a, b) in differ.items()
    ]


def _short(value: float | str) -> str:
    if isinstance(value, str):
        return Path(value).name if "/" in value else value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _say_shares(found: Comparison, sides: tuple[Side, Side]) -> None:
    """Both shares, and their difference."""
    first, second, between = st.columns(3, gap="medium")
    for place, side in zip((first, second), sides, strict=True):
        with place:
            words.copied_metric(words.unmarked(side.name), side.report, side.arm)
            if side.run and (said := stages.too_soon(side.run, side.report)):
                st.caption(said)
    difference = found.paired or found.unpaired
    low, high = 100 * difference.low, 100 * difference.high
    of = f"{found.paired.count:,} pairs" if found.paired else "not paired"
    with between:
        st.metric(
            f"Difference in points, {of}",
            f"{100 * difference.difference:+.1f}".replace("-", "−"),
            f"95\u00a0% interval: {low:+.1f} to {high:+.1f}".replace("-", "−"),
            delta_color="off",
            delta_arrow="off",
            help="Of the second, against the first. The interval is over samples; other training "
            "seeds vary more.",
        )


def _meaning(found: Comparison) -> str:
    """How the pairs fall, or why there are none."""
    pairs = found.paired
    if pairs is None:
        return f"No pairs: {found.why}. So the difference is that of two independent sets."
    return (
        f"Each pair begins with the same noise. Both are copies in **{pairs.both:,}**, the first "
        f"alone in **{pairs.first:,}**, the second alone in **{pairs.second:,}**, neither in "
        f"**{pairs.neither:,}**."
    )


def _show_samples(found: Comparison, sides: tuple[Side, Side]) -> None:
    """Samples above their nearest training images: pair by pair where there are pairs."""
    seeds = _seeds(sides) if found.paired else []
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        if seeds:
            order = pick("shuffle", "Pairs of both", ORDERS, key="pairs")
            if order != "First" and not hidden("shuffle"):
                deal.button()
        else:
            order = pick("shuffle", "Samples of each", ("Worst", "Median", "Random"), key="apart")
    some = _some(order, sides, seeds)
    if seeds and not some:
        st.caption("No such pair among the stored samples.")
        return
    for column, side in zip(st.columns(2, gap="large"), sides, strict=True):
        shown = _of_seeds(side, some) if seeds else _of_order(side, order.lower())
        with column:
            st.markdown(f"**{words.tinted(words.unmarked(side.name), side.arm)}**")
            galleries.draw(shown, side.arm, f"{len(shown)} samples of {side.name} ({order})")


def _seeds(sides: tuple[Side, Side]) -> list[int]:
    """Seeds with a verdict and a stored sample on both sides, which are runs."""
    kept = [
        by_seed(side.report).keys() & data.samples(side.run)[1].tolist()
        for side in sides
        if side.run
    ]
    return sorted(kept[0] & kept[1]) if len(kept) == 2 else []


def _some(order: str, sides: tuple[Side, Side], seeds: Sequence[int]) -> list[int]:
    copies = [{seed for seed, row in by_seed(side.report).items() if row.copy} for side in sides]
    if order == "One copies":
        seeds = [s for s in seeds if s in copies[0] ^ copies[1]]
    if order == "Both copy":
        seeds = [s for s in seeds if s in copies[0] & copies[1]]
    if order == "First" or len(seeds) <= SHOWN:
        return list(seeds[:SHOWN])
    rng = np.random.default_rng([deal.number(), 5])
    return sorted(rng.choice(seeds, SHOWN, replace=False).tolist())


def _of_seeds(side: Side, seeds: Sequence[int]) -> Shown:
    assert side.run and isinstance(side.report, Report)  # only runs have stored seeds
    return data.shown(side.run, side.report, seeds)


def _of_order(side: Side, order: str) -> Shown:
    """The samples nearest to being copies, around the median, or random ones."""
    if isinstance(side.report, Report):
        rows = side.report.samples
        chosen = choose([row.ratio for row in rows], order, SHOWN, seed=5)
        return _of_seeds(side, [rows[i].seed for i in chosen])
    kept = [e for e in side.report.evidence if (e.rule, e.order) == ("ratio", order)]
    pictures = [unstrip(e.strip, len(e.files)) for e in kept]
    return Shown(
        np.stack([p[0] for p in pictures]),
        np.stack([p[1] for p in pictures]),
        tuple(e.files[1] for e in kept),
        tuple(side.report.samples[e.sample].copy for e in kept),
    )


FIELDS_SHOWN = ("nearest", "ratio", "copy")


def _table(found: Comparison, sides: tuple[Side, Side]) -> list[dict[str, Any]]:
    """A row a pair; a row a sample where there are none."""
    if found.paired is None:
        return [
            {"side": side.name, "sample": _name(row)} | _fields(row)
            for side in sides
            for row in side.report.samples
        ]
    first, second = (by_seed(side.report) for side in sides)
    return [
        {"seed": seed}
        | {f"first_{k}": v for k, v in _fields(first[seed]).items()}
        | {f"second_{k}": v for k, v in _fields(second[seed]).items()}
        for seed in sorted(first.keys() & second.keys())
    ]


def _fields(row: JudgedImage) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS_SHOWN}


def _name(row: JudgedImage) -> str | int:
    return row.file if isinstance(row, AuditedImage) else getattr(row, "seed", "")
