"""What is stored of a run's stages: copies, errors, samples, and when copying set in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from ambient.copies.aligned import find_neighbors
from ambient.copies.asked import Asked
from ambient.copies.guises import orbit_of
from ambient.copies.records import Report
from ambient.copies.rules import FALSE_ALARMS, RESEMBLING
from ambient.files import InputError
from ambient.reports.onset import ONSET, Onset, expected_onset, stored_rows
from ambient.reports.records import Audit
from ambient.runs.folder import Run
from ui import cutoffs, data, words
from ui.controls import pick
from ui.pictures import Images
from ui.words import Mark

CORPORA = {"kanji": 0, "emoji": 1, "digits": 2}  # in the order they are shown
NEVER = 0  # a step: that it never does

Rows = list[dict[str, Any]]
Runs = Mapping[str, Run]


def judged(run: Run) -> dict[int, Report]:
    """The report of every stage; of the last one the run's own report, which has more samples."""
    found, last = data.stages(run), data.report(run)
    if last and run.last_step in found:
        found = {**found, run.last_step: last}
    return found


def too_soon(run: Run, report: Report | Audit) -> str:
    """That hardly anything is copied by a run that ended before copying usually begins."""
    rate = report.copies.ratio.rate
    step = getattr(report, "step", None) or run.last_step
    said = usually(run, step) if rate is not None and rate < ONSET else ""
    return f"{said}: this one has {step:,}." if said else ""


def usually(run: Run, step: int) -> str:
    """When copying usually begins; empty for a step after it, and where nothing is known."""
    found = usual_onset(run.config.n_train, run.config.batch)
    if found is None or step >= found.high:
        return ""
    return f"Copying usually begins near step {found.low:,} to {found.high:,}"


def usual_onset(n_train: int, batch: int) -> Onset | None:
    """When copying is expected to begin without a cutoff, from what was trained before."""
    try:
        return expected_onset(n_train, batch, stored_rows())
    except InputError:
        return None  # no runs to learn it from


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


def farthest(runs: Runs, at: Sequence[int]) -> int:
    """The place of the stage where two runs' copied shares differ most; of one run, its end."""
    if len(runs) < 2:
        return len(at) - 1
    standard, ambient = ([at_step(run, step)["rate"] for step in at] for run in runs.values())
    return int(np.argmax(np.subtract(standard, ambient)))


def pairs() -> dict[str, dict[str, Run]]:
    """Bundled runs with judged stages by their training images: standard, and ambient beside.

    Kanji first, then emoji; of several cutoffs, the usual one.
    """
    found: dict[str, dict[float, Run]] = {}
    for run in sorted(data.bundled(), key=order):
        c = run.config
        if c.arm in ("standard", "ambient") and not c.text and copies(run):
            found.setdefault(size_name(run), {}).setdefault(run.config.cutoff, run)
    return {name: _pair(runs) for name, runs in found.items() if 0.0 in runs}


def order(run: Run) -> tuple[Any, ...]:
    """Kanji first, then emoji; of a corpus, the longest trained run."""
    c = run.config
    return CORPORA.get(c.corpus, len(CORPORA)), c.corpus, -c.steps, c.n_train, c.augment, c.cutoff


def _pair(runs: Mapping[float, Run]) -> dict[str, Run]:
    if len(runs) == 1:
        return {"standard": runs[0.0]}
    return {"standard": runs[0.0], "ambient": runs[cutoffs.usual(runs)]}


def size_name(run: Run) -> str:
    return f"{run.config.n_train:,} {run.config.corpus}"


def choose_pair(pairs: Mapping[str, Runs]) -> str:
    """Which training images; an address older than kanji may name their number alone, as `n`."""
    number = st.query_params.get("n")
    if number and "set" not in st.query_params:
        known = {name: runs["standard"].config for name, runs in pairs.items()}
        same = [k for k, c in known.items() if number == str(c.n_train) and c.corpus != "kanji"]
        st.session_state.update({"set": same[0]} if same else {})
    label = "They learned from"
    return pick("settings", label, pairs, key="set", label_visibility="collapsed")


def steps(runs: Runs) -> list[int]:
    """The stages that every one of them has."""
    return sorted(set.intersection(*({r["step"] for r in copies(run)} for run in runs.values())))


def onset(run: Run) -> int:
    """The first judged step with at least 10 % copies, `NEVER` if there is none."""
    return next((row["step"] for row in copies(run) if row["rate"] >= ONSET), NEVER)


def errors(run: Run) -> Rows:
    """Stored errors of a run's stages, those of the weights that its reports are of."""
    measured = cutoffs.stored("along") or {"rows": []}
    hashes = {row["checkpoint_sha256"] for row in copies(run)}
    return [
        row
        for row in measured["rows"]
        if row["run"] == run.name and row["checkpoint_sha256"] in hashes
    ]


def rows(runs: Runs) -> Rows:
    """Copies and errors of every stage, one row each."""
    table = []
    for run in runs.values():
        known = {row["step"]: row for row in errors(run)}
        for row in copies(run):
            table.append({**row, **known.get(row["step"], {})})
    return table


@dataclass(frozen=True)
class Found:
    """The mark of each picture, and the places of the two training images nearest to it."""

    marks: list[Mark]
    near: list[list[int]]


def find(run: Run, images: Images) -> Found:
    """Pictures of a run beside its training images, by the rule of its report."""
    both = data.sets(run)
    found = find_neighbors(images, both.train, both.groups, orbit_of(run.config)).aligned
    limits = data.limits(run)
    line = limits[FALSE_ALARMS]
    alike = limits.get(RESEMBLING, line)
    marks: list[Mark] = [
        "copy" if ratio < line else "resembles" if ratio < alike else "new"
        for ratio in found.ratio.tolist()
    ]
    return Found(marks, np.stack([found.nearest, found.second], axis=1).tolist())


def panel_name(run: Run) -> str:
    return words.arm_name(run.config).capitalize()


def told() -> dict[str, dict[str, Run]]:
    """Bundled runs that learned from captions, by their training images and arm."""
    found: dict[str, dict[str, Run]] = {}
    for run in sorted(data.bundled(), key=order):
        if run.config.text:
            found.setdefault(words.family(run), {}).setdefault(run.config.arm, run)
    return found


def prompt_rows(runs: Runs) -> Rows:
    """The verdicts on all kinds of prompts, a row each."""
    return [
        {"run": run.name, "arm": run.config.arm, **_flat(asked)}
        for run in runs.values()
        if (report := data.report(run)) and report.prompts
        for asked in report.prompts.asked
    ]


def _flat(asked: Asked) -> dict[str, Any]:
    kept = ("kind", "guidance", "n_samples", "copies", "copies_ci95", "own", "own_ci95")
    row: dict[str, Any] = {name: getattr(asked, name) for name in kept}
    row |= {"kid": asked.kid, "kid_noncopies": asked.kid_noncopies}
    for name in ("precision", "category"):
        fit = getattr(asked, name)
        for part in ("rate", "ci95", "ceiling", "floor"):
            row[f"{name}_{part}"] = getattr(fit, part) if fit else None
    return row
