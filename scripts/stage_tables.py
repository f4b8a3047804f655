"""A cutoff against stopping early: the judged stages of bundled pairs, side by side."""

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from ambient.copies.records import Report
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from scripts.page import Table, measured, share

FEWEST, SAMPLES = 3, 400  # stages that tell anything, and samples of one
HEAD = [
    "step",
    "standard copies %",
    "KID",
    "ambient copies %",
    "KID",
    "standard stopped at that KID",
]


def stages(run: Run) -> dict[int, Report]:
    """By step, those that were judged on enough samples, with a KID."""
    found = ((step, run.report(step)) for step in run.sheet_steps)
    return {step: r for step, r in found if r and r.n_samples >= SAMPLES and not math.isnan(kid(r))}


def kid(report: Report) -> float:
    """nan where it was not measured."""
    quality = report.quality
    if quality is None or quality.kid is None or quality.kid_ci95 is None:
        return math.nan
    return quality.kid


def stopped(at: Report, standard: list[Report]) -> float | None:
    """Copies of the standard model where its KID is that of a stage, between its stages on a
    straight line; None beyond them."""
    kids, copies = zip(*sorted((kid(r), r.copies.ratio.rated.rate) for r in standard), strict=True)
    here = kid(at)
    return float(np.interp(here, kids, copies)) if kids[0] <= here <= kids[-1] else None


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


def written(report: Report) -> list[str]:
    rule, quality = report.copies.ratio.rated, report.quality
    assert quality  # `stages` has no others
    return [share(rule.rate, rule.ci95), measured(quality.kid, quality.kid_ci95)]


def pairs() -> Iterator[tuple[Run, Run]]:
    """The bundled runs that differ by their cutoff alone, standard first."""
    for first, second in permutations(list_runs(BUNDLED_RUNS), 2):
        a, b = first.config, second.config
        same = (a.corpus, a.n_train, a.steps) == (b.corpus, b.n_train, b.steps)
        if same and (a.arm, b.arm) == ("standard", "ambient"):
            yield first, second


def along_training() -> dict[str, Table]:
    """The tables of all bundled pairs, by the names of their runs."""
    found = {(a, b): along(a, b) for a, b in pairs()}
    return {f"{a.name} and {b.name}": table for (a, b), table in found.items() if table}


def in_short() -> Table:
    """The ends of each pair with a path, and the standard run stopped at the same quality."""
    head = [
        "pair",
        "copies %",
        "without",
        "KID of non-copies",
        "without",
        "copies %, stopped early",
    ]
    rows = [head]
    for standard, ambient in pairs():
        path, a, b = stages(standard), ambient.report(), standard.report()
        if len(path) < FEWEST or not a or not b or not a.quality or not b.quality:
            continue
        c, early = ambient.config, stopped(a, list(path.values()))
        rules, kids = (a.copies.ratio.rated, b.copies.ratio.rated), (a.quality, b.quality)
        rows.append(
            [
                f"{c.n_train} {c.corpus}, cutoff {c.cutoff:g}",
                *(share(r.rate, r.ci95) for r in rules),
                *(measured(q.kid_noncopies, q.kid_noncopies_ci95) for q in kids),
                "-" if early is None else f"{100 * early:.1f}",
            ]
        )
    return rows
