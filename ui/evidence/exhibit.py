"""What stands on the page: samples of a run with their verdicts, and where the line is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from ambient.copies.guises import STILL, Orbit
from ambient.copies.records import Report, Sample
from ambient.copies.rules import halves
from ambient.images.corpus import digest
from ambient.runs.folder import Run
from ui import data
from ui.data import Sets
from ui.pictures import Images
from ui.words import Mark

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Exhibit:
    """Samples of a run, stored or drawn just now, with their verdicts."""

    run: Run
    images: Images  # of the samples that the report judged and that are at hand, in its order
    report: Report  # of these samples
    line: float  # below which ratio a sample is a copy; the report's, unless a visitor moved it
    live: bool = False

    @classmethod
    def of(cls, run: Run, images: Images, report: Report, live: bool = False) -> Exhibit:
        return cls(run, images, report, report.copies.ratio.threshold, live)

    @property
    def rows(self) -> Sequence[Sample]:
        return self.report.samples

    @property
    def sets(self) -> Sets:
        return data.sets(self.run)

    @property
    def arm(self) -> str:
        return self.run.config.arm

    @cached_property
    def ratios(self) -> Scores:
        return np.array([row.ratio for row in self.rows], np.float32)

    @cached_property
    def unseen(self) -> Scores:
        """Ratios of images that are no copies, of the half that did not set the line."""
        every = np.array(self.report.heldout_ratios, np.float32)
        return every[halves(len(every))[1]]

    @cached_property
    def seeds(self) -> list[int]:
        return [row.seed for row in self.rows]

    @cached_property
    def at(self) -> dict[int, int]:
        """Positions by seed."""
        return {seed: i for i, seed in enumerate(self.seeds)}

    @cached_property
    def sha256(self) -> str:
        return digest(self.images)

    @cached_property
    def copies(self) -> NDArray[np.bool_]:
        """Which samples are copies by the line as it stands."""
        return self.ratios < self.line

    @property
    def lenient(self) -> float:
        """Below which ratio a sample resembles a training image: at 5 % false alarms."""
        points = self.report.copies.operating
        return max((point.threshold for point in points), default=self.line)

    @property
    def orbit(self) -> Orbit:
        """What the training moved its pictures by."""
        return self.report.copies.orbit or STILL

    def mark(self, ratio: float) -> Mark:
        if ratio < self.line:
            return "copy"
        return "resembles" if ratio < self.lenient else "new"


@data.of_run("report.json", "samples.npz", "sheets", entries=12)
def stored(run: Run) -> Exhibit | None:
    """The run's stored samples and report, those that have both."""
    found = data.report(run)
    if found is None:
        return None
    images, seeds = data.samples(run)
    at = {int(s): i for i, s in enumerate(seeds)}
    rows = tuple(r for r in found.samples if r.seed in at)
    kept = msgspec.structs.replace(found, samples=rows)
    return Exhibit.of(run, images[[at[r.seed] for r in rows]], kept)
