"""The answer of an audit: in words, in numbers, and image by image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from ambient.files import encode_record
from ambient.reports import answer as answers
from ambient.reports.page import page
from ambient.reports.pictures import unstrip
from ambient.reports.records import Audit, AuditedImage, Evidence
from ui import charts, words
from ui.charts.verdicts import histogram
from ui.controls import pick
from ui.jobs import outcome
from ui.pictures import WARM, compared, gallery
from ui.teacher import hidden

RULES = {"Pixels": "ratio", "Features": "similarity"}
ORDERS = ("Worst", "Median", "Random")
SCORE = {"ratio": "d1/d2", "similarity": "similarity"}
ICONS = {
    "copies": ("warning", "orange"),
    "none": ("check_circle", "blue"),
    "unclear": ("help", "gray"),
    "unknown": ("hourglass_empty", "gray"),
}
COLUMNS = 8  # of copies
TABLE = 2000  # images in the table on the page; all are in the CSV


def show_audit(report: Audit, key: str, forget: Callable[[], None] | None = None) -> None:
    """One audit, whole.

    Args:
        key: tells its widgets from those of another audit.
        forget: deletes it, where that is the visitor's to do.
    """
    kind = answers.answer(report)
    icon, color = ICONS[kind]
    st.header(f":{color}[:material/{icon}:] {answers.ANSWERS[kind]}", anchor=False)
    st.markdown(" ".join(answers.sentences(report)), width=760)
    _numbers(report)
    with st.container(horizontal=True, gap="small"):
        if not hidden("data"):
            _downloads(report, key)
        if forget:
            outcome.delete("Delete this audit", f"audit-delete-{key}", forget)
    _histogram(report, key)
    st.subheader("Look for yourself", anchor=False)
    _rows(report, key)
    _copies(report, key)
    _table(report)
    _caveats(report)


def _numbers(report: Audit) -> None:
    judged = answers.rules(report)
    if not judged:
        return
    columns = iter(st.columns(2 * len(judged), gap="medium"))
    for name in judged:
        title = answers.TITLES[name]
        with next(columns):
            words.copied_metric(f"{title}: copies", report, "standard", name, fine=True)
        with next(columns):
            words.alarm_metric(f"{title}: false alarms", report, name, fine=True)
    if more := [rule.rated for rule in report.copies.others if rule.rate is not None]:
        said = [
            f"**{r.features}** {words.percent(r.rate)} ({words.interval(r.ci95)}), "
            f"false alarms {words.percent(r.heldout_rate)}"
            for r in more
        ]
        st.caption(f"By the cosine similarity of other features: {'; '.join(said)}.")


def _downloads(report: Audit, key: str) -> None:
    about = "One page with everything on it, to hand on"
    words.download(
        "Report (HTML)",
        lambda: page(report),
        "audit.html",
        "text/html",
        about,
        "description",
        f"audit-html-{key}",
    )
    words.download(
        "JSON",
        lambda: encode_record(report),
        "audit.json",
        "application/json",
        None,
        "data_object",
        f"audit-json-{key}",
    )


def _histogram(report: Audit, key: str) -> None:
    rule = report.copies.ratio
    if rule.rate is None:
        return
    ratios = np.array([r.ratio for r in report.samples], np.float32)
    unseen = np.array(report.heldout_ratios, np.float32)
    below = words.innocent(report)
    figure = histogram(ratios, unseen, rule.threshold, "ratio", "standard", below)
    alt = (
        f"d1/d2 of generated images above, of {report.calibrated_on} below; "
        f"{words.percent(rule.rate)} of generated ones are on the side of copies."
    )
    charts.show(figure, f"audit-histogram-{key}", alt)
    words.under(
        "audit",
        "Each image's distance to its nearest training image over that to the second nearest. "
        f"Above the axis what was generated, below it {report.calibrated_on}: the part of them "
        "left of the line are false alarms.",
        [outcome.provenance(report)],
        lambda: report.samples,
        f"{outcome.command(report)} --html audit.html --json -",
    )


def _rows(report: Audit, key: str) -> None:
    known = {found.rule for found in report.evidence}
    rules = [name for name, rule in RULES.items() if rule in known]
    if not rules:
        return
    with st.container(horizontal=True, gap="medium"):
        rule = RULES[pick("shuffle", "Nearest by", rules, key=f"audit-rule-{key}")]
        order = pick("shuffle", "Rows", ORDERS, key=f"audit-order-{key}").lower()
    rows = [e for e in report.evidence if (e.rule, e.order) == (rule, order)]
    if not rows:
        return
    last = "difference of the first two, three times as bright"
    st.caption(f"From left to right: {' · '.join([*rows[0].roles, last])}.", width=760)
    for found in rows:
        _row(report.samples[found.sample], found)


def _row(record: AuditedImage, found: Evidence) -> None:
    """One image: its pictures, the verdict and the files."""
    rule, names = found.rule, found.files
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    pairs = zip(found.roles, names, strict=True)
    left.image(
        compared(unstrip(found.strip, len(names))),
        width="stretch",
        alt="; ".join(f"{role}: {name}" for role, name in pairs),
    )
    with right:
        copied = record.is_copy(rule)
        mark = ":orange[**= copy**]" if copied else f"**{answers.elsewhere(record, rule)}**"
        what = f", {record.likeness}" if copied and record.likeness else ""
        st.markdown(f"{mark}{what} · {SCORE[rule]} **{getattr(record, rule):.4g}**")
        st.caption(f"*{words.unmarked(names[0])}* → *{words.unmarked(names[1])}*")


def _copies(report: Audit, key: str) -> None:
    """Every copy above its original, once somebody asks for them."""
    found = report.originals
    if not found:
        return
    label = f"Copies and their originals ({len(found):,} pairs)"
    place = st.expander(label, key=f"audit-copies-{key}", on_change="rerun")
    if not place.open:
        return
    with place:
        st.caption(answers.paired(report), width=760)
        made, known = zip(*(unstrip(row.strip, 2) for row in found), strict=True)
        st.image(
            gallery(np.stack(made), np.stack(known), [True] * len(made), WARM, COLUMNS),
            width="stretch",
            alt="; ".join(" beside ".join(row.files) for row in found),
        )


def _table(report: Audit) -> None:
    """Every image, the most suspicious first."""
    records = sorted(report.samples, key=lambda r: r.ratio)
    with st.expander(f"Every image and the files nearest to it ({len(records):,})"):
        st.dataframe(
            [
                {
                    "generated": r.file,
                    "nearest training image": r.nearest_file,
                    "d1/d2": r.ratio,
                    "copy by pixels": r.copy,
                    "most similar": r.most_similar_file,
                    "similarity": r.similarity,
                    "copy by features": r.copy_by_similarity,
                    "what it is": r.likeness,
                }
                for r in records[:TABLE]
            ],
            hide_index=True,
            height=360,
        )
        if len(records) > TABLE:
            st.caption(f"The first {TABLE:,}; all of them are in the CSV.")


def _caveats(report: Audit) -> None:
    notes = [
        *report.warnings,
        "This says what these images show. It is no proof of privacy: a generator may have learned "
        "images that it did not show here.",
    ]
    st.subheader("What to keep in mind", anchor=False)
    for note in notes:
        st.caption(f"- {_note(note)}", width=760)


def _note(text: str) -> str:
    """A warning as a sentence; names of files in it are no markup."""
    return words.unmarked(text[:1].upper() + text[1:])
