"""The lesson as a sheet of paper: the same steps on a page, as Markdown and as HTML to print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape

from ui.lesson.panel import NOT_STORED
from ui.lesson.steps import Step, steps
from ui.teacher import base

TITLE = "Ambient Explorer: a ten-minute lesson"


@dataclass(frozen=True)
class Entry:
    """One step as it stands on paper; `answer` is empty unless it was asked for."""

    title: str
    link: str
    text: str
    question: str
    options: list[str]
    answer: str


def entries(answers: bool) -> list[Entry]:
    return [_entry(step, answers) for step in steps()]


def _entry(step: Step, answers: bool) -> Entry:
    right = step.right() if answers else None
    return Entry(
        f"{step.number}. {step.title} ({step.minutes} min)",
        f"{base()}/{step.page}?lesson={step.number}",
        step.text,
        step.question,
        [f"**{text}**" if key == right else text for key, text in step.options.items()],
        _answer(step, right) if answers else "",
    )


def _answer(step: Step, right: str | None) -> str:
    found = step.found()
    if found is None:
        return NOT_STORED
    # Sentences of the page carry its colors; paper has none.
    text = re.sub(r":\w+\[(.*?)\]", r"\1", found.text)
    text = f"{text} {step.why}".strip()
    return f"**{step.options[right]}.** {text}" if right else text


def show_entry(entry: Entry) -> None:
    """A step on the page."""
    with st.container(border=True, gap="small"):
        st.markdown(f"**{entry.title}** :small[:gray[{entry.link}]]")
        st.markdown(entry.text, width=760)
        if entry.question:
            boxes = "".join(f"  \n:material/check_box_outline_blank: {o}" for o in entry.options)
            st.markdown(f"*{entry.question}*{boxes}")
        if entry.answer:
            st.markdown(f":material/lightbulb: {entry.answer}", width=760)
        else:
            st.space("large")


def rendered(kind: str, answers: bool) -> str:
    """The sheet as a file that stands alone, `html` or `md`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = _inline
    template = environment.get_template(f"sheet.{kind}")
    return template.render(title=TITLE, entries=entries(answers))


def _inline(text: str) -> Markup:
    """The Markdown of steps and answers, bold and emphasis, as HTML."""
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"\*(.+?)\*", r"<em>\1</em>", html))
