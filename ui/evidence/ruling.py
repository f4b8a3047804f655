"""The rule for copies that a visitor chose: its scores, its threshold, its rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.neighbors import similarities
from ambient.copies.records import Rule
from ambient.copies.rules import (
    MIN_SAMPLES,
    are_copies,
    judge,
    similarity_threshold,
    verdict_at,
)
from ui import charts, words
from ui.charts.verdicts import histogram
from ui.controls import pick
from ui.evidence import encoded
from ui.evidence.exhibit import Room
from ui.teacher import control

RULES = {"ratio": "Pixels", "similarity": "Encoder"}
ABOUT = (
    "*Pixels*: the distance to the nearest training image over that to the second nearest. "
    "*Encoder*: similarity in a small network that sees through mirroring and small shifts."
)
Scores = NDArray[np.float32]


def rounded(threshold: float) -> float:
    """A threshold as the slider shows it."""
    return round(threshold, 3)


@dataclass(frozen=True)
class Ruling:
    """One rule, as it stands on the page.

    Attributes:
        rule: `ratio` (small is a copy) or `similarity` (large is a copy).
        samples: a score a sample.
        unseen: a score an unseen image; None where the encoder has not seen them.
        stored: what a report says of the rule.
        threshold: the visitor's.
        innocent: what the images of `unseen` are, in words.
    """

    rule: str
    samples: Scores
    unseen: Scores | None
    stored: Rule
    threshold: float
    innocent: str

    @property
    def moved(self) -> bool:
        """Whether the threshold is another than the stored one, which the slider rounds."""
        stored = self.stored.threshold
        return self.threshold not in (stored, rounded(stored))

    @property
    def limit(self) -> float:
        return self.threshold if self.moved else self.stored.threshold

    @property
    def word(self) -> str:
        return "ratio" if self.rule == "ratio" else "similarity"

    @property
    def digits(self) -> int:
        return 2 if self.rule == "ratio" else 3

    @property
    def closeness(self) -> Scores:
        """The smaller, the more of a copy."""
        return self.samples if self.rule == "ratio" else -self.samples

    @property
    def sources(self) -> list[str]:
        """The rule in a line, where it is another than the one a report's provenance names."""
        if self.rule == "ratio" and not self.moved:
            return []
        sign = "d1/d2 <" if self.rule == "ratio" else "similarity in the encoder >"
        return [f"here a copy is what has {sign} {self.limit:.3f}"]

    @property
    def copies(self) -> NDArray[np.bool_]:
        """Which samples are copies."""
        return are_copies(self.rule, self.samples, self.limit)

    def percentile(self, score: float) -> str:
        """How many unseen images are as close to a training image as this."""
        if self.unseen is None or not len(self.unseen):
            return ""
        closer = are_copies(self.rule, self.unseen, score)
        what = "have a smaller ratio" if self.rule == "ratio" else "are more similar to one"
        return f" · {words.percent(float(closer.mean()))} of {self.innocent} {what}"


def scores(room: Room, rule: str) -> tuple[Scores | None, Scores | None]:
    """Scores of samples and of unseen images; None for what is not known."""
    exhibit = room.exhibit
    if rule == "ratio":
        samples = np.array([r.ratio for r in exhibit.rows], np.float32)
        return samples, np.array(exhibit.verdicts.heldout_ratios, np.float32)
    stored, seen = [r.similarity for r in exhibit.rows], room.seen(rule)
    unseen = encoded.unseen(room.run, room.real) if room.real else None
    if None not in stored:
        return np.array(stored, np.float32), unseen
    return (similarities(seen[1], seen[0].train)[0] if seen else None), unseen


def verdict(room: Room, rule: str, samples: Scores, unseen: Scores | None) -> Rule:
    """The stored verdict, or the same made here from features."""
    copies = room.exhibit.verdicts.copies
    found = copies.ratio if rule == "ratio" else copies.similarity
    if found:
        return found
    unseen = samples[:0] if unseen is None else unseen
    if min(len(samples), len(unseen)) < MIN_SAMPLES:
        limit = similarity_threshold(unseen)
        return Rule(threshold=limit, rate=None, ci95=None, heldout_rate=None, heldout_ci95=None)
    made = judge(samples, unseen, rule)
    return Rule(
        threshold=made.threshold,
        rate=made.rate,
        ci95=made.ci95,
        heldout_rate=made.heldout_rate,
        heldout_ci95=made.heldout_ci95,
    )


