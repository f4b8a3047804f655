"""What is stored of a run's stages: copies, errors, samples, and when copying set in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ambient.copies.aligned import aligned_neighbors
from ambient.copies.guises import orbit_of
from ambient.copies.records import Report
from ambient.copies.rules import are_copies
from ambient.files import ASSETS, read_json
from ambient.reports.onset import ONSET
from ambient.runs.folder import Run
from ui import data, galleries, words
from ui.controls import pick
from ui.data import Shown
from ui.pictures import Images

SHOWN = 8  # samples along training, seeds 0 to 7
NEVER = 0  # a step: that it never does
ALONG = ASSETS / "results" / "along.json"
TONES = {"standard": "orange", "ambient": "blue"}

Rows = list[dict[str, Any]]
Runs = Mapping[str, Run]


def judged(run: Run) -> dict[int, Report]:
    """The report of every stage; of the last one the run's own report, which has more samples."""
    found, last = data.stages(run), data.report(run)
    if last and run.last_step in found:
        found = {**found, run.last_step: last}
    return found


@data.of_run("reports", "report.json")
def copies(run: Run) -> Rows:
    """The judged stages of a run: copied share, and what the rule says of unseen images."""
    kept = ("rate", "ci95", "heldout_rate", "heldout_ci95")
    return [
        {
            "run": run.name,
            "step": step,
            "n_samples": report.n_samples,
            "n_unseen": words.checked_on(report),
            **{name: getattr(report.copies.ratio, name) for name in kept},
            "checkpoint_sha256": report.checkpoint_sha256,
        }
        for step, report in judged(run).items()
    ]


def at_step(run: Run, step: int) -> dict[str, Any]:
    return next(row for row in copies(run) if row["step"] == step)


def table() -> dict[int, dict[str, Run]]:
    """Bundled runs with judged stages by number of training images: standard, and ambient beside.

    Of several cutoffs, the usual one.
    """
    found: dict[int, dict[float, Run]] = {}
    for run in data.bundled():
        if run.config.arm in ("standard", "ambient") and len(copies(run)) > 1:
            found.setdefault(run.config.n_train, {}).setdefault(run.config.cutoff, run)
    return {n: _pair(runs) for n, runs in sorted(found.items()) if 0.0 in runs}


def _pair(runs: Mapping[float, Run]) -> dict[str, Run]:
    if len(runs) == 1:
        return {"standard": runs[0.0]}
    return {"standard": runs[0.0], "ambient": runs[galleries.usual(list(runs))]}


def size_name(run: Run) -> str:
    return f"{run.config.n_train:,} {run.config.corpus}"


def choose_size(runs: Mapping[int, Runs], usual: int) -> int:
    first = usual if usual in runs else next(iter(runs))
    about = "; ".join(f"{n}: {size_name(pair['standard'])}" for n, pair in runs.items())
    return pick("settings", "Training images", runs, first, key="n", help=about)


def steps(runs: Runs) -> list[int]:
    """The stages that every one of them has."""
    return sorted(set.intersection(*({r["step"] for r in copies(run)} for run in runs.values())))


def onset(run: Run) -> int:
    """The first judged step with at least 10 % copies, `NEVER` if there is none."""
    return next((row["step"] for row in copies(run) if row["rate"] >= ONSET), NEVER)


def errors(run: Run) -> Rows:
    """Stored errors of a run's stages, those of the weights that its reports are of."""
    found = _along(data.stamp(ALONG)).get(run.name, [])
    hashes = {row["checkpoint_sha256"] for row in copies(run)}
    return [row for row in found if row["checkpoint_sha256"] in hashes]


@st.cache_resource(max_entries=2)
def _along(changed: int) -> dict[str, Rows]:
    by_run: dict[str, Rows] = {}
    for row in (read_json(ALONG) or {}).get("rows", []):
        by_run.setdefault(row["run"], []).append(row)
    return by_run


def missing_errors(runs: Runs) -> str:
    """Where errors could not be measured for want of weights, in a sentence."""
    parts = []
    for run in runs.values():
        have, stages = len(errors(run)), len(copies(run))
        if have < stages:
            parts.append(f"{panel_name(run).lower()}: {have} of {stages}")
    if not parts:
        return ""
    return f" Errors are of the stages whose weights were at hand ({'; '.join(parts)})."


def rows(runs: Runs) -> Rows:
    """Copies and errors of every stage, one row each."""
    table = []
    for run in runs.values():
        known = {row["step"]: row for row in errors(run)}
        for row in copies(run):
            table.append({**row, **known.get(row["step"], {})})
    return table


def judge(run: Run, images: Images) -> Shown:
    """Pictures of a run beside its training images, by the rule of its report."""
    both = data.sets(run)
    found = aligned_neighbors(images, both.train, both.groups, orbit_of(run.config))
    names = tuple(both.train_names[i] for i in found.nearest)
    copies = tuple(are_copies("ratio", found.ratio, data.threshold(run)).tolist())
    return Shown(images, both.train[found.nearest], names, copies)


def panel_name(run: Run) -> str:
    return words.arm_name(run.config).capitalize()
