"""The lesson as a sheet of paper: the same steps as Markdown, and as HTML to print."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape

from ui.lesson.panel import NOT_STORED
from ui.lesson.steps import Step, steps
from ui.teacher import base

TITLE = "Ambient Explorer: a ten-minute lesson"


def rendered(kind: str, answers: bool) -> str:
    """The sheet as a text that stands alone, `html` or `md`.

    Args:
        answers: with what is stored, else with room to write.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(inline=inline, answer=answer)
    template = environment.get_template(f"sheet.{kind}")
    return template.render(title=TITLE, steps=steps(), base=base(), answers=answers)


def answer(step: Step) -> str:
    """The right option and the numbers behind it, without the colors that a page has."""
    found, right = step.found(), step.right()
    if found is None:
        return NOT_STORED
    text = re.sub(r":\w+\[(.*?)\]", r"\1", found.text)
    text = f"{text} {step.why}".strip()
    return f"**{step.options[right]}.** {text}" if right else text


def inline(text: str) -> Markup:
    """The Markdown of steps and answers, bold and emphasis, as HTML."""
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"\*(.+?)\*", r"<em>\1</em>", html))
