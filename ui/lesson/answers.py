"""What the lesson's questions come out as, computed from what is stored; nothing typed in.

Each answer is a function named in `assets/lesson.json`. It returns which option is right, by its
key, and a sentence with the numbers; None where what it needs is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ambient.runs.folder import Run
from ui import cutoffs, data, words
from ui import stages as watched
from ui.spot_the_copy import game


class Finding(NamedTuple):
    """Attributes:
    right: the key of the right option; a number is a place among options keyed by lower bounds.
    text: the numbers behind it, with their intervals.
    """

    right: str | float | None
    text: str


Rule = Mapping[str, Any]


def _judged(name: str) -> tuple[Run, dict[str, Any]] | None:
    run = next((r for r in data.bundled() if r.name == name), None)
    found = data.report(run) if run else None
    return (run, found) if run and found else None


def _measured(rule: Rule) -> str:
    return f"**{words.percent(rule['rate'])}** ({words.interval(rule['ci95'])})"


def copied(run: str) -> Finding | None:
    """The copied share of a run's samples, beside what the rule says of unseen images."""
    found = _judged(run)
    if found is None:
        return None
    c, rule = found[0].config, found[1]["copies"]["ratio"]
    return Finding(
        rule["rate"],
        f"{_measured(rule)} of {found[1]['n_samples']:,} samples are copies, after {c.steps:,} "
        f"steps on {c.n_train} images, each seen {c.steps * c.batch / c.n_train:,.0f} times. Of "
        "real images the network never saw, the same rule calls "
        f"{words.percent(rule['heldout_rate'])} copies.",
    )


def odd_one(run: str) -> Finding | None:
    """The answer of the first deal of the guessing game."""
    found = _judged(run)
    dealt = game.dealt(*found, hand=0) if found else None
    if found is None or dealt is None:
        return None
    rule = found[1]["copies"]["ratio"]
    return Finding(
        None,
        f"In the first deal, **{dealt.answer} is {dealt.kind}**: {dealt.why} Of all "
        f"{found[1]['n_samples']:,} samples of this model, {_measured(rule)} are copies.",
    )


def onset(run: str) -> Finding | None:
    """The first judged stage at which copying has set in, as the page that watches it says."""
    found = next((r for r in data.bundled() if r.name == run), None)
    stages = watched.copies(found) if found else []
    if found is None or not stages:
        return None
    first = watched.onset(found)
    row = watched.at_step(found, first or stages[-1]["step"])
    when = "At" if first else "Not even at the last"
    return Finding(
        float(first) if first else None,
        f"{when} step **{row['step']:,}** of {found.config.steps:,}: {_measured(row)} are copies. "
        f"Of unseen images, the rule calls {words.percent(row['heldout_rate'])} copies.",
    )


def widest_gap(run: str) -> Finding | None:
    """The noise level at which unseen images cost most more than training images."""
    found = next((r for r in data.bundled() if r.name == run), None)
    curves = data.curves(found) if found else None
    if curves is None:
        return None
    peak = data.widest_gap(curves)
    low, high = peak["gap_ratio_ci95"]
    return Finding(
        peak["sigma"],
        f"Near noise level **{peak['sigma']:.2g}**, unseen images cost {peak['gap_ratio']:.3g} "
        f"times the error of training images (95 % interval: {low:.3g} to {high:.3g}).",
    )


def compared(first: str, second: str) -> Finding | None:
    """Does the second run copy more than the first, fewer, or can nobody tell?"""
    a, b = _judged(first), _judged(second)
    if a is None or b is None:
        return None
    old, new = (found[1]["copies"]["ratio"] for found in (a, b))
    more, fewer = new["ci95"][0] > old["ci95"][1], new["ci95"][1] < old["ci95"][0]
    return Finding(
        "more" if more else "fewer" if fewer else "same",
        f"{words.arm_name(a[0].config).capitalize()}: {_measured(old)}. "
        f"{words.arm_name(b[0].config).capitalize()}: {_measured(new)}."
        + _distances(data.frechet(a[1]), data.frechet(b[1])),
    )


def _distances(old: float | None, new: float | None) -> str:
    return f" Fréchet distance {old:.3g} and {new:.3g} (larger is worse)." if old and new else ""


def stopping_early(n: int, cutoff: float) -> Finding | None:
    """Is an earlier stage of the standard run as good on both numbers?"""
    table = data.with_cutoffs().get(n, {})
    if cutoff not in table:
        return None
    measured = cutoffs.field(table, n, next(iter(cutoffs.MEASURES)))
    text = cutoffs.against_stopping_early(measured, f"ambient-{cutoff:g}")
    if not text:
        return None
    chosen = next(p for p in measured.ends if p.name == f"ambient-{cutoff:g}")
    stages = measured.paths["standard-0"]
    rivals = any(p.rate <= chosen.rate and p.distance <= chosen.distance for p in stages)
    return Finding("yes" if rivals else "no", text)


def decided(n: int, switch: float) -> Finding | None:
    """Whose copied share does a splice have: that of the network above the switch, or below?"""
    found = cutoffs.stored("surgery")
    rows = [r for r in found["rows"] if r["n_train"] == n] if found else []
    at = {_arm(r["below"]): r for r in rows if r["switch"] == switch}
    if len(at) != 2:
        return None
    standard, ambient = at["standard"], at["ambient"]
    below = standard["copies"] > ambient["copies"]
    clear = standard["ci95"][0] > ambient["ci95"][1] or ambient["ci95"][0] > standard["ci95"][1]
    return Finding(
        ("below" if below else "above") if clear else "neither",
        f"With the standard network below {switch:g} and the ambient one above: "
        f"{_measured(_rule(standard))} copies. The other way round: {_measured(_rule(ambient))}."
        + _turned(rows, below),
    )


def _turned(rows: Sequence[Rule], below: bool) -> str:
    """At which switches it is the other way round."""
    copies = {(r["switch"], _arm(r["below"])): r["copies"] for r in rows if r["switch"]}
    switches = sorted({s for s, _ in copies})
    turned = [s for s in switches if (copies[s, "standard"] > copies[s, "ambient"]) != below]
    if not turned:
        return ""
    return f" At a switch of {' or '.join(f'{s:g}' for s in turned)} it is the other way round."


def _arm(name: str) -> str:
    return "standard" if name.endswith("standard") else "ambient"


def _rule(row: Mapping[str, Any]) -> Rule:
    return {"rate": row["copies"], "ci95": row["ci95"]}


def line_drawn(run: str) -> Finding | None:
    """Where the stored rule draws its line, and what it lets through on both sides."""
    found = _judged(run)
    if found is None:
        return None
    rule = found[1]["copies"]["ratio"]
    return Finding(
        rule["threshold"],
        f"The stored line is at d1/d2 = **{rule['threshold']:.3f}**: {_measured(rule)} of samples "
        f"lie left of it, and {words.percent(rule['heldout_rate'])} of unseen images "
        f"({words.interval(rule['heldout_ci95'])}).",
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
