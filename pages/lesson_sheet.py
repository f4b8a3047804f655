"""The lesson on paper: every step with its picture and room to write."""

from functools import partial

import streamlit as st

from ui import words
from ui.frame import enter
from ui.lesson import sheet
from ui.lesson.figures import picture
from ui.lesson.steps import steps
from ui.teacher import hidden

enter(
    "The lesson as a sheet",
    "For the class: each question with its picture and room to write, to print or to hand out.",
)
answers = False
if not hidden("teacher"):
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        answers = st.toggle("With the answers", key="answers", bind="query-params")
        make = partial(sheet.rendered, answers)
        words.download("To print (HTML)", make, "lesson.html", "text/html")
for step in steps():
    st.subheader(f"{step.number}. {step.question}", anchor=False)
    if found := picture(step):
        st.image(found, width=520, alt=step.text)
    st.markdown("\n".join(f"- ☐ {option}" for option in step.options.values()))
    if answers:
        st.caption(sheet.answer(step))
