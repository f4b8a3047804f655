"""The lesson on paper: every step with room to write; with `?answers=true`, what is stored."""

from functools import partial

import streamlit as st

from ui import teacher, words
from ui.frame import enter
from ui.lesson import sheet
from ui.teacher import hidden

enter(
    "The lesson as a sheet",
    "For the class: each step with its question and room to write. Print this page, or download "
    "it; with the answers it is a sheet for the teacher.",
)
if not hidden("teacher"):
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        answers = st.toggle("With the answers", key="answers", bind="query-params")
        for label, kind in (("HTML", "html"), ("Markdown", "md")):
            make = partial(sheet.rendered, kind, answers)
            words.download(label, make, f"lesson.{kind}", f"text/{label.lower()}")
    teacher.warn_if_local()
else:
    answers = False
_, _, steps = sheet.rendered("md", answers).partition("\n\n")
st.markdown(steps, width=760)
