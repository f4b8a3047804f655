"""What is stored about cutoffs: a sweep over seeds where there is one, else single runs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ambient.copies.records import Report
from ambient.files import ASSETS
from ambient.reports.comparison import Mean
from ambient.runs.folder import Run
from ui import data, words

# What quality is measured by: its name on the page, its field in reports and tables.
MEASURES = {
    "Fréchet distance": "frechet",
    "fine detail (SWD)": "swd",
    "kernel distance (KID)": "kid",
}


@dataclass(frozen=True)
class Point:
    """A way of training at a step, as a place in the plane of quality and copies.

    Attributes:
        rate, low, high: copied share and its 95 % interval, over samples of one run or over runs.
        distance, near, far: quality, smaller is better, and its interval (nan where unknown).
        runs: how many runs it is a mean of.
    """

    arm: str
    cutoff: float
    step: int
    rate: float
    low: float
    high: float
    distance: float
    near: float
    far: float
    runs: int

    @property
    def label(self) -> str:
        if self.arm == "ambient":
            return f"cutoff {self.cutoff:g}"
        return "no cutoff" if self.arm == "standard" else f"{self.arm} {self.cutoff:g}"

    @property
    def name(self) -> str:
        return f"{self.arm}-{self.cutoff:g}"


@dataclass(frozen=True)
class Field:
    """All that can be compared at one number of training images.

    Attributes:
        ends: each way of training at its last step.
        paths: the judged stages of each, by `Point.name`.
        about: one sentence on what the points and bars are.
        sources: which runs and samples they come from, a line each.
        command: makes the numbers again.
    """

    ends: list[Point]
    paths: dict[str, list[Point]]
    about: str
    sources: list[str]
    command: str
    n_samples: int


def field(runs: Mapping[float, Run], n: int, measure: str | None = None) -> Field:
    """The sweep at n training images; without one, the bundled runs.

    Args:
        measure: of quality, a name in `MEASURES`; without one, only copies are to be compared, and
            bundled runs are shown by their final reports, which have the most samples.
    """
    return _sweep_field(n, measure or next(iter(MEASURES))) or _runs_field(runs, n, bool(measure))


def measures(n: int) -> list[str]:
    """Names of the measures of quality that are stored for n."""
    return list(MEASURES) if _table(n) else list(MEASURES)[:1]


@st.cache_resource(max_entries=8)
def _read(path: str, changed: int) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return loaded


def stored(name: str) -> dict[str, Any] | None:
    """`assets/results/NAME.json`; None where it was never made."""
    path = ASSETS / "results" / f"{name}.json"
    return _read(str(path), data.stamp(path)) if path.exists() else None


def _table(n: int) -> tuple[Path, dict[str, Any]] | None:
    for path in sorted((ASSETS / "sweeps").glob("*/table.json")):
        table = _read(str(path), data.stamp(path))
        if table["rows"] and table["rows"][0]["n_train"] == n:
            return path, table
    return None


def _sweep_field(n: int, measure: str) -> Field | None:
    found = _table(n)
    if found is None:
        return None
    path, table = found
    by_stage: dict[tuple[str, float, int], list[dict[str, Any]]] = {}
    for row in table["rows"]:
        if row.get(MEASURES[measure]) is not None:
            key = (row["arm"], row["cutoff"], row["step"])
            by_stage.setdefault(key, []).append(row)
    paths: dict[str, list[Point]] = {}
    for (arm, cutoff, step), rows in sorted(by_stage.items()):
        copies = Mean.of([r["copies"] for r in rows])
        distance = Mean.of([r[MEASURES[measure]] for r in rows])
        if copies and distance:
            point = Point(
                arm,
                cutoff,
                step,
                copies.value,
                max(copies.low, 0.0),
                min(copies.high, 1.0),
                distance.value,
                distance.low,
                distance.high,
                copies.count,
            )
            paths.setdefault(point.name, []).append(point)
    samples = table["rows"][0]["n_samples"]
    seeds = len({r["seed"] for r in table["rows"]})
    about = (
        f"Means of {seeds} runs, each with its own split and seed, {samples:,} samples each; bars "
        "are 95 % intervals over the runs (Student t)."
    )
    sources = [
        f"assets/sweeps/{path.parent.name} · {len({r['run'] for r in table['rows']})} runs · seeds "
        f"0 to {samples - 1} of each · stored"
    ]
    command = f"make sweep SPEC=assets/sweeps/{path.parent.name}/spec.json"
    return Field([p[-1] for p in paths.values()], paths, about, sources, command, samples)


def _runs_field(runs: Mapping[float, Run], n: int, along: bool) -> Field:
    """Single runs, comparable: a Frechet distance falls with the number of samples.

    So each is shown by the report of its last stage where all have one, as the stages are, and
    otherwise by its final report.
    """
    arms = ("standard", "ambient")
    controls = [r for r in data.bundled() if r.config.n_train == n and r.config.arm not in arms]
    every = [*runs.values(), *controls]
    staged = {r.name: [s for s in data.stages(r).values() if data.frechet(s)] for r in every}
    whole = along and all(staged.values())
    last = [(r, staged[r.name][-1] if whole else data.report(r)) for r in every]
    judged = [(r, found) for r, found in last if found and data.frechet(found)]
    samples = judged[0][1].n_samples if judged else 0
    stages = [_point(runs[0.0], s) for s in staged[runs[0.0].name]] if whole else []
    return Field(
        [_point(r, found) for r, found in judged],
        {"standard-0": stages} if stages else {},
        f"One run each, judged on {samples:,} samples; bars are 95 % intervals over the samples, "
        "and other seeds vary more.",
        [words.provenance(r, found) for r, found in judged],
        "make assets",
        samples,
    )


def _point(run: Run, found: Report) -> Point:
    c, rule = run.config, found.copies.ratio.rated
    step, distance = found.step or c.steps, data.frechet(found) or math.nan
    return Point(c.arm, c.cutoff, step, rule.rate, *rule.ci95, distance, math.nan, math.nan, runs=1)


def on_fresh_seeds(runs: Mapping[float, Run]) -> str:
    """The same networks judged on other samples (`make protocol`), in a sentence; "" if they are
    not."""
    found = stored("protocol")
    if found is None:
        return ""
    last = {r.name: (cutoff, r.last_step) for cutoff, r in runs.items()}
    rates = {
        last[row["run"]][0]: row["copies"]
        for row in found["rows"]
        if row["run"] in last and row["step"] == last[row["run"]][1]
    }
    if not rates:
        return ""
    first, end = found["seeds"]
    said = [
        f"{100 * rate:.1f}\u00a0% {f'at {c:g}' if c else 'without a cutoff'}"
        for c, rate in sorted(rates.items())
    ]
    return (
        f" On {found['n_samples']:,} samples of other seeds, {first:,} to {end:,}, which the "
        f"README reports: {', '.join(said)}."
    )


def suggestion(n: int, corpus: str = "emoji") -> Mean | None:
    """The cutoff suggested before any training, over three splits."""
    found = stored("suggestion")
    rows = found["rows"] if found else []
    cutoffs = [r["cutoff"] for r in rows if (r["corpus"], r["n_train"]) == (corpus, n)]
    return Mean.of([c for c in cutoffs if c is not None])


def rivals(field: Field, selected: str) -> tuple[Point, list[Point]] | None:
    """A way of training, and the stages without a cutoff that copy no more at no worse a distance.

    None where it is no cutoff that is selected, or where no stages are stored.
    """
    chosen = next((p for p in field.ends if p.name == selected), None)
    stages = field.paths.get("standard-0", [])
    if chosen is None or chosen.arm == "standard" or len(stages) < 2:
        return None
    better = [p for p in stages if p.rate <= chosen.rate and p.distance <= chosen.distance]
    return chosen, better


def against_stopping_early(field: Field, selected: str) -> str:
    """Does an earlier stage without a cutoff copy no more, at no worse a distance?"""
    found = rivals(field, selected)
    if found is None:
        return ""
    chosen, better = found
    here = f"{chosen.label.capitalize()}: {words.percent(chosen.rate)} copies at distance "
    here += f"{chosen.distance:.3g}, of {field.n_samples:,} samples. "
    if not better:
        return here + "No earlier stage without a cutoff is as good on both counts."
    best, nearest = better[-1], min(field.paths["standard-0"], key=lambda p: p.distance)
    return (
        f"{here}Stopping without a cutoff at step {best.step:,} does as well or better by these "
        f"two numbers: {words.percent(best.rate)} copies at {best.distance:.3g}. The smallest "
        f"distance of all stages, {nearest.distance:.3g}, is that of step {nearest.step:,}: this "
        "distance forgives the vague pictures of a network that has learned little. Look at both "
        "on Watch it memorize."
    )


def rows(field: Field) -> list[dict[str, Any]]:
    """All points as a table."""
    return [dataclasses.asdict(p) for path in field.paths.values() for p in path] or [
        dataclasses.asdict(p) for p in field.ends
    ]
