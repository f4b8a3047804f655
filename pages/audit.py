"""Are my samples just my training images? For any generator, with no model and no code."""

import streamlit as st

from ui import data, words
from ui.audit.result import show_audit
from ui.frame import enter, errors_in_words
from ui.jobs import drops, outcome, waiting
from ui.teacher import hidden

PLACE = "audit"

bar = enter(
    "Are my samples just my training images?",
    "Drop what a generator made, and what it learned from. Each image is set beside the training "
    "images nearest to it, by rules that are checked on images that are no copies.",
)
given, key, job = {}, "", None
if hidden("open"):
    st.caption("This link leaves out images of one's own.")
else:
    _, job = drops.look(PLACE)
    answered = job is not None and job.status != "failed"  # then the answer comes first
    with st.expander("Your images", icon=":material/photo_library:", expanded=not answered):
        given = drops.ask(PLACE, "Audit my images")
    key, job = drops.look(PLACE)
if job and job.active:
    waiting.watch(PLACE)
if job and job.status == "failed":
    words.refuse(job.state.error)
if job and job.status == "done":
    report = outcome.read(str(job.json), data.stamp(job.json))
    show_audit(report, key, lambda: drops.forget(PLACE, key))
    st.stop()
if job or given:
    st.stop()  # the example would look like the visitor's own result

example = data.audit_example()
if example is None:
    words.missing("No example is stored yet.", "make planted")
    st.stop()
st.divider()
with errors_in_words():
    report = outcome.read(str(example), data.stamp(example))
    st.markdown(
        f"**An example**: {report.n_samples:,} samples of the run {example.stem}, beside the "
        f"{report.corpus.n_train:,} images it learned · stored"
    )
    show_audit(report, "example")
