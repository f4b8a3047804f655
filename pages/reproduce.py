"""Every figure with its data and its command, what agrees with the paper, all as a zip."""

import streamlit as st

from ui import charts, cutoffs, data, words
from ui.frame import enter, errors_in_words
from ui.reproduce import figures
from ui.teacher import hidden

COLUMNS = 3

enter(
    "Reproduce and export",
    "Nothing here has to be believed. Every figure has its data and the command that makes it "
    "again; all of it can be taken home.",
)
table = data.with_cutoffs()
if not table:
    words.missing("No stored runs to show figures of yet.", "make assets")
    st.stop()
with errors_in_words():
    every = figures.every()
    n = next(iter(table))
    field = cutoffs.field(table[n], n, next(iter(cutoffs.MEASURES)))
    baseline = data.report(table[n][0.0])
    if baseline is None:
        words.no_verdict(table[n][0.0])
ends = {p.name: p for p in field.ends}
best = min((p for p in field.ends if p.arm == "ambient"), key=lambda p: p.rate)
standard, ambient, unseen = st.columns(3, gap="medium")
for column, point in ((standard, ends["standard-0"]), (ambient, best)):
    with column:
        label = f"{point.label.capitalize()}, n = {n}: copied"
        words.rate_metric(label, point.rate, (point.low, point.high), point.arm)
with unseen:
    words.alarm_metric(words.called_copies(baseline), baseline)
st.caption(f"{field.about} The cutoff with the fewest copies of those stored.", width=760)

if not hidden("data"):
    st.download_button(
        "Everything as a zip",
        lambda: figures.archive(every),
        "ambient-explorer.zip",
        "application/zip",
        type=words.prominent(),
        icon=":material/folder_zip:",
        on_click="ignore",
        help="A CSV of each figure, galleries as PNG, charts as pages that save SVG, the stored "
        "files behind them, and a manifest with hashes and commands",
    )
if agreed := figures.section("What agrees with the paper"):
    st.subheader("What agrees with the paper, and at which scale", anchor=False)
    st.markdown(agreed)
    st.caption("From docs/results.md, which *make results* writes from the stored tables.")

st.subheader("Every figure", anchor=False)
for start in range(0, len(every), COLUMNS):
    for column, figure in zip(
        st.columns(COLUMNS, gap="medium"), every[start : start + COLUMNS], strict=False
    ):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{figure.title}**")
            if figure.picture:
                st.image(figure.picture(), alt=figure.alt, width="stretch")
            if draw := figure.small or figure.chart:
                charts.thumbnail(draw, f"small-{figure.name}", figure.alt, figure.sources)
            st.space("stretch")
            st.page_link(
                f"pages/{figure.page}.py",
                label="Open",
                icon=":material/open_in_full:",
                query_params=figure.query,
            )
            words.under(figure.name, "", figure.sources, figure.rows, figure.command)
