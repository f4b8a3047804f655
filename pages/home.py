"""Copy or new? Two networks draw from the same noise, step by step of their training."""

import streamlit as st

from ui import data, stages, words
from ui.controls import more
from ui.film.training import scrub_training, training_film
from ui.frame import enter, errors_in_words
from ui.home import along, another, forming, game
from ui.teacher import hidden

enter(
    "Copy or new?",
    "Two networks draw from the same noise. Drag through their training: drawings become copies.",
)
with errors_in_words():
    pairs = stages.pairs()
if not pairs:
    words.missing("No stored run with its stages yet.", "make assets")
    st.stop()
place = st.container()  # the pictures come first
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    if not hidden("settings"):
        st.markdown("They learned from", width="content")
    runs = pairs[stages.choose_pair(pairs)]
standard = runs["standard"]

with place, errors_in_words():
    steps = stages.steps(runs)
    usual = stages.farthest(runs, steps)
    marks = training_film(runs, steps).rows[0].marks[usual]
    copy = marks.index("copy") if "copy" in marks else 0
    at = scrub_training(runs, steps, first=(0, copy), usual=usual, opens=True)
    words.under(
        "copy-or-new",
        "Each column began as the same noise. Tap a picture to compare it."
        if len(runs) > 1
        else "Tap a picture to compare it.",
        along.sources(runs, steps[at.frame]),
        lambda: stages.rows(runs),
        "make assets",
    )
if not hidden("live"):
    another.offer(runs)
with errors_in_words():
    report = data.report(standard)
    if report and not hidden("game"):
        game.play(standard, report)

if not hidden("open"):
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown("**Your own pictures?**", width="content")
        st.page_link("pages/audit.py", label="Find copies in them", icon=":material/fact_check:")
        if not hidden("train"):
            name, icon = "Train on them", ":material/model_training:"
            st.page_link("pages/train.py", label=name, icon=icon)
with more("How copies come about") as opened, errors_in_words():
    if opened:
        forming.show_forming(runs)
        along.show_errors(runs)
        along.show_sizes(pairs, runs)
