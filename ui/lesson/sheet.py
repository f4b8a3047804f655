"""The lesson as a sheet of paper: the same steps on a page, as Markdown and as HTML to print."""

from __future__ import annotations

import html as escape
import re
from dataclasses import dataclass

import streamlit as st

from ui import lesson
from ui.teacher import base

LINES = 3  # to write on, under each step
TITLE = "Ambient Explorer: a ten-minute lesson"

STYLE = """
body { font: 11pt/1.45 sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 1.4rem 0 .3rem; }
section { break-inside: avoid; } p { margin: .3rem 0; }
ul { list-style: "\\25A2\\00A0\\00A0"; padding-left: 1.4rem; margin: .3rem 0; }
hr { border: 0; border-bottom: 1px solid #888; margin: 1.5rem 0 0; }
.answer { border-left: 3px solid #888; padding-left: .7rem; }
@media print { body { margin: 0; max-width: none; } a { color: inherit; } }
"""


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
    return [_entry(step, answers) for step in lesson.steps()]


def _entry(step: lesson.Step, answers: bool) -> Entry:
    return Entry(
        f"{step.number}. {step.title} ({step.minutes} min)",
        f"{base()}/{step.page}?lesson={step.number}",
        step.text,
        step.question,
        [_option(step, key, answers) for key in step.options],
        _answer(step) if answers else "",
    )


def _option(step: lesson.Step, key: str, answers: bool) -> str:
    text = step.options[key]
    return f"**{text}**" if answers and key == step.right() else text


def _answer(step: lesson.Step) -> str:
    found = step.found()
    if found is None:
        return "The run that answers this is not stored here."
    right = step.right() if step.question else None
    # Sentences of the page carry its colors; paper has none.
    text = re.sub(r":\w+\[(.*?)\]", r"\1", found.text)
    text = f"{text} {step.why}".strip()
    return f"**{step.options[right]}.** {text}" if right else text


def show(entry: Entry) -> None:
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


def markdown(answers: bool) -> str:
    parts = [f"# {TITLE}", "Name: ______________________________"]
    for e in entries(answers):
        parts += [f"## {e.title}", f"`{e.link}`", e.text]
        if e.question:
            parts += [f"*{e.question}*", "\n".join(f"- [ ] {o}" for o in e.options)]
        parts += [f"> {e.answer}"] if e.answer else ["_" * 60] * LINES
    return "\n\n".join(parts) + "\n"


def html(answers: bool) -> str:
    """A page that stands alone and prints on two sides or so."""
    body = "".join(_section(e) for e in entries(answers))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{TITLE}</title>'
        f"<style>{STYLE}</style><h1>{TITLE}</h1><p>Name: {'_' * 30}</p>{body}</html>\n"
    )


def _section(e: Entry) -> str:
    question = ""
    if e.question:
        options = "".join(f"<li>{_inline(o)}</li>" for o in e.options)
        question = f"<p><em>{_inline(e.question)}</em></p><ul>{options}</ul>"
    below = f'<p class="answer">{_inline(e.answer)}</p>' if e.answer else "<hr>" * LINES
    link = f"<p><small>{_inline(e.link)}</small></p>"
    return (
        f"<section><h2>{_inline(e.title)}</h2>{link}<p>{_inline(e.text)}</p>"
        f"{question}{below}</section>"
    )


def _inline(text: str) -> str:
    """The Markdown of steps and answers: bold and emphasis."""
    text = escape.escape(text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"\*(.+?)\*", r"<em>\1</em>", text)
