"""Pages whose words are in scripts/pages and whose figures come from stored files."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Table = list[list[str]]  # the first row is the head


def table(rows: Table) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:], ""])


def measured(value: float | None, ci95: Sequence[float] | None, digits: int = 3) -> str:
    """A number and its interval."""
    if value is None or ci95 is None:
        return "-"
    return f"{value:.{digits}f} ({ci95[0]:.{digits}f} to {ci95[1]:.{digits}f})"


def share(rate: float | None, ci95: Sequence[float] | None) -> str:
    """Percent, and the interval."""
    if rate is None or ci95 is None:
        return "-"
    return measured(100 * rate, [100 * x for x in ci95], 1)


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
