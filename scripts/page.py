"""Pages whose words are in scripts/pages and whose figures come from stored files."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Table = list[list[str]]  # the first row is the head


def table(rows: Table) -> str:
    """Rows as Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:], ""])


def wrap(text: str) -> str:
    """A paragraph in lines of at most 100 characters."""
    words = " ".join(text.split())
    return textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False) + "\n"


def render(name: str, filters: dict[str, Any], figures: dict[str, Any]) -> str:
    """The page of a template; a figure that it names and nobody gives is an error."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # Markdown
    )
    environment.filters |= {"table": table, "wrap": wrap, **filters}
    return environment.get_template(f"{name}.md.j2").render(figures).rstrip("\n") + "\n"
