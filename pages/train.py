"""Train a model in the background and watch it learn, and perhaps copy."""

import streamlit as st

from ui import visitor
from ui.frame import enter, errors_in_words
from ui.teacher import hidden
from ui.train import cards, form, watch

enter("Train", "A small model learns here from the pictures you pick, and goes on if you leave.")
with errors_in_words():
    visitor.token()
    asked = st.query_params.get("mine")
    runs = visitor.runs(asked)
    visitor.tell_gone("mine", runs.keys() & {asked})
    if asked in runs:
        watch.show(runs[asked])
        st.stop()
st.query_params.pop("mine", None)  # of a run that is gone
if form.started_from():  # what was asked for on a run comes first
    st.markdown(f"**Continue {form.started_from().replace('@', ' from step ')}**, as you set it:")
    form.show()
    cards.show()
else:
    cards.show()
    if not hidden("train"):
        form.show()
cards.show_started(runs)
