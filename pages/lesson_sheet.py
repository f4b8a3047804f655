"""The lesson on paper: every step with room to write; with `?answers=true`, what is stored."""

import streamlit as st

from ui import teacher
from ui.frame import enter, hidden
from ui.lesson import sheet

enter(
    "The lesson as a sheet",
    "For the class: each step with its question and room to write. Print this page, or download "
    "it; with the answers it is a sheet for the teacher.",
)
if not hidden("teacher"):
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        answers = st.toggle("With the answers", key="answers", bind="query-params")
        st.download_button(
            "HTML",
            lambda: sheet.html(answers),
            "lesson.html",
            "text/html",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
        st.download_button(
            "Markdown",
            lambda: sheet.markdown(answers),
            "lesson.md",
            "text/markdown",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    teacher.warn_if_local()
else:
    answers = False
for step in sheet.entries(answers):
    sheet.show(step)
