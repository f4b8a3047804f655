"""What is stored about cutoffs: runs of a family, a sweep over seeds where there is one, splices.

A family is the runs on the same images, as many of them, that differ in the cutoff alone.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ambient.config import Config
from ambient.copies.records import Report
from ambient.copies.rules import STRICT
from ambient.files import ASSETS, InputError
from ambient.reports.comparison import Mean
from ambient.runs.folder import Run
from ui import data, words

STRICTLY = " This sweep was judged by the older, stricter rule, which finds fewer copies."
Family = Mapping[float, Run]  # by cutoff; 0 is none
Row = dict[str, Any]

USUAL = 1.0  # the cutoff shown first, where it is stored
MEASURES = {  # of quality: their names in reports and tables; smaller is better by all
    "kid": "kernel distance (KID)",
    "frechet": "Fréchet distance",
}


def families() -> dict[str, Family]:
    """Bundled runs by family: its name in addresses, "300" of emoji and "kanji-300" of others.

    Only families with a run without a cutoff and at least one with. The largest first.
    """
    table: dict[str, dict[float, Run]] = {}
    for run in data.bundled():
        c = run.config
        if c.arm in ("standard", "ambient") and not c.augment and not c.text:
            name = str(c.n_train) if c.corpus == "emoji" else f"{c.corpus}-{c.n_train}"
            table.setdefault(name, {}).setdefault(c.cutoff, run)
    known = [(name, dict(sorted(runs.items()))) for name, runs in table.items()]
    known.sort(key=lambda item: -len(item[1]))
    return {name: runs for name, runs in known if 0.0 in runs and len(runs) > 1}


def of_visitor(runs: Iterable[Run]) -> dict[str, Family]:
    """The same of judged runs that were trained here, of each name the newest.

    Args:
        runs: the newest first.
    """
    table: dict[Config, dict[float, Run]] = {}
    for run in runs:
        with suppress(InputError):  # one that is damaged
            c = run.config
            if c.arm in ("standard", "ambient") and not c.text and data.report(run):
                alike = c.replace(arm="standard", cutoff=0.0)
                table.setdefault(alike, {}).setdefault(c.cutoff, run)
    families: dict[str, Family] = {}
    for found in table.values():
        if 0.0 in found and len(found) > 1:
            families.setdefault(f"my {words.family(found[0.0])}", dict(sorted(found.items())))
    return families


def usual(cutoffs: Iterable[float]) -> float:
    return min((c for c in cutoffs if c), key=lambda c: abs(c - USUAL))


@dataclass(frozen=True)
class Point:
    """A way of training at a step, as a place in the plane of quality and copies."""

    arm: str
    cutoff: float
    label: str  # the way of training, in a reader's words
    step: int
    # rate, low, high: copied share and its 95 % interval, over samples of one run or over runs
    rate: float
    low: float
    high: float
    # distance, near, far: quality, smaller is better, and its interval; nan where unknown
    distance: float
    near: float
    far: float
    runs: int  # how many runs it is a mean of


def label(run: Run) -> str:
    """What is done beside ordinary training, in a reader's words."""
    c = run.config
    return _label({"arm": c.arm, "cutoff": c.cutoff, "augment": c.augment})


def _label(row: Mapping[str, Any]) -> str:
    arm, cutoff = row["arm"], row["cutoff"]
    parts = {"standard": [], "ambient": [f"cutoff {cutoff:g}"]}.get(arm, [f"{arm} {cutoff:g}"])
    parts += [
        text for key, text in (("augment", "augment"), ("reject", "draw again")) if row.get(key)
    ]
    return " + ".join(parts) or "no cutoff"


@dataclass(frozen=True)
class Field:
    """All ways of training that can be compared on one family's images.

    Attributes:
        paths: the judged stages of each way, by its label, in the order of training.
        about: one sentence on what the points and bars are.
        sources: which runs and samples they come from, a line each.
        command: makes the numbers again.
        note: how they were judged, where it was by another rule than runs are.
    """

    paths: Mapping[str, list[Point]]
    about: str
    sources: list[str]
    command: str
    note: str = ""

    @property
    def ends(self) -> list[Point]:
        """Each way of training at its last step."""
        return [path[-1] for path in self.paths.values()]


