"""Every sample beside its nearest images, and where the line between copy and new is drawn."""

import streamlit as st

from ui import words
from ui.evidence_room import (
    agreement,
    encoded,
    evidence,
    exhibit,
    own_pictures,
    ruling,
    search,
    twins,
)
from ui.evidence_room.open_run import pick
from ui.evidence_room.sampling import draw_now
from ui.frame import enter, errors_in_words

VIEWS = ("Rows", "Two rules", "Search", "Twins", "Your pictures")

bar = enter(
    "Evidence room",
    "Judge for yourself: every generated image beside the training images nearest to it, and the "
    "nearest image the model never saw.",
)
run = pick()
with errors_in_words():
    stored = exhibit.stored(run)
    shown = draw_now(run, expanded=stored is None) or stored
    if shown is None:
        words.no_verdict(run)
    words.bar(bar, [run], shown.verdicts.get("step"), shown.live)
    known = encoded.cloud(run, shown.images, shown.sha256)
    rule = ruling.choose(run, shown, known)
    ruling.show(run, shown, rule)
words.under(
    "evidence",
    "Pixels: d1/d2 is the distance to the nearest training image over that to the second nearest. "
    "Encoder: features that survive mirroring and small shifts. On the side of *copies* of the "
    "dashed line a sample is called a copy; a good line has many samples and hardly any unseen "
    "image there.",
    [words.provenance(run, shown.verdicts, shown.live), *rule.sources],
    lambda: shown.verdicts["samples"],
    f"python -m ambient evaluate {words.address(run)} --json -",
)

st.space("small")
rows, two, by_image, near, own = st.tabs(VIEWS, key="view", bind="query-params")
with errors_in_words():
    if rows.open:
        with rows:
            evidence.show(run, shown, rule, known)
    if two.open:
        with two:
            agreement.show(run, shown, known)
    if by_image.open:
        with by_image:
            search.show(run, shown, rule, known)
    if near.open:
        with near:
            twins.show(run)
    with own:  # always drawn: an uploader that is not forgets its files
        own_pictures.show(run, rule, known)
