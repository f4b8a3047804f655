"""An audit as one self-contained HTML page: no script, nothing from the network."""

from __future__ import annotations

import datetime
from importlib.metadata import version

from jinja2 import Environment, PackageLoader, StrictUndefined

from ambient.reports import answer as words
from ambient.reports.records import Audit

METHODS = {
    "ratio": "A generated image is called a copy when its nearest training image is much nearer "
    "than the second nearest one: d1/d2 below {threshold:.3f}, d1 and d2 being root-sum-square "
    "differences of pixels. Finds copies that are pixel for pixel, or nearly.",
    "similarity": "A generated image is called a copy when the cosine similarity of its features "
    "({features}) to those of some training image is above {threshold:.3f}. Finds mirrored, "
    "slightly shifted and recolored copies too, and may take two different images for alike.",
}
ORDERS = {
    "worst": "The most suspicious",
    "median": "The most ordinary",
    "random": "Drawn at random",
}
LISTED = 300  # copies in the table


def page(audit: Audit) -> str:
    """The page; everything that an audit brings is escaped."""
    environment = Environment(
        loader=PackageLoader("ambient", "reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"percent": lambda share: f"{100 * share:.1f} %", "ends": _ends}
    return environment.get_template("page.html").render(
        audit=audit,
        words=words,
        answer=words.answer(audit),
        rules=words.rules(audit),
        copies=sorted((s for s in audit.samples if s.named), key=lambda s: s.ratio),
        listed=LISTED,
        orders=ORDERS,
        methods=_methods(audit),
        versions=", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "pillow")),
        today=datetime.date.today().isoformat(),
    )


def _ends(ci95: tuple[float, float]) -> str:
    return f"{100 * ci95[0]:.1f} to {100 * ci95[1]:.1f} %"


def _methods(audit: Audit) -> dict[str, str]:
    """What each rule that was applied calls a copy, by its title."""
    copies = audit.copies
    said = {"ratio": METHODS["ratio"].format(threshold=copies.ratio.threshold)}
    if alike := copies.similarity:
        text = METHODS["similarity"]
        said["similarity"] = text.format(threshold=alike.threshold, features=alike.features)
    return {words.TITLES[name]: text for name, text in said.items()}