def field(runs: Family, measure: str = "") -> Field:
    """The sweep on a family's images; without one, the bundled runs.

    Args:
        measure: of quality, a key of `MEASURES`; '' where only copies are compared, which final
            reports have the most samples for.
    """
    found = _table(runs) if runs[0.0] in data.bundled() else None
    known = found and (not measure or any(row.get(measure) is not None for row in found[1]))
    return _of_table(*found, measure) if found and known else _of_runs(runs, measure)


def measures(runs: Family) -> list[str]:
    """The measures of quality that are stored."""
    return [m for m in MEASURES if any(not math.isnan(p.distance) for p in field(runs, m).ends)]


@st.cache_resource(max_entries=8)
def _read(path: str, changed: int) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return loaded


def stored(name: str) -> dict[str, Any] | None:
    """`assets/results/NAME.json`; None where it was never made."""
    path = ASSETS / "results" / f"{name}.json"
    return _read(str(path), data.stamp(path)) if path.exists() else None


def _table(runs: Family) -> tuple[str, list[Row]] | None:
    """A sweep's name and rows, a row a judged stage."""
    c = runs[0.0].config
    for path in sorted((ASSETS / "sweeps").glob("*/table.json")):
        rows: list[Row] = _read(str(path), data.stamp(path))["rows"]
        if rows and (rows[0]["corpus"], rows[0]["n_train"]) == (c.corpus, c.n_train):
            return path.parent.name, rows
    return None


def _of_table(name: str, rows: list[Row], measure: str) -> Field:
    stages: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        stages.setdefault((_label(row), row["step"]), []).append(row)
    paths: dict[str, list[Point]] = {}
    for (label, _), alike in sorted(stages.items(), key=lambda item: item[0][1]):
        if point := _mean(label, alike, measure):
            paths.setdefault(label, []).append(point)
    samples, seeds = rows[0]["n_samples"], len({row["seed"] for row in rows})
    return Field(
        paths,
        f"Means of {seeds} trainings with {samples:,} samples each; bars: 95 % over trainings.",
        [f"assets/sweeps/{name} · {len({row['run'] for row in rows})} runs · stored"],
        f"make sweep SPEC=assets/sweeps/{name}/spec.json",
        STRICTLY if all(row["threshold"] <= STRICT for row in rows) else "",
    )


def _mean(label: str, rows: list[Row], measure: str) -> Point | None:
    copies = Mean.of([row["copies"] for row in rows])
    known = [row[measure] for row in rows if row.get(measure) is not None]
    if copies is None or (measure and not known):
        return None
    distance = Mean.of(known) or Mean(math.nan, math.nan, math.nan, 0)
    return Point(
        rows[0]["arm"],
        rows[0]["cutoff"],
        label,
        rows[0]["step"],
        copies.value,
        max(copies.low, 0.0),
        min(copies.high, 1.0),
        distance.value,
        distance.low,
        distance.high,
        copies.count,
    )


def _of_runs(runs: Family, measure: str) -> Field:
    """Single runs. A measure of quality may depend on the number of samples, so with one every run
    is shown by its stages, which have equally many; of its end, the share of copies is that of its
    own report, as everywhere."""
    c = runs[0.0].config
    alike = (c.corpus, c.n_train, c.text)
    here = data.bundled() if runs[0.0] in data.bundled() else runs.values()
    every = [r for r in here if (r.config.corpus, r.config.n_train, r.config.text) == alike]
    paths: dict[str, list[Point]] = {}
    ends, samples = set(), set()
    for run in every:
        final = data.report(run)
        stages = [*data.stages(run).values()] if measure else [final] if final else []
        known = [s for s in stages if not measure or _quality(s, measure) is not None]
        if final and known:
            paths[label(run)] = [_point(run, s, measure, final) for s in known]
            samples.add(known[-1].n_samples)
            ends.add(final.n_samples)
    many, few = max(ends, default=0), max(samples, default=0)
    return Field(
        paths,
        f"One training each, {many:,} samples{f' at its end, {few:,} of each stage' * (few < many)}"
        "; bars: 95 % over samples, other trainings vary more.",
        [words.provenance(r, data.report(r)) for r in every],
        "make assets",
    )


