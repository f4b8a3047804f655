"""What is stored of spliced runs: one works above a noise level, another below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ambient.runs.folder import Run
from ui import cutoffs

Row = dict[str, Any]

USUAL = 0.4  # the switch shown first, where it is stored


@dataclass(frozen=True)
class Surgery:
    """Stored copies of two runs spliced at several noise levels, both ways."""

    standard: Run
    ambient: Run
    rows: list[Row]
    about: str

    @property
    def switches(self) -> list[float]:
        return sorted({r["switch"] for r in self.rows if r["switch"]})

    def at(self, switch: float) -> tuple[Row, Row]:
        """The splices at a switch: standard below it, and ambient below it."""
        by_name = {r["below"]: r for r in self.rows if r["switch"] == switch}
        return by_name[self.standard.name], by_name[self.ambient.name]


def stored(runs: Mapping[float, Run], n: int) -> Surgery | None:
    """What is stored for n training images; None where nothing is."""
    found = cutoffs.stored("surgery")
    rows = [r for r in found["rows"] if r["n_train"] == n] if found else []
    known = {r.name: r for r in runs.values()}
    names = {r["below"] for r in rows} & set(known)
    if found is None or len(names) != 2:
        return None
    standard, ambient = sorted((known[k] for k in names), key=lambda r: r.config.cutoff)
    first, last = found["seeds"]
    about = (
        f"{standard.name} and {ambient.name} · {found['n_samples']} samples each, seeds {first} to "
        f"{last} · bars are 95 % intervals over samples · stored"
    )
    return Surgery(standard, ambient, rows, about)
