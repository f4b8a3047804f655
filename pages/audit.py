"""Are my samples just my training images? For any generator, with no model and no code."""

import streamlit as st

from ui import data, words
from ui.audit import door, example
from ui.audit.result import show_audit
from ui.frame import enter, errors_in_words
from ui.jobs import outcome
from ui.teacher import hidden

enter("Audit", "Did your generator copy the pictures that it learned from? Drop both sets.")
key, job = ("", None) if hidden("open") else door.look()
if job and job.status == "done" and door.ANOTHER not in st.query_params:
    with errors_in_words():
        report = outcome.read(str(job.json), data.stamp(job.json))
        show_audit(report, key, lambda: door.actions(key))
    st.stop()
if job and job.active:
    door.wait()
    st.stop()
if job and job.status == "failed":
    words.refuse(job.state.error)
if hidden("open"):
    st.caption("This link leaves out pictures of one's own.")
    example.show()
else:
    place = st.container()
    given = door.ask()
    if not (given or job):  # it would look like the visitor's own result
        with place:
            example.show_strip()
        example.show()
