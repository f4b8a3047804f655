"""What the lesson's questions come out as, computed from what is stored; nothing typed in.

Each answer is a function named in `assets/lesson.json`. It returns which option is right, by its
key, and a sentence with the numbers; None where what it needs is not stored.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ambient.copies.records import Report
from ambient.runs.folder import Run
from ui import data, stages, words
from ui.home.game import dealt

HAND = 1  # the deal of the lesson: Home begins with another


class Finding(NamedTuple):
    """Attributes:
    right: the key of the right option; a number is a place among options keyed by lower bounds.
    text: the numbers behind it, with their intervals.
    """

    right: str | float | None
    text: str


def _judged(name: str) -> tuple[Run, Report] | None:
    run = data.known(name)
    found = data.report(run) if run else None
    return (run, found) if run and found else None


def _measured(rate: float, ci95: Sequence[float]) -> str:
    return f"**{words.percent(rate)}** ({words.interval(ci95)})"


def copied(run: str) -> Finding | None:
    """The copied share of a run's samples, beside what the rule says of unseen images."""
    found = _judged(run)
    if found is None:
        return None
    report, rule = found[1], found[1].copies.ratio.rated
    return Finding(
        rule.rate,
        f"{_measured(rule.rate, rule.ci95)} of {report.n_samples:,} are copies. Of real pictures "
        f"it never saw, the same rule calls {words.percent(rule.heldout_rate)} copies.",
    )


def some_copies(run: str) -> Finding | None:
    """Whether some samples are copies: more than the rule says of images that are none."""
    found = _judged(run)
    if found is None:
        return None
    rule = found[1].copies.ratio.rated
    right = "some" if rule.ci95[0] > rule.heldout_rate else "new"
    return Finding(
        right,
        f"{_measured(rule.rate, rule.ci95)} of this one's pictures are copies of one training "
        "picture; the others look new.",
    )


def odd_one(run: str) -> Finding | None:
    """Which of six samples is the new one."""
    found = _judged(run)
    six = dealt(*found, HAND) if found else None
    if six is None or six.odd_is_copy:
        return None
    return Finding(
        six.answer, f"{six.answer} is new: even its nearest training picture is another one."
    )


def onset(run: str) -> Finding | None:
    """The first judged stage at which copying has set in, as the page that watches it says."""
    found = data.known(run)
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
    found = data.known(run)
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
    return Finding("more" if more else "fewer" if fewer else "same", " ".join(shares))


def stop_at(first: str, second: str) -> Finding | None:
    """The last stage of a run that copies no more often than another one at its end."""
    a, b = data.known(first), _judged(second)
    rows = stages.copies(a) if a else []
    if not rows or b is None:
        return None
    rule = b[1].copies.ratio.rated
    rare = [row for row in rows if row["rate"] <= rule.rate]
    if not rare:
        return None
    last = rare[-1]
    return Finding(
        float(last["step"]),
        f"At step **{last['step']:,}** it copies {_measured(last['rate'], last['ci95'])}; with "
        f"the cutoff the copied share is {_measured(rule.rate, rule.ci95)} at the very end.",
    )


ANSWERS: dict[str, Callable[..., Finding | None]] = {
    f.__name__: f for f in (some_copies, odd_one, copied, onset, widest_gap, compared, stop_at)
}


def option(options: Sequence[str], right: str | float | None) -> str | None:
    """The key of the right option: itself, or the largest lower bound that does not exceed it."""
    if not isinstance(right, float):
        return right
    return max((k for k in options if float(k) <= right), key=float, default=None)
