"""An audit as one self-contained HTML page: no script, nothing from the network."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined

from ambient.copies.intervals import clopper_pearson
from ambient.reports import answer as words
from ambient.reports.pictures import THUMB, strip, unstrip
from ambient.reports.records import Audit, AuditedImage, Original

ORDERS = {
    "worst": "The most suspicious",
    "median": "The most ordinary",
    "random": "Drawn at random",
}
LISTED = 300  # training images in the table
BESIDE = 8  # names of copies beside each
PICTURED = 4  # copies beside each
WIDE = 96  # pixels of the screen that a picture takes, about


def page(audit: Audit) -> str:
    """The page; everything that an audit brings is escaped."""
    environment = Environment(
        loader=PackageLoader("ambient", "reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"ends": _ends, "in_words": words.in_words}
    return environment.get_template("page.html").render(
        audit=audit,
        words=words,
        answer=audit.answer,
        copies=leaked(audit),
        groups=_grouped(audit),
        pictures=_pictures,
        width=_width(audit.shape[1]),
        pictured=_pictured(audit),
        listed=LISTED,
        beside=BESIDE,
        orders=ORDERS,
        share=lambda tally: clopper_pearson(tally.named, tally.of),
        interval=clopper_pearson,
        versions=", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "pillow")),
        today=datetime.date.today().isoformat(),
    )


def leaked(audit: Audit) -> dict[str, list[AuditedImage]]:
    """The copies of each training image, the surest first; the most copied image first."""
    copies: dict[str, list[AuditedImage]] = {}
    for sample in sorted(audit.samples, key=lambda s: s.ratio):
        if sample.named:
            copies.setdefault(sample.nearest_file, []).append(sample)
    return dict(sorted(copies.items(), key=lambda item: -len(item[1])))


def _grouped(audit: Audit) -> dict[str, list[Original]]:
    """The pairs that are pictured, by training image, as `leaked` orders these."""
    groups: dict[str, list[Original]] = {file: [] for file in leaked(audit)}
    for row in audit.originals:
        groups[row.files[1]].append(row)
    return {file: rows[:PICTURED] for file, rows in groups.items() if rows}


def _pictures(rows: Sequence[Original]) -> list[str]:
    """A training image and its copies, as PNG in base64."""
    pairs = [unstrip(row.strip, 2) for row in rows]
    return [strip([pairs[0][1]]), *(strip([made]) for made, _ in pairs)]


def _width(side: int) -> int:
    """Pixels of the screen for a picture: its own, a whole number of times."""
    side = min(side, THUMB)
    return side * max(1, round(WIDE / side))


def _pictured(audit: Audit) -> str:
    found, shown = len(leaked(audit)), len(_grouped(audit))
    return f"The first {shown:,} of {found:,}." if shown < found else f"All {found:,}."


def _ends(ci95: tuple[float, float]) -> str:
    return f"{100 * ci95[0]:.1f} to {100 * ci95[1]:.1f} %"
