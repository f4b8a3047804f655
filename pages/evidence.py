"""Every sample beside its nearest images, and the line between copy and new under your hand."""

import streamlit as st

from ui.evidence import beside, exhibit, line, rows, sampling, search, twins
from ui.evidence.open_run import choose_run
from ui.frame import enter, errors_in_words

VIEWS = ("Rows", "Search", "Another run", "Sample now", "Twins")

enter("Evidence", "Where does a copy begin? Drag the line: what lies left of it is called a copy.")
run = choose_run()
with errors_in_words():
    shown = sampling.drawn(run) or exhibit.stored(run)
    if shown is None:
        sampling.offer_verdict(run)
        st.stop()
    shown = line.drag(shown)
    line.show_rates(shown)

st.space("small")
by_row, by_image, other, now, near = st.tabs(VIEWS, key="view", bind="query-params")
with errors_in_words():
    with by_image:  # always drawn: an uploader that is not forgets its files
        own = search.own_pictures(shown)
        if by_image.open:
            search.show_search(shown, own)
    views = (
        (by_row, lambda: rows.show_rows(shown)),
        (other, lambda: beside.show_beside(run, shown.report)),
        (now, lambda: sampling.show_sampling(run)),
        (near, lambda: twins.show_twins(run)),
    )
    for tab, view in views:
        if tab.open:
            with tab:
                view()
