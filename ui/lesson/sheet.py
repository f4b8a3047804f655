"""The lesson as a sheet of paper: the same steps as HTML with pictures, to print."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from ui.lesson.figures import picture
from ui.lesson.stage import NOT_STORED
from ui.lesson.steps import Step, steps
from ui.pictures import address
from ui.teacher import base

TITLE = "Ambient Explorer: a ten-minute lesson"


def rendered(answers: bool) -> str:
    """The sheet as a page that stands alone.

    Args:
        answers: with what is stored, else with room to write.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(inline=inline, answer=answer, figure=figure)
    template = environment.get_template("sheet.html")
    return template.render(title=TITLE, steps=steps(), base=base(), answers=answers)


def figure(step: Step) -> str:
    """The picture of a step as an address that holds it; empty where its run is not stored."""
    found = picture(step)
    return address(found) if found else ""


def answer(step: Step) -> str:
    """The right option and the numbers behind it."""
    found, right = step.found(), step.right()
    if found is None or right is None:
        return NOT_STORED
    return f"**{step.options[right]}.** {found.text} {step.why}".strip()


def inline(text: str) -> Markup:
    """The Markdown of steps and answers, bold and emphasis, as HTML."""
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"\*(.+?)\*", r"<em>\1</em>", html))
