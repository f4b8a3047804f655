"""Samples and their verdicts: what the evidence room shows, stored or drawn just now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.records import JudgedImage, Report, Verdicts
from ambient.runs.folder import Run
from ui import data
from ui.evidence_room import encoded
from ui.pictures import Images


@dataclass(frozen=True)
class Exhibit:
    """Samples and their verdicts, stored or drawn just now."""

    images: Images
    verdicts: Report | Verdicts
    live: bool

    @property
    def rows(self) -> Sequence[JudgedImage]:
        return self.verdicts.samples

    @cached_property
    def sha256(self) -> str:
        return encoded.digest(self.images)

    @cached_property
    def at(self) -> dict[int, int]:
        """Positions by seed."""
        return {r["seed"]: i for i, r in enumerate(self.rows)}


@dataclass(frozen=True)
class Shelf:
    """Images of one kind with their names, and their features where they are known."""

    images: Images
    names: Sequence[str]
    features: NDArray[np.float32] | None


def stored(run: Run) -> Exhibit | None:
    """The run's stored samples and report, those that have both."""
    if data.report(run) is None:
        return None
    changed = max(data.stamp(run.path / name) for name in ("report.json", "samples.npz", "sheets"))
    return _stored(str(run.path), changed, run)


@st.cache_resource(max_entries=12)
def _stored(path: str, changed: int, _run: Run) -> Exhibit:
    found = data.report(_run)
    assert found is not None
    images, seeds = data.samples(_run)
    at = {int(s): i for i, s in enumerate(seeds)}
    rows = tuple(r for r in found.samples if r.seed in at)
    shown = msgspec.structs.replace(found, samples=rows)
    return Exhibit(images[[at[r.seed] for r in rows]], shown, False)