def _quality(report: Report, measure: str) -> float | None:
    found: float | None = getattr(data.quality(report), measure, None)
    return found


def _point(run: Run, report: Report, measure: str, final: Report) -> Point:
    c, at_end = run.config, report.checkpoint_sha256 == final.checkpoint_sha256
    rule = (final if at_end else report).copies.ratio.rated
    near, far = getattr(data.quality(report), f"{measure}_ci95", None) or (math.nan, math.nan)
    return Point(
        c.arm,
        c.cutoff,
        label(run),
        report.step or c.steps,
        rule.rate,
        *rule.ci95,
        distance if (distance := _quality(report, measure)) is not None else math.nan,
        near,
        far,
        runs=1,
    )


def suggestion(c: Config) -> Mean | None:
    """The cutoff suggested before any training on a run's images, over three splits."""
    found = stored("suggestion")
    rows = found["rows"] if found else []
    cutoffs = [r["cutoff"] for r in rows if (r["corpus"], r["n_train"]) == (c.corpus, c.n_train)]
    return Mean.of([cutoff for cutoff in cutoffs if cutoff is not None])


def rivals(field: Field, label: str) -> tuple[Point, list[Point]] | None:
    """A way of training, and the stages without a cutoff that copy no more at like quality.

    That is below the upper end of its interval, where it has one. None where it is ordinary
    training that is asked for, or where no stages are stored.
    """
    path, stages = field.paths.get(label), field.paths.get("no cutoff", [])
    if not path or label == "no cutoff" or len(stages) < 2:
        return None
    chosen = path[-1]
    reach = chosen.distance if math.isnan(chosen.far) else chosen.far
    return chosen, [p for p in stages if p.rate <= chosen.rate and p.distance <= reach]


def stopped_early(field: Field, label: str) -> Point | None:
    """Of these stages, the one of the best quality."""
    found = rivals(field, label)
    return min(found[1], key=lambda p: p.distance) if found and found[1] else None


def against_stopping_early(field: Field, label: str) -> str:
    """Does an earlier stage without a cutoff copy no more, at like quality?"""
    found = rivals(field, label)
    if found is None:
        return ""
    chosen, best = found[0], stopped_early(field, label)
    here = f"{label.capitalize()}: {words.percent(chosen.rate)} copies at {chosen.distance:.3g}."
    if best is None:
        return f"{here} No earlier stage without a cutoff copies as little at such a distance."
    return (
        f"{here} Stopped without a cutoff at step {best.step:,}: {words.percent(best.rate)} at "
        f"{best.distance:.3g}."
    )


def rows(field: Field) -> list[Row]:
    """All points as a table."""
    return [dataclasses.asdict(point) for path in field.paths.values() for point in path]


@dataclass(frozen=True)
class Splices:
    """Stored copies of two runs spliced at several noise levels, both ways."""

    standard: Run
    ambient: Run
    rows: list[Row]
    about: str

    @property
    def switches(self) -> list[float]:
        return sorted({row["switch"] for row in self.rows if row["switch"]})

    def at(self, switch: float) -> tuple[Row, Row]:
        """The splices at a switch: standard below it, and ambient below it."""
        by_name = {row["below"]: row for row in self.rows if row["switch"] == switch}
        return by_name[self.standard.name], by_name[self.ambient.name]


def splices(runs: Family) -> Splices | None:
    """What is stored of a family's splices; None where nothing is."""
    found, known = stored("surgery"), {run.name: run for run in runs.values()}
    rows = [row for row in found["rows"] if row["below"] in known] if found else []
    pair = sorted({row["below"] for row in rows}, key=lambda name: known[name].config.cutoff)
    if found is None or len(pair) != 2:
        return None
    first, last = found["seeds"]
    about = f"{' and '.join(pair)} · {found['n_samples']} samples each, seeds {first} to {last}"
    return Splices(known[pair[0]], known[pair[1]], rows, f"{about} · stored")
