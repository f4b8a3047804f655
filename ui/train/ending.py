"""What became of a training, in a sentence: its verdict, or why it has none."""

from collections.abc import Mapping

from ambient.copies.records import Report
from ambient.runs.folder import OWN, Run
from ui import data, stages, words


def current(run: Run) -> Report | None:
    """The verdict on the weights that the run has now."""
    found = data.report(run)
    return found if found and found.step == run.last_step else None


def is_due(run: Run) -> bool:
    """Whether the run is trained to its end, and nobody has judged it there."""
    stored = run.report()
    judged = stored is not None and stored.step == run.last_step
    return bool(run.steps) and run.last_step >= run.config.steps and not judged


def sentence(runs: Mapping[str, Run]) -> str:
    """How one run ended, or what a pair shows; empty while it is open."""
    found = {arm: report for arm, run in runs.items() if (report := current(run))}
    if len(found) == 2:
        return _compared(runs, found)
    run = next(iter(runs.values())) if len(runs) == 1 else None
    if run is None:
        return ""
    report = found.get(run.config.arm)
    return _judged(run, report) if report else _unjudged(run)


def _pictures(run: Run) -> str:
    corpus = "pictures of yours" if run.config.corpus == OWN else run.config.corpus
    return f"{run.config.n_train:,} {corpus}"


def _judged(run: Run, report: Report) -> str:
    rule = report.copies.ratio.rated
    copied = words.tinted(f"**{words.percent(rule.rate)} are copies**", run.config.arm)
    said = (
        f"Of {report.n_samples:,} new samples, {copied} of the {_pictures(run)} it learned from "
        f"({words.interval(rule.ci95)})."
    )
    if rule.ci95[0] <= rule.heldout_rate:
        said += " That is no more than the rule says of real pictures it never saw: it makes new."
    return f"{said} {stages.too_soon(run, report)}".rstrip()


def _unjudged(run: Run) -> str:
    state, report = run.state, run.report()
    if state.status in ("failed", "interrupted"):
        return f"It ended early: {words.unplaced(state.error or _last_word(run))}"
    if state.status == "paused" and run.last_step < run.config.steps:
        at = f"Stopped at step {run.last_step:,} of {run.config.steps:,}"
        return ". ".join(filter(None, [at, stages.usually(run, run.last_step), "Go on to see."]))
    if report is not None and report.step == run.last_step:
        return f"No verdict: {' '.join(report.warnings)}"
    return f"No verdict: {words.unplaced(state.unjudged)}" if state.unjudged else ""


def _last_word(run: Run) -> str:
    log = run.path / "log.txt"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = text.strip().splitlines()[-1:] or ["its process is gone; it can go on."]
    return lines[0][-300:]


def _compared(runs: Mapping[str, Run], found: Mapping[str, Report]) -> str:
    """What the cutoff changed, as far as the intervals of the two tell."""
    plain, cut = (found[arm].copies.ratio.rated for arm in ("standard", "ambient"))
    rates = [
        words.tinted(f"**{words.percent(rule.rate)}**", arm)
        for rule, arm in ((plain, "standard"), (cut, "ambient"))
    ]
    if cut.ci95[1] < plain.ci95[0]:
        outcome = "Here the cutoff made copies rarer."
    elif cut.ci95[0] > plain.ci95[1]:
        outcome = "Here the cutoff made copies more frequent."
    else:
        outcome = "So many samples show no difference."
    return (
        f"From the same {_pictures(runs['standard'])} and the same noise, ordinary training copied "
        f"{rates[0]} ({words.interval(plain.ci95)}), training with cutoff "
        f"{runs['ambient'].config.cutoff:g} {rates[1]} ({words.interval(cut.ci95)}). {outcome}"
    )
