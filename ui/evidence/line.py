"""The line between copy and new, under the visitor's hand, and what it lets through."""

from dataclasses import replace

import numpy as np
import streamlit as st

from ui import charts, film, stages, words
from ui.charts.verdicts import roc
from ui.evidence.exhibit import Exhibit, Scores
from ui.film.parts import Chart, Film, Line, Row

STEPS = [round(0.05 + 0.01 * i, 2) for i in range(96)]  # where the line can stand
SHOWN = 18  # samples, evenly spread over all ratios
NEAR = 0.02  # ratios this close to a place are counted there


def drag(exhibit: Exhibit) -> Exhibit:
    """The samples under the line; the same exhibit, with the line where it was dragged to."""
    rule = exhibit.report.copies.ratio
    usual = int(np.abs(np.array(STEPS) - rule.threshold).argmin())
    lines = [*STEPS[:usual], rule.threshold, *STEPS[usual + 1 :]]
    name = f"ratio-{exhibit.run.name}"
    _rounded(name)
    made = _film(exhibit.sha256, exhibit, lines, usual)
    scores = np.array(made.rows[0].scores, np.float32)
    place = film.show(
        made,
        f"line-{exhibit.run.name}{'-live' if exhibit.live else ''}",
        name,
        [f"{line:.2f}" for line in STEPS],
        usual=usual,
        cell="sample",
        first=(0, int(np.abs(scores - rule.threshold).argmin())),  # the most doubtful one
    )
    if said := stages.too_soon(exhibit.run, exhibit.report):
        st.caption(said)
    return replace(exhibit, line=lines[place.frame])


def _rounded(name: str) -> None:
    """A line in the address to a hundredth, as the slider has it."""
    asked = st.query_params.get(name, "").replace(".", "", 1)
    if asked.isdecimal() and len(asked) < 7:
        st.query_params[name] = f"{float(st.query_params[name]):.2f}"


@st.cache_resource(max_entries=16, show_spinner=False)
def _film(sha256: str, _exhibit: Exhibit, lines: list[float], usual: int) -> Film:
    e, both = _exhibit, _exhibit.sets
    order = np.argsort(e.ratios, kind="stable")
    some = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)]
    rates = [float((e.ratios < line).mean()) for line in lines]
    near = [[[e.rows[i].nearest, e.rows[i].second] for i in some]]
    row = Row(
        "Generated",
        words.tone(e.arm),
        e.images[some][None],
        scores=[float(e.ratios[i]) for i in some],
        numbers=[words.percent(rate) for rate in rates],
        captions=[f"of {len(e.ratios):,} samples are copies"],
        near=near,
    )
    return Film(
        [row],
        "Copies lie left of",
        [f"ratio {line:.2f}" for line in lines],
        chart=_chart(e, lines, usual),
        ticks={0: "surely copied", len(lines) - 1: "no resemblance"},
        said=[_alarms(e.unseen, line) for line in lines],
        lines=lines,
        resembles=e.lenient,
        pool=(both.train, both.train_names),
        largest=84,
    )


def _chart(e: Exhibit, lines: list[float], usual: int) -> Chart:
    """How many images lie at each place: those that the model made, and those it never saw."""
    made, unseen = (_density(scores, lines) for scores in (e.ratios, e.unseen))
    high = max(*made, *unseen)
    return Chart(
        [
            Line("generated", words.tone(e.arm), made, fill=True, value=False),
            Line("never seen", "gray", unseen, fill=True, value=False),
        ],
        "Histogram of ratios: generated pictures lie left where they are copies, pictures that the "
        "model never saw lie right.",
        high=high,
        uprights=[(usual, "the rule's line", "gray")],
        height=150,
    )


def _density(scores: Scores, lines: list[float]) -> list[float]:
    """Percent of the scores around each place."""
    if not len(scores):
        return [0.0] * len(lines)
    return [100 * float((np.abs(scores - line) <= NEAR).mean()) for line in lines]


def _alarms(unseen: Scores, line: float) -> str:
    if not len(unseen):
        return ""
    wrong = int((unseen < line).sum())
    return (
        f"Of {len(unseen):,} real pictures it never saw, {wrong:,} would be called copies "
        f"({words.percent(wrong / len(unseen))})."
    )


def show_rates(exhibit: Exhibit) -> None:
    """Copies against false alarms, with the point where the line stands."""
    report = exhibit.report
    if report.copies.ratio.rate is None:
        st.caption(" ".join(report.warnings), width=760)
        return
    st.subheader("Copies against false alarms", anchor=False)
    charts.show(
        roc(report.copies, exhibit.ratios, exhibit.unseen, exhibit.line, exhibit.arm),
        f"roc-{exhibit.run.name}",
        "Copies against false alarms: "
        + "; ".join(
            f"{words.percent(p.rate)} copies by the rule for {words.percent(p.false_alarms)} "
            "false alarms"
            for p in report.copies.operating
            if p.rate is not None
        ),
    )
    words.under(
        "evidence",
        "Wherever the line is drawn, a good rule finds copies long before it cries wolf. The dots "
        "are the rules for 0.1 to 5 % with their 95 % intervals; the ring is your line.",
        [words.provenance(exhibit.run, report, exhibit.live)],
        lambda: report.copies.operating,
        words.evaluates(exhibit.run),
    )
