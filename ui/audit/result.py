"""The answer of an audit: a sentence, then pairs by original, then the files that leaked."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import streamlit as st

from ambient.files import encode_record
from ambient.reports import answer as answers
from ambient.reports.page import leaked, page
from ambient.reports.pictures import unstrip
from ambient.reports.records import Audit, AuditedImage, Original
from ui import charts, pictures, words
from ui.charts.verdicts import histogram
from ui.jobs import outcome
from ui.pictures import WARM
from ui.teacher import hidden

ICONS = {
    "copies": ("warning", "orange"),
    "none": ("check_circle", "blue"),
    "unclear": ("help", "gray"),
    "unknown": ("hourglass_empty", "gray"),
}
GROUPS = 8  # originals with their copies, at once
BESIDE = 3  # copies of one original, at once
TILE = 160
LISTED = 20  # leaked files in view; the list scrolls to the others
LINE = 37  # CSS pixels of a row of a table
TABLE = 2000  # images in the table on the page; all are in the CSV


def show_audit(report: Audit, key: str, actions: Callable[[], None] | None = None) -> None:
    """One audit, whole; `actions` draws what a visitor can do with one of their own."""
    show_answer(report)
    show_groups(report, key)
    _leaked(report, key)
    with st.container(horizontal=True, gap="small"):
        if not hidden("data"):
            _downloads(report, key)
        if actions:
            actions()
    with st.expander("How sure is that?", key=f"audit-sure-{key}", on_change="rerun") as sure:
        if sure.open:
            for note in report.warnings:
                st.markdown(f"- {words.unmarked(note[:1].upper() + note[1:])}", width=860)
            _rates(report)
            _histogram(report, key)
            _table(report)


def show_answer(report: Audit) -> None:
    """The answer in one sentence, with what it counts."""
    answer = report.answer
    icon, color = ICONS[answer.key]
    st.header(f":{color}[:material/{icon}:] {answers.ANSWERS[answer.key]}", anchor=False)
    st.markdown(words.unmarked(answer.sentence), width=860)
    if missed := [r.change for r in answers.out_of_reach(report.recall)]:
        st.caption(f"Not found here: copies that were {', '.join(missed)}. There may be more.")
    if answer.key != "copies":  # what it could have found, and how the pictures were read
        st.markdown(words.unmarked(" ".join(answers.sentences(report))), width=860)


def show_groups(report: Audit, key: str, most: int = GROUPS) -> None:
    """Originals beside the copies of them, as the report keeps them."""
    groups: dict[str, list[Original]] = {}
    for pair in report.originals:
        groups.setdefault(pair.files[1], []).append(pair)
    counts = {name: len(samples) for name, samples in leaked(report).items()}
    names = sorted(groups, key=lambda name: -counts.get(name, 1))
    if not names:
        return
    _draw_groups(groups, counts, names[:most])
    if rest := names[most:]:
        label = f"{len(rest)} more, with their copies"
        if len(counts) > len(names):
            label += f" (pictures of {len(names)} are kept, all {len(counts)} are listed below)"
        with st.expander(label, key=f"audit-groups-{key}", on_change="rerun") as place:
            if place.open:
                _draw_groups(groups, counts, rest)


def _draw_groups(
    groups: Mapping[str, list[Original]], counts: Mapping[str, int], names: Sequence[str]
) -> None:
    grid = st.grid(4, min_column_width=150, gap="small")
    for name in names:
        pairs = groups[name][:BESIDE]
        made = [unstrip(pair.strip, 2)[0] for pair in pairs]
        original = unstrip(pairs[0].strip, 2)[1]
        count = counts.get(name, len(pairs))
        files = [pair.files[0] for pair in pairs]
        with grid.cell(), st.container(border=True, gap="xsmall"):
            st.image(
                pictures.group(original, made, WARM, TILE),
                width="stretch",
                alt=f"{name}, and as copies of it: {', '.join(files)}",
            )
            times = {1: "once", 2: "twice"}.get(count, f"{count} times")
            more = f" and {count - 1} more" if count > 1 else ""
            said = f"**{words.unmarked(name)}** came back {times}: {words.unmarked(files[0])}{more}"
            st.caption(said)


def _leaked(report: Audit, key: str) -> None:
    """The visitor's own files that came back, to look up and to take along."""
    rows = [
        {
            "your file": name,
            "times": len(samples),
            "how": ", ".join(
                Counter(answers.in_words(s.likeness or "nearly the same") for s in samples)
            ),
            "came back as": ", ".join(s.file for s in samples[:20]),
        }
        for name, samples in leaked(report).items()
    ]
    if not rows:
        return
    n = report.corpus.n_train
    st.subheader(f"{len(rows):,} of {n:,} training pictures came back", anchor=False)
    shown = min(len(rows), LISTED)
    st.dataframe(rows, hide_index=True, height=LINE * (shown + 1) + 3, key=f"leaked-{key}")


def _downloads(report: Audit, key: str) -> None:
    for label, make, file, mime, icon in (
        ("Report to hand on", partial(page, report), "audit.html", "text/html", "description"),
        ("JSON", partial(encode_record, report), "audit.json", "application/json", "data_object"),
    ):
        words.download(label, make, file, mime, None, icon, f"{file}-{key}")


def _rates(report: Audit) -> None:
    """What stands behind a "Yes", and what was found of planted copies."""
    if report.answer.key == "copies":
        st.markdown(words.unmarked(" ".join(answers.sentences(report))), width=860)
    if report.recall:
        st.dataframe(
            [
                {"change": r.change, "planted copies": r.planted, "found": r.found}
                for r in report.recall
            ],
            hide_index=True,
            width=420,
        )


def _histogram(report: Audit, key: str) -> None:
    rule = report.copies.ratio
    if rule.rate is None:
        return
    ratios = np.array([r.ratio for r in report.samples], np.float32)
    unseen = np.array(report.heldout_ratios, np.float32)
    below = words.innocent(report)
    figure = histogram(ratios, unseen, rule.threshold, "standard", below)
    alt = (
        f"d1/d2 of generated images above, of {report.calibrated_on} below; "
        f"{words.percent(rule.rate)} of generated ones are on the side of copies."
    )
    charts.show(figure, f"audit-histogram-{key}", alt)
    words.under(
        f"audit-{key}",
        f"Above the axis what was generated, below it {report.calibrated_on}: the part of them "
        "left of the line are false alarms.",
        [outcome.provenance(report)],
        lambda: report.samples,
        f"{outcome.command(report)} --html audit.html --json -",
    )


def _verdict(row: AuditedImage) -> str:
    if row.named:
        return f"= copy, {answers.in_words(row.likeness or '')}"
    return f"not named: {row.likeness}" if row.likeness else "not named"


def _table(report: Audit) -> None:
    """Every image, the most suspicious first."""
    records = sorted(report.samples, key=lambda r: r.ratio)[:TABLE]
    st.caption(
        f"Every image, the nearest first; of {report.n_samples:,} the first {len(records):,}."
    )
    st.dataframe(
        [
            {
                "generated": r.file,
                "verdict": _verdict(r),
                "nearest training image": r.nearest_file,
                "d1/d2": r.ratio,
                "most similar": r.most_similar_file,
                "similarity": r.similarity,
            }
            for r in records
        ],
        hide_index=True,
        height=300,
    )
    st.caption(
        "This says what these pictures show. It is no proof of privacy: a generator may have "
        "learned pictures that it did not show here.",
        width=860,
    )
