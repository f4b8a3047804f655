"""Any two runs side by side, from the same noise: what was changed, and what that changed."""

import streamlit as st

from ui import data, words
from ui.compare import choice, curves, pairs
from ui.frame import enter, errors_in_words

bar = enter(
    "Compare",
    "Any two runs side by side, each pair of samples from the same noise. Change one thing between "
    "them, and what differs is due to it.",
)
with errors_in_words():
    known = choice.judged()
if len(known) < 2:
    words.missing("No two judged runs to compare yet.", "make assets")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    runs = choice.choose(known)
with errors_in_words():
    words.bar(bar, runs)
    choice.show_changes(*runs)
    reports = [data.report(run) for run in runs]
    seeds = pairs.common(runs, reports)
    found = pairs.paired(runs, reports) if seeds else None
    pairs.headline(runs, reports, found)
    if found:
        pairs.show(runs, reports, seeds)
words.under(
    "compare",
    pairs.in_words(found) if found else pairs.NONE,
    [words.provenance(run, report) for run, report in zip(runs, reports, strict=True)],
    lambda: pairs.rows(reports, seeds),
    f"python -m ambient compare {words.address(runs[0])} {words.address(runs[1])} --json -",
)
with errors_in_words():
    curves.show_levels(runs)
    curves.show_training(runs)
