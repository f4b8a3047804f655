"""The commands that look at a run or a model: `sample`, `evaluate`, `curves` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ambient.cli import options
from ambient.cli.opening import is_zip, keeper, opened, run_of
from ambient.cli.output import Parts, StopRequest, bar_of, put_json, say
from ambient.config import check
from ambient.copies.records import Report
from ambient.files import InputError
from ambient.reports.records import Audit, read_report
from ambient.runs.folder import SIGNALS_FILE, Run, open_run

if TYPE_CHECKING:
    from ambient.diffusion.denoiser import Denoiser

Reject = Annotated[options.Flag, Parameter(help="draw a sample again while it is a copy")]
Guidance = Annotated[float, Parameter(help="how closely to hold to the prompt, 0 to 20")]
Store = Annotated[options.Flag, Parameter(help="keep the results in the run folder")]


def sample(
    run: options.Model,
    /,
    *,
    n: options.Count = 64,
    out: Annotated[str, Parameter(help="x.npz or x.png")],
    above: Annotated[
        str | None, Parameter(help="this run's denoiser where sigma > --switch")
    ] = None,
    switch: Annotated[float | None, Parameter(help="RUN below, the other run above")] = None,
    seed: options.FirstSeed = 0,
    step: options.Step = None,
    sampler: options.Sampler = "heun",
    steps: options.Steps = 18,
    prompt: Annotated[str | None, Parameter(help="what to draw, for a run with --text")] = None,
    guidance: Guidance | None = None,
    reject: Reject = False,
    train: options.TrainedOn = None,
    heldout: options.NeverSeen = None,
) -> None:
    """Draw images; image i depends on seed + i alone."""
    import numpy as np

    from ambient.diffusion.samplers import sample as draw
    from ambient.diffusion.words import told
    from ambient.images.corpus import to_bytes
    from ambient.models.splice import spliced
    from ambient.reports.evaluate import redraw
    from ambient.reports.rejecting import about
    from ambient.runs.samples import check_samples_path, write_samples

    model, place = opened(run, train, heldout), check_samples_path(Path(out))
    how = model.sampler(sampler, steps)
    seeds = range(seed, seed + n)
    check("seed", seeds[-1], "the last image's seed")
    if above is not None and switch is not None:
        denoiser: Denoiser = spliced(model, opened(above), switch, step)
    elif above is None and switch is None:
        denoiser = model.denoiser(step)
    else:
        given = "--switch" if above is None else "--above"
        raise InputError(f"only {given} is given; --above RUN and --switch SIGMA go together.")
    if prompt is not None and above is not None:
        raise InputError("--prompt asks one model; give it without --above and --switch.")
    if guidance is not None and prompt is None:
        raise InputError("--guidance says how closely to hold to a prompt; give --prompt too.")
    if reject and (above is not None or prompt is not None):
        raise InputError(
            "--reject draws from one model; give it without --above, --switch and --prompt."
        )
    if reject:
        with StopRequest() as stop, Parts(stop) as parts:
            found = redraw(model, seeds, how, step, parts.tell)
        write_samples(place, found.images, found.seeds)
        say(f"{about(found.rejection, n)} They are in {place}.")
        return
    if prompt is not None:
        denoiser = told(denoiser, [prompt], 2.0 if guidance is None else guidance)
    batches = []
    with bar_of(n, "image") as bar:
        for batch in draw(denoiser, seeds, model.shape, how):
            batches.append(to_bytes(batch.numpy()))
            bar.update(len(batch))
    write_samples(place, np.concatenate(batches), np.array(seeds))
    say(f"{n} images in {place}")


def evaluate(
    run: options.Model,
    /,
    *,
    train: options.TrainedOn = None,
    heldout: options.NeverSeen = None,
    n: options.Count = 1000,
    json: options.JsonFile = None,
    store: Store = False,
    features: options.Features = "encoder-64",
    seed: options.FirstSeed = 0,
    step: options.Step = None,
    sampler: options.Sampler = "heun",
    steps: options.Steps = 18,
    reject: Reject = False,
) -> None:
    """Sample, judge every sample, and say how far the verdict can be trusted."""
    from ambient.reports.evaluate import draw_and_judge
    from ambient.reports.keeping import is_current, keep

    if store and reject:
        raise InputError("--store keeps what the run itself draws; give --json FILE with --reject.")
    model = opened(run, train, heldout)
    kept_in = keeper(run, model) if store else None
    how = model.sampler(sampler, steps)
    kept = kept_in.report(step) if kept_in else None
    if kept_in and kept and kept.n_samples > n and is_current(kept, kept_in, step):
        raise InputError(
            f"'{kept_in.path}' has a stored report of {kept.n_samples} samples and --n is {n}; "
            "give as many, leave --store out, or delete that report."
        )
    with StopRequest() as stop, Parts(stop) as parts:
        images, report = draw_and_judge(model, n, seed, step, how, features, parts.tell, reject)
    if kept_in:
        keep(kept_in, images, report, step)
    put_json(json, report)
    say(summary(report))


def summary(report: Report | Audit) -> str:
    """The verdict of a report in a line."""
    if report.copies.rate is None:
        return "no verdict: " + " ".join(report.warnings)
    rule, similar, quality = report.copies.ratio.rated, report.copies.similarity, report.quality
    low, high = rule.ci95
    kid = quality.kid if quality else None
    at = f", step {report.step}" if isinstance(report, Report) and report.step is not None else ""
    alike = f"by {similar.features} {similar.rate:.1%}; " if similar else ""
    distance = "quality not measured" if kid is None else f"KID {kid:.4f}"
    return (
        f"{report.name}{at}: {rule.rate:.1%} copies (95 % {low:.1%} to {high:.1%}) by an aligned "
        f"ratio < {rule.threshold:.3f}, which flags {rule.heldout_rate:.1%} of unseen images; "
        f"{alike}{distance}."
    )


def curves(
    run: options.Model,
    /,
    *,
    train: options.TrainedOn = None,
    heldout: options.NeverSeen = None,
    step: options.Step = None,
    seed: Annotated[options.Seed, Parameter(help="of the noises measured")] = 0,
    json: options.JsonFile = None,
    store: Store = False,
) -> None:
    """Errors, closed forms and the return test at every noise level."""
    from ambient.reports.curves import noise_level_curves

    model = opened(run, train, heldout)
    kept_in = keeper(run, model) if store else None
    with StopRequest() as stop, Parts(stop) as parts:
        pack = noise_level_curves(model, step, seed=seed, tell=parts.tell)
    if kept_in:
        put_json(str(kept_in.path / "curves.json"), pack)
    put_json(json, pack)
    peak = pack.widest_gap
    found = (
        f"held-out error is largest against train error at sigma {peak.sigma:.3g} "
        f"({peak.gap_ratio:.1f} times)."
        if peak
        else "no error on training images at any level: a perfect memory."
    )
    say(f"{model.name}: {found}")


def prompts(
    run: options.Model,
    /,
    *,
    n: Annotated[options.Count, Parameter(help="prompts of each kind")] = 100,
    seed: options.FirstSeed = 0,
    step: options.Step = None,
    guidance: Guidance = 2.0,
    json: options.JsonFile = None,
    store: Store = False,
) -> None:
    """Which prompts give copies, and whether the run tells so by itself."""
    from ambient.reports.signals import prompt_signals

    model = run_of(opened(run))
    kept_in = keeper(run, model) if store else None
    with StopRequest() as stop, Parts(stop) as parts:
        found = prompt_signals(model, n, seed, step, guidance, parts.tell)
    if kept_in:
        put_json(str(kept_in.path / SIGNALS_FILE), found)
    put_json(json, found)
    for warning in found.warnings:
        say(warning)
    for signal in found.signals:
        low, high = signal.auc_ci95
        early = "" if signal.early_auc is None else f", {signal.early_auc:.2f} at an early stage"
        say(
            f"{signal.name}: AUC {signal.auc:.2f} ({low:.2f} to {high:.2f}){early}; "
            f"{signal.tpr:.0%} found at 1 % false alarms."
        )


JUDGED = "a run that was evaluated, its zip, a bundled one, or an audit's JSON"


def compare(
    first: Annotated[str, Parameter("A", help=JUDGED)],
    second: Annotated[str, Parameter("B", help=JUDGED)],
    /,
    *,
    json: options.JsonFile = None,
) -> None:
    """What differs between two runs or reports, and how their copies differ."""
    from ambient.reports.comparison import compare as compared

    sides = [_side(first), _side(second)]
    found = compared(*(run or report for run, report in sides))
    for name, (a, b) in found.changed.items():
        say(f"{name}: {a} and {b}")
    for _, report in sides:
        say(summary(report))
    if found.why:
        say(f"no pairs: {found.why}.")
    shown = found.paired or found.unpaired
    of = f"on {found.paired.count} common seeds" if found.paired else "between independent sets"
    say(
        f"difference {100 * shown.difference:+.1f} points ({100 * shown.low:+.1f} to "
        f"{100 * shown.high:+.1f}) {of}."
    )
    put_json(json, found)


def _side(spec: str) -> tuple[Run | None, Report | Audit]:
    """A run and its stored report, or a report alone."""
    if spec.endswith(".json"):
        return None, _audited(spec)
    away = spec.startswith("hub:") or is_zip(spec)
    run = run_of(opened(spec)) if away else open_run(spec)  # a folder needs no torch
    return run, _stored_report(run, spec)


def _audited(path: str) -> Report | Audit:
    """A report that `audit --json` or `evaluate --json` wrote, with a rate.

    Raises:
        InputError: no such file, another one, or a report that concluded nothing.
    """
    report = read_report(Path(path))
    if report.copies.rate is None:
        raise InputError(f"'{path}' holds no rate: {' '.join(report.warnings)}")
    return report


def _stored_report(run: Run, spec: str) -> Report:
    report = run.report()
    if report is None or report.copies.rate is None:
        remedy = (
            "judge the run where it is, and export it again"
            if is_zip(spec)
            else f"run `python -m ambient evaluate {run.path} --store` first"
        )
        raise InputError(f"'{spec}' has no verdict to compare; {remedy}.")
    return report
