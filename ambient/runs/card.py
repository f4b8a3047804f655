"""Model cards: what a model is, what it copies and what it must not be used for, in Markdown."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ambient.runs.folder import Run

LICENSES = {  # the notice of a bundled corpus: the Hub's name for the license of its pictures
    "Noto Emoji, Google, Apache-2.0; names from emoji-data, MIT": "apache-2.0",
    "UCI optdigits, Alpaydin and Kaynak, CC BY 4.0": "cc-by-4.0",
    "Noto Sans CJK JP, Adobe, OFL 1.1; meanings and strokes: Unicode": "ofl-1.1",
}


def model_card(run: Run, repo: str = "", images: bool = False) -> str:
    """The card of an export.

    Args:
        repo: where on the Hub: then it says how to load it from there, and names the license of
            the pictures, of which samples can be copies, in its head. Nobody here knows one for
            pictures of one's own.
        images: whether the pictures are in the repository.
    """
    environment = Environment(
        loader=PackageLoader("ambient", "runs"),
        autoescape=False,  # Markdown
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["percent"] = lambda share: f"{share:.1%}"
    report, notice = run.report(), run.corpus().license if repo else ""
    return environment.get_template("card.md").render(
        run=run,
        c=run.config,
        corpus=Path(run.config.corpus).name,
        report=report,
        rule=report.copies.ratio.rated if report and report.copies.rate is not None else None,
        repo=repo,
        images=images,
        notice=notice,
        license=LICENSES.get(notice, ""),
    )
