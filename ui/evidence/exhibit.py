"""What stands in the evidence room: a run, samples with their verdicts, features where known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from ambient.copies.records import JudgedImage, Report, Sample, Verdicts
from ambient.images.corpus import digest
from ambient.runs.folder import Run
from ui import data
from ui.data import Sets
from ui.evidence import encoded
from ui.evidence.encoded import Cloud, Features
from ui.pictures import Images


@dataclass(frozen=True)
class Exhibit:
    """Samples of a run, stored or drawn just now, or a visitor's pictures, with their verdicts.

    Attributes:
        names: of each picture, as `seed 17`.
    """

    images: Images
    verdicts: Report | Verdicts
    names: tuple[str, ...]
    live: bool

    @classmethod
    def of(cls, images: Images, report: Report, live: bool) -> Exhibit:
        return cls(images, report, tuple(f"seed {r.seed}" for r in report.samples), live)

    @property
    def rows(self) -> Sequence[JudgedImage]:
        return self.verdicts.samples

    @cached_property
    def sha256(self) -> str:
        return digest(self.images)

    @cached_property
    def seeds(self) -> list[int]:
        """Of every sample; none of a visitor's pictures."""
        return [row.seed for row in self.rows if isinstance(row, Sample)]

    @cached_property
    def at(self) -> dict[int, int]:
        """Positions by seed."""
        return {seed: i for i, seed in enumerate(self.seeds)}

    def table(self) -> list[dict[str, object]]:
        """A row a picture, with its name."""
        rows = (msgspec.structs.asdict(row) for row in self.rows)
        return [{"name": name, **row} for name, row in zip(self.names, rows, strict=True)]


@dataclass(frozen=True)
class Shelf:
    """Images of one kind with their names, and their features where they are known."""

    images: Images
    names: Sequence[str]
    features: Features | None


@dataclass(frozen=True)
class Room:
    """All that a view of the page shows.

    Attributes:
        real: features of the run's training and unseen images, where they are known.
        made: features of the exhibit's, where those of the real ones are known too.
    """

    run: Run
    exhibit: Exhibit
    real: Cloud | None
    made: Features | None

    @classmethod
    def of(cls, run: Run, exhibit: Exhibit) -> Room:
        real = encoded.real(run)
        made = encoded.made(run, exhibit.images, exhibit.sha256) if real else None
        return cls(run, exhibit, real, made)

    @property
    def sets(self) -> Sets:
        return data.sets(self.run)

    def seen(self, rule: str) -> tuple[Cloud, Features] | None:
        """The features to compare by; None under the rule of pixels, or where none are known."""
        if rule == "ratio" or self.real is None or self.made is None:
            return None
        return self.real, self.made


@data.of_run("report.json", "samples.npz", "sheets", entries=12)
def stored_exhibit(run: Run) -> Exhibit | None:
    """The run's stored samples and report, those that have both."""
    found = data.report(run)
    if found is None:
        return None
    images, seeds = data.samples(run)
    at = {int(s): i for i, s in enumerate(seeds)}
    rows = tuple(r for r in found.samples if r.seed in at)
    kept = msgspec.structs.replace(found, samples=rows)
    return Exhibit.of(images[[at[r.seed] for r in rows]], kept, live=False)
