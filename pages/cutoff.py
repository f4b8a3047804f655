"""What the cutoff costs and what it buys: galleries, noisy copies, quality against copies."""

import streamlit as st

from ui import covers, data, galleries, words
from ui.cutoff import another, frozen, splicing, trade
from ui.frame import enter, errors_in_words
from ui.teacher import control, hidden

bar = enter(
    "Cutoff",
    "Above the cutoff the network never sees a clean image, only one fixed noisy copy of each. "
    "What does that do to copies, and to quality?",
)
table = data.with_cutoffs()
if not table:
    words.missing("No stored runs with a cutoff yet.", "make assets")
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
    n = galleries.choose_size(table, max(table, key=lambda n: len(table[n])))
    with control("settings"):
        cutoff = st.select_slider(
            "Cutoff (noise level)",
            list(table[n]),
            value=galleries.usual(list(table[n])),
            format_func=lambda c: f"{c:g}" if c else "no cutoff",
            key=f"cutoff-{n}",
            bind="query-params",
            width=520,
            disabled=covers.waits("valley") > 0,
        )
standard, run = table[n][0.0], table[n][cutoff]
with errors_in_words():
    words.bar(bar, [standard, run] if cutoff else [standard])
    baseline = data.report(standard) or words.no_verdict(standard)
    verdicts = data.report(run) or words.no_verdict(run)

copied, without, unseen, quality = st.columns(4, gap="medium")
if cutoff:
    with copied:
        words.copied_metric(f"Copied at cutoff {cutoff:g}", verdicts, "ambient")
with without if cutoff else copied:
    words.copied_metric("Copied without a cutoff", baseline, "standard")
with unseen:
    words.alarm_metric(words.called_copies(baseline), baseline)
with quality:
    words.quality_metric(verdicts, baseline)

with errors_in_words():
    seeds = range(galleries.SHOWN)
    left, right = st.columns(2, gap="large")
    with left:
        galleries.show_gallery(standard, baseline, seeds)
    with right:
        if cutoff:
            galleries.show_gallery(run, verdicts, seeds)
        elif not hidden("settings"):
            st.caption("Move the slider to put a model with a cutoff beside it.")
    st.caption(words.resembling(baseline.copies.ratio.threshold), width=760)
    if cutoff:
        frozen.show_frozen(run)

selected = f"ambient-{cutoff:g}" if cutoff else "standard-0"
trade.show_valley(table[n], n, cutoff)
trade.show_quality(table[n], n, selected)
splicing.show_splices(table[n], n)
another.offer_training(standard)
