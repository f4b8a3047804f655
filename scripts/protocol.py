"""How much less does ambient training copy? A protocol fixed before looking: `make protocol`.

1. Choose on seeds 0 to 999 (the bundled reports): among the ambient runs of n = 300 whose Frechet
   distance is at most 5 % above the standard run's, the cutoff with the fewest copies.
2. Choose the early stage the same way, on the stage reports (seeds 0 to 399): among the stored
   stages of the standard run whose Frechet distance is at most 5 % above its last one's, the one
   with the fewest copies.
3. Report copies and Frechet distance of the standard run, its chosen stage and every cutoff on
   1,000 fresh seeds, 100,000 on, and the difference to the standard run with Tango's interval over
   pairs of the same seed.

Writes assets/results/protocol.json; `make results` puts it into words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ambient.copies.records import Report
from ambient.files import ASSETS, write_atomically
from ambient.reports.comparison import on_same_noise
from ambient.reports.evaluate import evaluate
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run

N_TRAIN, FRESH, COUNT, SLACK = 300, 100_000, 1000, 1.05
RESULT = ASSETS / "results" / "protocol.json"


def rate(report: Report) -> float:
    return report.copies.ratio.rated.rate


def frechet(report: Report) -> float:
    assert report.quality and report.quality.frechet is not None
    return report.quality.frechet


def fewest_copies(candidates: Mapping[Any, Report], limit: float) -> Any:
    """The candidate with the fewest copies among those of Frechet distance <= limit, or None."""
    fit = {key: rate(r) for key, r in candidates.items() if frechet(r) <= limit}
    return min(fit, key=lambda key: (fit[key], frechet(candidates[key]))) if fit else None


def fresh(run: Run, step: int) -> Report:
    report = evaluate(run, COUNT, FRESH, step)
    print(f"{run.name} step {step}: {rate(report):.1%} copies, Frechet {frechet(report):.3f}")
    return report


def summary(report: Report, standard: Report) -> dict[str, Any]:
    rule, similarity = report.copies.ratio.rated, report.copies.similarity
    paired = on_same_noise(standard, report)
    assert paired is not None  # both were judged on the same fresh seeds
    return {
        "run": report.run,
        "step": report.step,
        "checkpoint_sha256": report.checkpoint_sha256,
        "copies": rule.rate,
        "copies_ci95": rule.ci95,
        "heldout": rule.heldout_rate,
        "heldout_ci95": rule.heldout_ci95,
        "similar": similarity and similarity.rate,
        "frechet": frechet(report),
        "difference": [paired.difference, paired.low, paired.high],
    }


def path(run: Run) -> list[tuple[int, float, float]]:
    """(step, copies, Frechet distance) of a run's judged stages, 400 samples each."""
    found = [(s, run.report(s)) for s in run.sheet_steps]
    return [(s, rate(r), frechet(r)) for s, r in found if r]


def run_protocol() -> dict[str, Any]:
    standard = open_run(f"emoji-{N_TRAIN}-standard")
    last = standard.report()
    assert last is not None
    ambient = {
        run.config.cutoff: run
        for run in list_runs(BUNDLED_RUNS)
        if run.config.arm == "ambient" and run.config.n_train == N_TRAIN
    }
    reports = {cutoff: r for cutoff, run in ambient.items() if (r := run.report())}
    cutoff = fewest_copies(reports, SLACK * frechet(last))
    stages = {s: r for s in standard.steps if (r := standard.report(s))}
    early = fewest_copies(stages, SLACK * frechet(stages[standard.last_step]))
    baseline = fresh(standard, standard.last_step)
    rows = [summary(baseline, baseline)]
    rows += [summary(fresh(run, run.last_step), baseline) for _, run in sorted(ambient.items())]
    if early != standard.last_step:
        rows.append(summary(fresh(standard, early), baseline))
    return {
        "seeds": [FRESH, FRESH + COUNT - 1],
        "n_samples": COUNT,
        "candidates": {f"{c:g}": [rate(r), frechet(r)] for c, r in sorted(reports.items())},
        "standard": [rate(last), frechet(last)],
        "cutoff": cutoff,
        "early_step": early,
        "paths": {run.name: path(run) for run in (standard, *ambient.values())},
        "rows": rows,
    }


def main() -> None:
    result = run_protocol()
    write_atomically(RESULT, json.dumps(result, indent=1) + "\n")
    print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
