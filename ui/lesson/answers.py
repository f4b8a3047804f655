"""What the lesson's questions come out as, computed from what is stored; nothing typed in.

Each answer is a function named in `assets/lesson.json`. It returns which option is right, by its
key, and a sentence with the numbers; None where what it needs is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ambient.copies.records import Report
from ambient.runs.folder import Run
from ui import cutoffs, data, stages, surgery, words
from ui.spot_the_copy import game


class Finding(NamedTuple):
    """Attributes:
    right: the key of the right option; a number is a place among options keyed by lower bounds.
    text: the numbers behind it, with their intervals.
    """

    right: str | float | None
    text: str


def _judged(name: str) -> tuple[Run, Report] | None:
    run = _bundled(name)
    found = data.report(run) if run else None
    return (run, found) if run and found else None


def _bundled(name: str) -> Run | None:
    return next((r for r in data.bundled() if r.name == name), None)


def _measured(rate: float, ci95: Sequence[float]) -> str:
    return f"**{words.percent(rate)}** ({words.interval(ci95)})"


def copied(run: str) -> Finding | None:
    """The copied share of a run's samples, beside what the rule says of unseen images."""
    found = _judged(run)
    if found is None:
        return None
    c, report, rule = found[0].config, found[1], found[1].copies.ratio.rated
    return Finding(
        rule.rate,
        f"{_measured(rule.rate, rule.ci95)} of {report.n_samples:,} samples are copies, after "
        f"{c.steps:,} steps on {c.n_train} images, each seen {c.steps * c.batch / c.n_train:,.0f} "
        "times. Of real images the network never saw, the same rule calls "
        f"{words.percent(rule.heldout_rate)} copies.",
    )


def odd_one(run: str) -> Finding | None:
    """The answer of the first deal of the guessing game."""
    found = _judged(run)
    dealt = game.dealt(*found, hand=0) if found else None
    if found is None or dealt is None:
        return None
    report, rule = found[1], found[1].copies.ratio.rated
    return Finding(
        None,
        f"In the first deal, **{dealt.answer} is {dealt.kind}**: {dealt.why} Of all "
        f"{report.n_samples:,} samples of this model, {_measured(rule.rate, rule.ci95)} are "
        "copies.",
    )


def onset(run: str) -> Finding | None:
    """The first judged stage at which copying has set in, as the page that watches it says."""
    found = _bundled(run)
    judged = stages.copies(found) if found else []
    if found is None or not judged:
        return None
    first = stages.onset(found)
    row = stages.at_step(found, first or judged[-1]["step"])
    when = "At" if first else "Not even at the last"
    return Finding(
        float(first) if first else None,
        f"{when} step **{row['step']:,}** of {found.config.steps:,}: "
        f"{_measured(row['rate'], row['ci95'])} are copies. Of unseen images, the rule calls "
        f"{words.percent(row['heldout_rate'])} copies.",
    )


def widest_gap(run: str) -> Finding | None:
    """The noise level at which unseen images cost most more than training images."""
    found = _bundled(run)
    curves = data.curves(found) if found else None
    if curves is None:
        return None
    peak = data.widest_gap(curves)
    low, high = peak.gap_ratio_ci95 or (peak.gap_ratio, peak.gap_ratio)
    return Finding(
        peak.sigma,
        f"Near noise level **{peak.sigma:.2g}**, unseen images cost {peak.gap_ratio:.3g} times "
        f"the error of training images (95 % interval: {low:.3g} to {high:.3g}).",
    )


def compared(first: str, second: str) -> Finding | None:
    """Does the second run copy more than the first, fewer, or can nobody tell?"""
    a, b = _judged(first), _judged(second)
    if a is None or b is None:
        return None
    old, new = (found[1].copies.ratio.rated for found in (a, b))
    more, fewer = new.ci95[0] > old.ci95[1], new.ci95[1] < old.ci95[0]
    shares = [
        f"{words.arm_name(run.config).capitalize()}: {_measured(rule.rate, rule.ci95)}."
        for (run, _), rule in ((a, old), (b, new))
    ]
    before, after = (data.frechet(found) for _, found in (a, b))
    if before and after:
        shares.append(f"Fréchet distance {before:.3g} and {after:.3g} (larger is worse).")
    return Finding("more" if more else "fewer" if fewer else "same", " ".join(shares))


def stopping_early(n: int, cutoff: float) -> Finding | None:
    """Is an earlier stage of the standard run as good on both numbers?"""
    table, name = data.with_cutoffs().get(n, {}), f"ambient-{cutoff:g}"
    if cutoff not in table:
        return None
    measured = cutoffs.field(table, n, next(iter(cutoffs.MEASURES)))
    found = cutoffs.rivals(measured, name)
    if found is None:
        return None
    return Finding("yes" if found[1] else "no", cutoffs.against_stopping_early(measured, name))


def decided(n: int, switch: float) -> Finding | None:
    """Whose copied share does a splice have: that of the network above the switch, or below?"""
    found = surgery.stored(data.with_cutoffs().get(n, {}), n)
    if found is None or switch not in found.switches:
        return None
    standard, ambient = found.at(switch)
    below = standard["copies"] > ambient["copies"]
    clear = standard["ci95"][0] > ambient["ci95"][1] or ambient["ci95"][0] > standard["ci95"][1]
    turned = []
    for other in found.switches:
        a, b = found.at(other)
        if (a["copies"] > b["copies"]) != below:
            turned.append(f"{other:g}")
    aside = f" At a switch of {' or '.join(turned)} it is the other way round." if turned else ""
    return Finding(
        ("below" if below else "above") if clear else "neither",
        f"With the standard network below {switch:g} and the ambient one above: "
        f"{_measured(standard['copies'], standard['ci95'])} copies. The other way round: "
        f"{_measured(ambient['copies'], ambient['ci95'])}.{aside}",
    )


def line_drawn(run: str) -> Finding | None:
    """Where the stored rule draws its line, and what it lets through on both sides."""
    found = _judged(run)
    if found is None:
        return None
    rule = found[1].copies.ratio.rated
    return Finding(
        rule.threshold,
        f"The stored line is at d1/d2 = **{rule.threshold:.3f}**: "
        f"{_measured(rule.rate, rule.ci95)} of samples lie left of it, and "
        f"{words.percent(rule.heldout_rate)} of unseen images "
        f"({words.interval(rule.heldout_ci95)}).",
    )


ANSWERS: dict[str, Callable[..., Finding | None]] = {
    f.__name__: f
    for f in (copied, odd_one, onset, widest_gap, compared, stopping_early, decided, line_drawn)
}


def option(options: Sequence[str], right: str | float | None) -> str | None:
    """The key of the right option: itself, or the largest lower bound that does not exceed it."""
    if not isinstance(right, float):
        return right
    return max((k for k in options if float(k) <= right), key=float, default=None)
