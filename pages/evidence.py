"""Every sample beside its nearest images, and where the line between copy and new is drawn."""

import streamlit as st

from ui import words
from ui.evidence import agreement, evidence, exhibit, own_pictures, ruling, search, twins
from ui.evidence.exhibit import Room
from ui.evidence.open_run import choose_run
from ui.evidence.sampling import draw_now
from ui.frame import enter, errors_in_words

VIEWS = ("Rows", "Two rules", "Search", "Twins", "Your pictures")

bar = enter(
    "Evidence",
    "Judge for yourself: every generated image beside the training images nearest to it, and the "
    "nearest image the model never saw.",
)
run = choose_run()
with errors_in_words():
    stored = exhibit.stored_exhibit(run)
    shown = draw_now(run, expanded=stored is None) or stored
    if shown is None:
        words.no_verdict(run)
    verdicts = shown.verdicts
    words.bar(bar, [run], getattr(verdicts, "step", None), shown.live)
    room = Room.of(run, shown)
    rule = ruling.choose(room)
    ruling.show_rates_and_histogram(room, rule)
words.under(
    "evidence",
    "Pixels: d1/d2 is the distance to the nearest training image over that to the second nearest. "
    "Encoder: features that survive mirroring and small shifts. On the side of *copies* of the "
    "dashed line a sample is called a copy; a good line has many samples and hardly any unseen "
    "image there.",
    [words.provenance(run, verdicts, shown.live), *rule.sources],
    lambda: verdicts.samples,
    words.evaluates(run),
)

st.space("small")
rows, two, by_image, near, own = st.tabs(VIEWS, key="view", bind="query-params")
views = (
    (rows, lambda: evidence.show_rows(room, rule)),
    (two, lambda: agreement.four_kinds(room)),
    (by_image, lambda: search.search_by_image(room, rule)),
    (near, lambda: twins.show_twins(run)),
)
with errors_in_words():
    for tab, view in views:
        if tab.open:
            with tab:
                view()
    with own:  # always drawn: an uploader that is not forgets its files
        own_pictures.show_own(room, rule)
