"""A cutoff against stopping early: the judged stages of bundled pairs, side by side."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np

from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from scripts.page import Table

FEWEST, SAMPLES = 3, 400  # stages that tell anything, and samples of one
HEAD = [
    "step",
    "standard copies %",
    "KID",
    "ambient copies %",
    "KID",
    "standard stopped at that KID",
]


class Stage(NamedTuple):
    """Copies, a share, and KID, with their intervals."""

    copies: float
    copies_ci95: tuple[float, float]
    kid: float
    kid_ci95: tuple[float, float]


def stages(run: Run) -> dict[int, Stage]:
    """By step, those that were judged on enough samples."""
    found = {}
    for step in run.sheet_steps:
        report = run.report(step)
        quality = report.quality if report else None
        if not report or report.n_samples < SAMPLES or not quality:
            continue
        if quality.kid is not None and quality.kid_ci95:
            rule = report.copies.ratio.rated
            found[step] = Stage(rule.rate, rule.ci95, quality.kid, quality.kid_ci95)
    return found


def stopped(at: Stage, standard: list[Stage]) -> float | None:
    """Copies of the standard model where its KID is that of a stage, between its stages on a
    straight line; None beyond them."""
    kids, copies = zip(*sorted((s.kid, s.copies) for s in standard), strict=True)
    return float(np.interp(at.kid, kids, copies)) if kids[0] <= at.kid <= kids[-1] else None


def along(standard: Run, ambient: Run) -> Table | None:
    """A row a stage that both have; None where there are too few."""
    a, b = stages(standard), stages(ambient)
    steps = [step for step in a if step in b]
    if len(steps) < FEWEST:
        return None
    rows = [HEAD]
    for step in steps:
        fewer = stopped(b[step], [a[s] for s in steps])
        cells = [cell for s in (a[step], b[step]) for cell in written(s)]
        rows.append([f"{step:,}", *cells, "-" if fewer is None else f"{100 * fewer:.1f}"])
    return rows


def written(stage: Stage) -> list[str]:
    low, high = stage.copies_ci95
    return [
        f"{100 * stage.copies:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        f"{stage.kid:.3f} ({stage.kid_ci95[0]:.3f} to {stage.kid_ci95[1]:.3f})",
    ]


def along_training() -> dict[str, Table]:
    """The tables of all bundled pairs, by the names of their runs."""
    found = {}
    for first, second in permutations(list_runs(BUNDLED_RUNS), 2):
        a, b = first.config, second.config
        same = (a.corpus, a.n_train, a.steps) == (b.corpus, b.n_train, b.steps)
        if same and (a.arm, b.arm) == ("standard", "ambient") and (table := along(first, second)):
            found[f"{first.name} and {second.name}"] = table
    return found
