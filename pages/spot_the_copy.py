"""Two models, the same noise: which generated images are copies of training images?"""

import streamlit as st
from msgspec.structs import asdict

from ui import covers, data, deal, galleries, words
from ui.frame import enter, errors_in_words
from ui.spot_the_copy import game, own
from ui.teacher import hidden

bar = enter(
    "New, or a copy?",
    "Two networks learned from the same few images and start from the same noise. "
    "Under each generated image stands the training image nearest to it. "
    "A frame with an equals sign marks a copy.",
)
alone = not covers.is_on() and not hidden("open")
if alone:
    own.show_hint()
table = data.with_cutoffs()
if not table:
    words.missing("No pair of stored runs to compare yet.", "make assets")
    st.stop()

standard_rate, ambient_rate, unseen_rate, choice = st.columns([3, 3, 3, 2.4], gap="medium")
with choice:
    n = galleries.choose_size(table, next(iter(table)))
runs = {"standard": table[n][0.0]}
with ambient_rate:
    covered = covers.covered("ambient")
if not covered:
    with choice:
        cutoff = galleries.choose_cutoff(n, table[n])
    runs["ambient"] = table[n][cutoff]
with errors_in_words():
    words.bar(bar, list(runs.values()))
    reports = {arm: data.report(run) or words.no_verdict(run) for arm, run in runs.items()}

with standard_rate:
    words.copied_metric("Standard model: copied", reports["standard"], "standard")
with unseen_rate:
    words.alarm_metric(words.called_copies(reports["standard"]), reports["standard"])
if not covered:
    with ambient_rate:
        label = f"Ambient model, cutoff {cutoff:g}: copied"
        words.copied_metric(label, reports["ambient"], "ambient")


def side_by_side() -> None:
    """The same seeds of both models."""
    with errors_in_words():
        seeds = galleries.common_seeds(runs, reports, deal.number())
        for column, (arm, run) in zip(st.columns(2, gap="large"), runs.items(), strict=False):
            with column:
                galleries.show_gallery(run, reports[arm], seeds)
    if not hidden("shuffle"):
        deal.button("Show other samples")
    words.under(
        "spot-the-copy",
        "A copy is a sample much nearer to one training image than to any other one. "
        + words.resembling(reports["standard"].copies.ratio.threshold)
        + ("" if covered else " The same place left and right began with the same noise."),
        [words.provenance(runs[arm], reports[arm]) for arm in runs],
        lambda: [
            {"run": runs[arm].name, **asdict(row)} for arm in runs for row in reports[arm].samples
        ],
        "\n".join(words.evaluates(run) for run in runs.values()),
    )


def guessing() -> None:
    if not hidden("game"):
        with errors_in_words():
            game.play(runs["standard"], reports["standard"])


if covers.at("spot"):  # the question comes first, and the gallery would answer it
    guessing()
    if not covers.covered("gallery"):
        side_by_side()
else:
    side_by_side()
    guessing()
if alone:
    own.show_card()
