"""The rule for copies that a visitor chose: its scores, its threshold, its rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.intervals import clopper_pearson
from ambient.copies.rules import (
    MIN_SAMPLES,
    halves,
    judge,
    similarities,
    similarity_threshold,
)
from ambient.runs.folder import Run
from ui import charts, data, words
from ui.charts.verdicts import histogram
from ui.evidence_room import encoded
from ui.evidence_room.encoded import Cloud
from ui.evidence_room.exhibit import Exhibit
from ui.teacher import control

RULES = {"ratio": "Pixels", "similarity": "Encoder"}
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Ruling:
    """One rule, as it stands on the page.

    Attributes:
        rule: `ratio` (small is a copy) or `similarity` (large is a copy).
        samples: a score a sample.
        unseen: a score an unseen image; None where the encoder has not seen them.
        stored: threshold, rate, heldout_rate, their intervals and null, as in a report.
        threshold: the visitor's.
        innocent: what the images of `unseen` are, in words.
    """

    rule: str
    samples: Scores
    unseen: Scores | None
    stored: Mapping[str, Any]
    threshold: float
    innocent: str

    @property
    def moved(self) -> bool:
        """Whether the threshold is another than the stored one, which the page rounds."""
        return abs(self.threshold - self.stored["threshold"]) > 0.0006

    @property
    def limit(self) -> float:
        return self.threshold if self.moved else self.stored["threshold"]

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

    def is_copy(self, score: float) -> bool:
        return score < self.limit if self.rule == "ratio" else score > self.limit

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
        return self.samples < self.limit if self.rule == "ratio" else self.samples > self.limit

    def percentile(self, score: float) -> str:
        """How many unseen images are as close to a training image as this."""
        if self.unseen is None or not len(self.unseen):
            return ""
        closer = self.unseen < score if self.rule == "ratio" else self.unseen > score
        what = "have a smaller ratio" if self.rule == "ratio" else "are more similar to one"
        return f" · {words.percent(float(closer.mean()))} of {self.innocent} {what}"


def rates_at(
    rule: str, threshold: float, samples: Scores, unseen: Scores
) -> tuple[float, tuple[float, float], float, tuple[float, float]]:
    """Copied share and false alarms, with intervals, at another threshold.

    False alarms are counted on the half of unseen images that no threshold was chosen on.
    """
    sign = 1 if rule == "ratio" else -1
    reporting = unseen[halves(len(unseen))[1]]
    hits = int((sign * samples < sign * threshold).sum())
    alarms = int((sign * reporting < sign * threshold).sum())
    return (
        hits / len(samples),
        clopper_pearson(hits, len(samples)),
        alarms / max(len(reporting), 1),
        clopper_pearson(alarms, len(reporting)),
    )


def scores(run: Run, exhibit: Exhibit, rule: str, known: Cloud | None) -> tuple[Any, Any]:
    """Scores of samples and of unseen images; None for what is not known."""
    if rule == "ratio":
        samples = np.array([r["ratio"] for r in exhibit.rows], np.float32)
        return samples, np.array(exhibit.verdicts["heldout_ratios"], np.float32)
    stored = [r.get("similarity") for r in exhibit.rows]
    samples = None
    if None not in stored:
        samples = np.array(stored, np.float32)
    elif known is not None and known.samples is not None:
        samples = similarities(known.samples, known.train)[0]
    return samples, None if known is None else encoded.unseen(run, known)


def verdict(rule: str, exhibit: Exhibit, samples: Scores, unseen: Scores | None) -> dict[str, Any]:
    """The stored verdict, or the same made here from features."""
    found = exhibit.verdicts["copies"].get(rule)
    if found:
        return dict(found)
    unseen = samples[:0] if unseen is None else unseen
    if min(len(samples), len(unseen)) < MIN_SAMPLES:
        return {"threshold": similarity_threshold(unseen), "rate": None}
    made = judge(samples, unseen, rule)
    names = ("threshold", "rate", "ci95", "heldout_rate", "heldout_ci95")
    return {name: getattr(made, name) for name in names}


def choose(run: Run, exhibit: Exhibit, known: Cloud | None) -> Ruling:
    """The rule and its threshold, both in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        rule = _rule()
        samples, unseen = scores(run, exhibit, rule, known)
        if samples is None:
            encoded.offer(run, len(exhibit.images) + len(data.sets(run).train))
            st.caption("The encoder has not seen these samples yet; shown by pixels.")
            rule = "ratio"
            samples, unseen = scores(run, exhibit, rule, known)
        stored = verdict(rule, exhibit, samples, unseen)
        key = f"{rule}-{run.name}{'-live' if exhibit.live else ''}"
        threshold = _threshold(rule, key, round(stored["threshold"], 3))
    innocent = words.innocent(exhibit.verdicts)
    return Ruling(rule, samples, unseen, stored, threshold, innocent)


