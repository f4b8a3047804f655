"""Does the cutoff help when words are asked for? Verdicts on prompts of the bundled runs."""

from collections.abc import Iterator
from typing import Any

from ambient.copies.asked import Asked, Fit
from ambient.files import read_record
from ambient.reports.records import Signal, Signals
from ambient.runs.folder import BUNDLED_RUNS, SIGNALS_FILE, Run, list_runs
from scripts.page import Table, measured, share

HEAD = [
    "run",
    "prompts",
    "guidance",
    "copies %",
    "of its own image %",
    "KID",
    "KID of non-copies",
    "shows the words % (chance, real)",
    "shows the category % (chance, real)",
]
SIGNALS_HEAD = ["run", "signal", "AUC", "found % at 1 % false alarms", "AUC at an early stage"]


def told() -> list[tuple[Run, tuple[Asked, ...]]]:
    """Bundled runs with a verdict on prompts, by arm: the standard one first."""
    found = []
    for run in list_runs(BUNDLED_RUNS):
        report = run.report() if run.config.text else None
        if report and report.prompts:
            found.append((run, report.prompts.asked))
    return sorted(found, key=lambda item: (item[0].config.n_train, item[0].config.cutoff))


def kinds() -> Table:
    return [HEAD, *(_row(run, a) for run, asked in told() for a in asked)]


def _row(run: Run, a: Asked) -> list[str]:
    return [
        run.name,
        a.kind,
        f"{a.guidance:g}",
        share(a.copies, a.copies_ci95),
        share(a.own, a.own_ci95),
        _number(a.kid),
        _number(a.kid_noncopies),
        _fit(a.precision),
        _fit(a.category),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _fit(fit: Fit | None) -> str:
    if fit is None:
        return "-"
    real = "" if fit.ceiling is None else f", {100 * fit.ceiling:.0f}"
    return f"{100 * fit.rate:.1f} ({100 * fit.floor:.1f}{real})"


def signals() -> Table:
    rows = [SIGNALS_HEAD]
    for run, _ in told():
        found = read_record(run.path / SIGNALS_FILE, Signals)
        rows += [_signal(run, s) for s in found.signals] if found else []
    return rows


def _signal(run: Run, s: Signal) -> list[str]:
    early = measured(s.early_auc, s.early_auc_ci95, 2)
    return [run.name, s.name, measured(s.auc, s.auc_ci95, 2), share(s.tpr, s.tpr_ci95), early]


def answers() -> Iterator[str]:
    """Copies of the standard and of the ambient run, kind by kind, at a guidance of 1."""
    by = {run.config.arm: {(a.kind, a.guidance): a for a in asked} for run, asked in told()}
    if not {"standard", "ambient"} <= by.keys():
        return
    for (kind, guidance), a in by["standard"].items():
        b = by["ambient"].get((kind, guidance))
        if guidance != 1 or b is None:
            continue
        apart = a.copies_ci95[0] > b.copies_ci95[1] or b.copies_ci95[0] > a.copies_ci95[1]
        how = "fewer" if b.copies < a.copies else "more" if b.copies > a.copies else "as many"
        said = f"{how} copies" if apart else "no difference that these samples show"
        yield (
            f"- **{kind}** captions: standard {share(a.copies, a.copies_ci95)} %, ambient "
            f"{share(b.copies, b.copies_ci95)} %: {said}."
        )


def figures() -> dict[str, Any]:
    return {"answers": [*answers()], "kinds": kinds(), "signals": signals()}