def applied(room: Room, rule: str, threshold: float | None = None) -> Ruling | None:
    """A rule on the samples of a room; None where the encoder has not seen them.

    Args:
        threshold: by default the stored one.
    """
    samples, unseen = scores(room, rule)
    if samples is None:
        return None
    found = verdict(room, rule, samples, unseen)
    limit = found.threshold if threshold is None else threshold
    return Ruling(rule, samples, unseen, found, limit, words.innocent(room.exhibit.verdicts))


def choose(room: Room) -> Ruling:
    """The rule and its threshold, both in the address."""
    exhibit = room.exhibit
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        asked = pick("threshold", "Rule", RULES, key="rule", name=RULES.__getitem__, help=ABOUT)
        found = applied(room, asked)
        if found is None:
            encoded.offer(room.run, len(exhibit.images) + len(room.sets.train))
            st.caption("The encoder has not seen these samples yet; shown by pixels.")
            found = applied(room, "ratio")
        assert found is not None  # pixels are always known
        key = f"{found.rule}-{room.run.name}{'-live' if exhibit.live else ''}"
        threshold = _threshold(found.rule, key, rounded(found.stored.threshold))
    return replace(found, threshold=threshold)


@control("threshold")
def _threshold(rule: str, key: str, default: float) -> float:
    side = "d1/d2 is below" if rule == "ratio" else "similarity is above"
    return st.slider(
        f"Call it a copy when {side}",
        0.05,
        1.0,
        default,
        0.001,
        format="%.3f",
        key=key,
        bind="query-params",
        width=480,
        help="The stored rule: at most 1 % of the images it was set on count as copies"
        + (", and never above 0.6." if rule == "ratio" else "."),
    )


def show_rates_and_histogram(room: Room, ruling: Ruling) -> None:
    """The rates, and where samples and unseen images lie."""
    numbers, figure = st.columns([2, 3], gap="large", vertical_alignment="center")
    with numbers:
        rates(room, ruling, "samples")
    with figure:
        charts.show(
            histogram(
                ruling.samples,
                ruling.unseen,
                ruling.threshold,
                ruling.rule,
                room.run.config.arm,
                ruling.innocent,
            ),
            f"histogram-{ruling.rule}-{room.run.name}",
            f"Histogram of {ruling.word} of {len(room.exhibit.images)} samples and of "
            f"{ruling.innocent}, threshold {ruling.threshold:.3f}.",
        )


def rates(room: Room, ruling: Ruling, what: str) -> None:
    """Copied share, false alarms and null; or why there are none."""
    verdicts, stored, arm = room.exhibit.verdicts, ruling.stored, room.run.config.arm
    if stored.rate is None:
        st.caption(" ".join(verdicts.warnings), width=760)
        return
    found = stored.rated
    rate, ci95, alarm, alarm_ci95 = found.rate, found.ci95, found.heldout_rate, found.heldout_ci95
    if ruling.moved:
        unseen = ruling.samples[:0] if ruling.unseen is None else ruling.unseen
        here = verdict_at(ruling.rule, ruling.threshold, ruling.samples, unseen)
        rate, ci95, alarm, alarm_ci95 = here.rate, here.ci95, here.heldout_rate, here.heldout_ci95
    words.rate_metric(f"Copied, of {len(room.exhibit.images):,} {what}", rate, ci95, arm)
    if not ruling.moved or ruling.unseen is not None:
        label, among = words.called_copies(verdicts), words.checked_on(verdicts)
        words.rate_metric(label, alarm, alarm_ci95, "unseen", samples=among)
    if null := stored.null:
        words.rate_metric(
            "Copies of images it never saw",
            null.rate,
            null.ci95,
            "unseen",
            help=f"The null: {null.n_train} unseen images play the training set, and the rule "
            "is set on the others. What it calls copies here cannot be copies.",
        )