@control("threshold")
def _rule() -> str:
    return st.segmented_control(
        "Rule",
        list(RULES),
        default="ratio",
        format_func=RULES.__getitem__,
        key="rule",
        required=True,
        bind="query-params",
        help="*Pixels*: the distance to the nearest training image over that to the second nearest."
        " *Encoder*: similarity in a small network that sees through mirroring and small shifts.",
    )


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
        + (", and never above 1/3." if rule == "ratio" else "."),
    )


def applied(run: Run, exhibit: Exhibit, known: Cloud | None, like: Ruling) -> Ruling | None:
    """A rule that stands already, on other samples; None where the encoder has not seen them."""
    samples, unseen = scores(run, exhibit, like.rule, known)
    if samples is None:
        return None
    found = verdict(like.rule, exhibit, samples, unseen)
    return Ruling(like.rule, samples, unseen, found, like.limit, like.innocent)


def show(run: Run, exhibit: Exhibit, ruling: Ruling) -> None:
    """The rates, and where samples and unseen images lie."""
    numbers, figure = st.columns([2, 3], gap="large", vertical_alignment="center")
    with numbers:
        rates(run, exhibit, ruling, "samples")
    with figure:
        charts.show(
            histogram(
                ruling.samples,
                ruling.unseen,
                ruling.threshold,
                ruling.rule,
                run.config.arm,
                ruling.innocent,
            ),
            f"histogram-{ruling.rule}-{run.name}",
            f"Histogram of {ruling.word} of {len(exhibit.images)} samples and of "
            f"{ruling.innocent}, threshold {ruling.threshold:.3f}.",
        )


def rates(run: Run, exhibit: Exhibit, ruling: Ruling, what: str) -> None:
    """Copied share, false alarms and null; or why there are none."""
    stored, arm = ruling.stored, run.config.arm
    if stored["rate"] is None:
        st.caption(" ".join(exhibit.verdicts["warnings"]), width=760)
        return
    rate, ci95 = stored["rate"], stored["ci95"]
    alarm, alarm_ci95 = stored["heldout_rate"], stored["heldout_ci95"]
    if ruling.moved:
        unseen = ruling.samples[:0] if ruling.unseen is None else ruling.unseen
        rate, ci95, alarm, alarm_ci95 = rates_at(
            ruling.rule, ruling.threshold, ruling.samples, unseen
        )
    words.rate_metric(f"Copied, of {len(exhibit.images):,} {what}", rate, ci95, arm)
    if not ruling.moved or ruling.unseen is not None:
        label, among = words.called_copies(exhibit.verdicts), words.checked_on(exhibit.verdicts)
        words.rate_metric(label, alarm, alarm_ci95, "unseen", samples=among)
    null = stored.get("null")
    if null:
        words.rate_metric(
            "Copies of images it never saw",
            null["rate"],
            null["ci95"],
            "unseen",
            help=f"The null: {null['n_train']} unseen images play the training set, and the rule "
            "is set on the others. What it calls copies here cannot be copies.",
        )
