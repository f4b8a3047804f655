"""What each command does: `body(args)`, progress on stderr, results where `--json` says."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambient.config import check, configure, preset, usual_threads
from ambient.errors import InputError
from ambient.files import read_json, write_atomically
from ambient.images.corpus import BUNDLED, TORCHVISION, load_corpus, to_bytes
from ambient.runs.folder import (
    BUNDLED_RUNS,
    PLACE_FILE,
    STOP_FILE,
    Run,
    is_training,
    lengthen,
    list_runs,
    mark_failed,
    open_run,
    settle,
    start_run,
)

if TYPE_CHECKING:
    import torch

    from ambient.diffusion.denoiser import Denoiser
    from ambient.images.corpus import Corpus
    from ambient.models.adapters import Model


def say(text: str) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of the processes of a launch, one a machine
        print(text, file=sys.stderr)


def put_json(target: str, value: dict[str, Any]) -> None:
    """Write a result to a file in one move, or to standard output for `-`."""
    text = json.dumps(value, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(target), text)


def check_target(option: str, target: str) -> None:
    """Refuse a place where a result could not go, before the work is done."""
    if option == "--json" and target == "-":
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise InputError(
            f"{option} is '{target}', but '{path.parent}' is no folder; create it first."
        )
    if path.is_dir():
        raise InputError(f"{option} is '{target}', a folder; name a file in it.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{option} is '{target}', but '{path.parent}' cannot be written to.")


def corpora(args: argparse.Namespace) -> None:
    """List what can be loaded."""
    rows = []
    for name in BUNDLED:
        corpus = load_corpus(name)
        n, h, w, c = corpus.images.shape
        distinct = len(set(corpus.groups.tolist()))
        rows.append(
            {"name": name, "images": n, "distinct": distinct, "shape": [h, w, c],
             "license": corpus.license, "sha256": corpus.sha256}
        )  # fmt: skip
        print(f"{name:14} {n:6} images, {distinct} distinct, {h}x{w}x{c}   {corpus.license}")
    for name in TORCHVISION:
        print(f"{name:14} downloaded by torchvision on first use")
    print("a folder or .zip of pictures, or an .npz with 'images' uint8 (n, h, w, c)")
    if args.json:
        put_json(args.json, {"corpora": rows})


def train(args: argparse.Namespace) -> None:
    """Train into a run folder, or go on with one."""
    from ambient.diffusion import distributed, hardware
    from ambient.diffusion.training import follow

    with distributed.group(hardware.choose_device(args.device)) as device:
        if distributed.is_first():
            _lead(args, device)
        else:
            with _StopRequest():  # a stop is for the first process to answer
                follow(device)


def _lead(args: argparse.Namespace, device: torch.device) -> None:
    from ambient.diffusion import distributed
    from ambient.runs import queue as worker

    judged = 0 if args.evaluate is None else _positive("evaluate", args.evaluate)
    run, corpus = _resumed(args) if args.resume else _started(args, device)
    queued = (run.path / PLACE_FILE).exists() and distributed.size() == 1
    try:
        with _StopRequest() as stop:
            if run.last_step < run.config.steps:
                _train(run, corpus, device, stop, "running" if judged else "done")
            if judged and run.last_step >= run.config.steps:
                _judge(run, judged, stop)
    finally:
        if queued:  # the next one starts even where no page is open
            worker.advance(run.path.parent)


def _train(
    run: Run, corpus: Corpus | None, device: torch.device, stop: _StopRequest, at_end: str
) -> None:
    """Train a run from where it stands, and say how it ended."""
    from ambient.runs.limits import Limits
    from ambient.runs.train import record

    try:
        corpus = corpus or run.corpus()
        Limits.here().cap_memory()
    except InputError as e:
        mark_failed(run, str(e))
        raise
    steps = record(run, corpus, device, at_end=at_end)
    with _progress(run.config.steps, "step") as bar:
        for done in steps:
            bar.update(done.step - bar.n)
            if done.step % 10 == 0:
                bar.set_postfix(loss=f"{done.loss:.4f}", refresh=False)
            if stop.asked:
                break
        steps.close()
    step = run.saved_step
    if step >= run.config.steps:
        following = f" Next: python -m ambient evaluate {run.path}" if at_end == "done" else ""
        say(f"done, step {step}.{following}")
    elif run.state["status"] == "queued":
        say(f"saved at step {step}: another run's turn; the queue goes on with this one.")
    else:
        say(
            f"stopped as asked, saved at step {step}. "
            f"Go on with: python -m ambient train --resume {run.path}"
        )


def _judge(run: Run, n: int, stop: _StopRequest) -> None:
    """Judge a trained run, keep its report, and say what it says."""
    from ambient.reports.keeping import judge
    from ambient.runs.limits import Limits

    Limits.here().cap_memory()
    work, report = judge(run, n), None
    with _progress(n, "image") as bar:
        for done, _, found in work:
            report = found
            bar.update(done - bar.n)
            if stop.asked:
                break
        work.close()
    if report:
        say(_summary(report))
    else:
        say(f"not judged. Do it with: python -m ambient evaluate {run.path} --store")


def _resumed(args: argparse.Namespace) -> tuple[Run, None]:
    """The run to go on with, be it only to judge it."""
    for name in (*START_CHOICES, *CONFIG_CHOICES):
        if getattr(args, name) is not None and name != "steps":
            raise InputError(
                f"--{name.replace('_', '-')} goes with a new run; --resume takes only --steps, to "
                "train longer, and --device. For other settings: train --out NEW --from RUN."
            )
    if _is_zip(args.resume):
        raise InputError(
            f"'{args.resume}' is a zip, and a run goes on in its folder; start a new run from its "
            f"weights: train --out NEW --from {args.resume}."
        )
    run = open_run(args.resume)
    if is_training(run) and run.state["pid"] != os.getpid():
        raise InputError(
            f"run '{run.path}' is being trained by process {run.state['pid']}; "
            "wait for it, or stop it first."
        )
    if args.steps is not None:
        run = lengthen(run, args.steps)
    if run.config.steps <= run.last_step:
        if args.evaluate is None:  # else it keeps its place in the queue
            settle(run)
        say(f"'{run.path}' is done: {run.last_step} of {run.config.steps} steps.")
    elif run.state["status"] != "running":  # the queue starts a run as running: its stop counts
        for name in (STOP_FILE, PLACE_FILE):
            (run.path / name).unlink(missing_ok=True)
    return run, None


def _started(args: argparse.Namespace, device: torch.device) -> tuple[Run, Corpus]:
    """A new run of the choices given, on top of a preset's or of those of the run it is from."""

    from ambient.diffusion import distributed, hardware

    if not args.out:
        raise InputError("train needs --out RUN (a new folder) or --resume RUN.")
    source = getattr(args, "from")
    if source and args.preset:
        raise InputError("--from and --preset both bring settings; give one of them.")
    if args.from_step is not None and not source:
        raise InputError("--from-step is a step of a run; name the run with --from RUN.")
    parent = _folder_of(_opened(source)) if source else None
    basis = parent.config if parent else None
    chosen = preset(args.preset) if args.preset else None
    choices = {**(chosen.choices if chosen else {})}
    if basis:
        choices = {k: getattr(basis, k) for k in CONFIG_CHOICES if k != "checkpoint_every"}
    choices |= {k: getattr(args, k) for k in CONFIG_CHOICES if getattr(args, k) is not None}
    if args.arm == "standard" and args.cutoff is None:
        choices["cutoff"] = 0.0
    if args.arm == "ambient" and args.cutoff is None and not choices.get("cutoff"):
        raise InputError(
            "train --arm ambient needs --cutoff, a noise level such as 1.0; suggest-cutoff "
            "names one for your images, and 0 is ordinary training."
        )
    dtype = args.dtype or (hardware.inference_dtype(basis.dtype) if basis else "auto")
    dtype = hardware.faster_dtype(device) if dtype == "auto" else dtype
    if parent and not args.corpus and args.side is None:
        corpus = parent.corpus()
    else:
        usual = basis.corpus if basis else chosen.corpus if chosen else "emoji"
        corpus = load_corpus(args.corpus or usual, side=args.side)
    for note in corpus.notes:
        say(note)
    alone = distributed.size() == 1
    choices.setdefault("threads", usual_threads(corpus.images.shape[1]) if alone else 1)
    config = configure(corpus, dtype=dtype, **choices)
    distributed.rows(config.batch)  # refused before there is a folder
    return start_run(Path(args.out), config, (parent, args.from_step) if parent else None), corpus


def sample(args: argparse.Namespace) -> None:
    """Draw images; image i depends on seed + i alone."""
    import numpy as np

    from ambient.diffusion.samplers import sample as draw
    from ambient.models.adapters import sampler_for, shape_of
    from ambient.models.splice import spliced
    from ambient.runs.archive import check_samples_path, write_samples

    run = _opened(args.run)
    out = check_samples_path(Path(args.out))
    if (args.above is None) != (args.switch is None):
        given = "--switch" if args.above is None else "--above"
        raise InputError(f"only {given} is given; --above RUN and --switch SIGMA go together.")
    how = sampler_for(run, args.sampler, args.steps)
    seeds = range(args.seed, args.seed + _positive("n", args.n))
    check("seed", seeds[-1], "the last image's seed")
    if args.above is None:
        denoiser: Denoiser = run.denoiser(args.step)
    else:
        denoiser = spliced(run, _opened(args.above), args.switch, args.step)
    batches = []
    with _progress(args.n, "image") as bar:
        for batch in draw(denoiser, seeds, shape_of(run), how):
            batches.append(to_bytes(batch.numpy()))
            bar.update(len(batch))
    write_samples(out, np.concatenate(batches), np.array(seeds))
    say(f"{args.n} images in {out}")


def evaluate(args: argparse.Namespace) -> None:
    """Sample, judge every sample, and say how far the verdict can be trusted."""
    from ambient.models.adapters import sampler_for
    from ambient.reports.evaluation import evaluate as run_evaluation
    from ambient.reports.keeping import is_current, keep

    run = _opened(args.run, args.train, args.heldout)
    store = _keeper(args, run)
    how = sampler_for(run, args.sampler, args.steps)
    n = _positive("n", args.n)
    kept = store.report(args.step) if store else None
    if store and kept and kept["n_samples"] > n and is_current(kept, store, args.step):
        raise InputError(
            f"'{store.path}' has a stored report of {kept['n_samples']} samples and --n is {n}; "
            "give as many, leave --store out, or delete that report."
        )
    records = run_evaluation(run, n, args.seed, args.step, how, args.features)
    *_, images, report = _last(records, "image")
    if store:
        keep(store, images, report, args.step)
    if args.json:
        put_json(args.json, report)
    say(_summary(report))


def _summary(report: dict[str, Any]) -> str:
    rule = report["copies"]["ratio"]
    if rule["rate"] is None:
        return "no verdict: " + " ".join(report["warnings"])
    low, high = rule["ci95"]
    quality = report["quality"]
    step = f", step {report['step']}" if report.get("step") is not None else ""
    measured = quality and quality["frechet"] is not None
    distance = f"Frechet {quality['frechet']:.3f}" if measured else "no Frechet (see warnings)"
    return (
        f"{_called(report)}{step}: {rule['rate']:.1%} copies (95 % {low:.1%} to "
        f"{high:.1%}) by d1/d2 < {rule['threshold']:.3f}, which flags {rule['heldout_rate']:.1%} "
        f"of unseen images; {_similar(report)}{distance}."
    )


def _similar(report: dict[str, Any]) -> str:
    rule = report["copies"]["similarity"]
    return f"by {rule['features']} {rule['rate']:.1%}; " if rule else ""


def curves(args: argparse.Namespace) -> None:
    """Errors, closed forms and the return test at every noise level."""
    from ambient.reports.curves import noise_level_curves

    run = _opened(args.run, args.train, args.heldout)
    store = _keeper(args, run)
    *_, pack = _last(noise_level_curves(run, args.step, seed=args.seed), "level")
    if store:
        put_json(str(store.path / "curves.json"), pack)
    if args.json:
        put_json(args.json, pack)
    measured = [level for level in pack["levels"] if level["gap_ratio"] is not None]
    peak = max(measured, key=lambda level: level["gap_ratio"], default=None)
    found = (
        f"held-out error is largest against train error at sigma {peak['sigma']:.3g} "
        f"({peak['gap_ratio']:.1f} times)."
        if peak
        else "no error on training images at any level: a perfect memory."
    )
    say(f"{run.name}: {found}")


def suggest_cutoff(args: argparse.Namespace) -> None:
    """A cutoff before any training, from closed forms: this project's own heuristic."""
    from ambient.diffusion.theory import cutoff_report

    corpus = load_corpus(args.corpus, side=args.side)
    for note in corpus.notes:
        say(note)
    *_, report = _last(cutoff_report(corpus, args.n_train, args.split_seed, args.seed), "level")
    if args.json:
        put_json(args.json, report)
    for warning in report["warnings"]:
        say(warning)
    if report["suggested_cutoff"] is not None:
        say(f"suggested cutoff {report['suggested_cutoff']:.3g}: {report['rule']}.")


def advise(args: argparse.Namespace) -> None:
    """Before training on few images: what they are, which cutoff, and when copying will begin."""
    from ambient.diffusion.theory import cutoff_report
    from ambient.reports.onset import expected_onset, stored_rows, usual_n_train

    corpus = load_corpus(args.corpus, side=args.side)
    count, distinct = len(corpus.images), len(set(corpus.groups.tolist()))
    usual = usual_n_train(distinct)
    n_train = usual if args.n_train is None else _positive("n-train", args.n_train)
    onset = expected_onset(n_train, _positive("batch", args.batch), stored_rows())
    *_, report = _last(cutoff_report(corpus, n_train, args.seed, args.seed), "level")
    say(f"{count} images, {distinct} distinct; {n_train} to train on.")
    for note in [*corpus.notes, *report["warnings"]]:
        say(note)
    say(onset.in_words())
    cutoff = report["suggested_cutoff"]
    if cutoff is not None:
        say(f"Suggested cutoff {cutoff:.2g}: {report['rule']}. Use --arm ambient --cutoff it.")
    say(f"Without a cutoff, stop before step {onset.low:,} and judge the stages.")
    if args.json:
        facts = {"images": count, "distinct": distinct, "notes": list(corpus.notes)}
        put_json(args.json, {**facts, "onset": dataclasses.asdict(onset), "cutoff": report})


def audit(args: argparse.Namespace) -> None:
    """Judge any generated images against any training images."""
    from ambient.reports import page as paper
    from ambient.reports.audit import audit as run_audit
    from ambient.runs.limits import Limits

    if (args.generated is None) == (args.model is None):
        raise InputError("audit takes --generated images or a --model to sample; give one of them.")
    Limits.here().cap_memory()
    with _StopRequest() as stop, _Parts(args.progress, stop) as parts:
        made, origin = args.generated, dict[str, Any]()
        if args.model:
            made, origin = _samples_of(args.model, _positive("n", args.n), args.seed, parts)
        report = run_audit(
            made,
            args.train,
            args.heldout,
            side=args.side,
            features=args.features,
            seed=args.seed,
            quality=not args.skip_quality,
            told=parts.told,
        )
    report |= origin
    if args.html:
        write_atomically(Path(args.html), paper.page(report))
    if args.json:
        put_json(args.json, report)
    for warning in report["warnings"]:
        say(warning)
    say(" ".join([f"{paper.ANSWERS[paper.answer(report)]}.", *paper.sentences(report)]))


def _samples_of(spec: str, n: int, seed: int, parts: _Parts) -> tuple[Corpus, dict[str, Any]]:
    """Images that a model makes, and what a report says of their origin."""
    import numpy as np

    from ambient.diffusion.samplers import trajectory
    from ambient.images.corpus import Corpus
    from ambient.images.twins import twin_groups
    from ambient.models.adapters import sampler_for, shape_of
    from ambient.runs.limits import Limits

    parts.told("loading the model", 0, 1)
    model = _opened(spec)
    how, shape, seeds = sampler_for(model), shape_of(model), range(seed, seed + n)
    Limits.here().check_pictures(n, shape[1])
    check("seed", seeds[-1], "the last image's seed")
    denoiser, made = model.denoiser(), []
    for start in range(0, n, SAMPLED_AT_ONCE):
        some = seeds[start : start + SAMPLED_AT_ONCE]
        for moment in trajectory(denoiser, some, shape, how):
            drawn = start + len(some) * (moment.index + 1) // how.steps
            parts.told("sampling the model", min(drawn, n), n)
        made.append(to_bytes(moment.x.cpu().numpy()))
    images = np.concatenate(made)
    corpus = Corpus(
        name=model.name,
        images=images,
        names=tuple(f"seed {s}" for s in seeds),
        categories=("",) * n,
        groups=twin_groups(images),
        license="yours",
    )
    weights = model.checkpoint_sha256()
    return corpus, {"sampler": dataclasses.asdict(how), "checkpoint_sha256": weights}


def compare(args: argparse.Namespace) -> None:
    """What differs between two runs or reports, and how their copies differ."""
    from ambient.reports.comparison import apart, changed, on_same_noise, sampled, shaped, unpaired

    sides = [_side(args.first), _side(args.second)]
    runs = [run for run, _ in sides if run]
    first, second = (shaped(report, run.config) if run else report for run, report in sides)
    differ = changed(runs[0].config, runs[1].config) if len(runs) == 2 else {}
    differ |= sampled(first, second)
    why, single = apart(first, second), unpaired(first, second)
    paired = None if why else on_same_noise(first, second)
    for name, (a, b) in differ.items():
        say(f"{name}: {a} and {b}")
    for report in (first, second):
        say(_summary(report))
    if why:
        say(f"no pairs: {why}.")
    shown = paired or single
    of = f"on {paired.count} common seeds" if paired else "between independent sets"
    say(
        f"difference {100 * shown.difference:+.1f} points ({100 * shown.low:+.1f} to "
        f"{100 * shown.high:+.1f}) {of}."
    )
    if args.json:
        found = None if paired is None else {**dataclasses.asdict(paired), "count": paired.count}
        names = [run.name if run else _called(report) for run, report in sides]
        differences = {"paired": found, "unpaired": dataclasses.asdict(single)}
        put_json(args.json, {"runs": names, "changed": differ, **differences})


def _side(spec: str) -> tuple[Run | None, dict[str, Any]]:
    """A run and its stored report, or a report alone."""
    if spec.endswith(".json"):
        return None, _audited(spec)
    away = spec.startswith("hub:") or _is_zip(spec)
    run = _folder_of(_opened(spec)) if away else open_run(spec)  # a folder needs no torch
    return run, _stored_report(run, spec)


def _audited(path: str) -> dict[str, Any]:
    """A report that `audit --json` or `evaluate --json` wrote, with a rate.

    Raises:
        InputError: no such file, another one, or a report that concluded nothing.
    """
    from ambient.images.read import check_shape

    report = read_json(Path(path))
    if report is None:
        raise InputError(f"'{path}' does not exist; expected a run, or the JSON of an audit.")
    try:
        check_shape(report, _report_shape(report), "it")
        if not report["samples"]:
            raise InputError("it has no samples.")
    except InputError as e:
        raise InputError(
            f"'{path}' is no report; expected what `audit --json FILE` writes, or `evaluate`: {e}"
        ) from e
    if report["copies"]["ratio"]["rate"] is None:
        raise InputError(f"'{path}' holds no rate: {' '.join(report['warnings'])}")
    return report


def _report_shape(report: dict[str, Any]) -> dict[str, Any]:
    """What `compare` reads of a report; one of images has no run, and names them."""
    from ambient.images.read import flag, number, text, whole
    from ambient.runs.archive import RULES

    rule = {"features": text, "rate": number}
    named = {"run": text} if report.get("run") else {"run": None, "generated": {"name": text}}
    return named | {
        "corpus": {"sha256": text},
        "copies": {"ratio": RULES, "similarity": (rule, rule | {"rate": None}, None)},
        "quality": ({"frechet": (number, None)}, None),
        "sampler": (None, {"sampler": text, "steps": whole, "sigma_max": number}),
        "seed": whole,
        "step?": (whole, None),
        "samples": [{"copy": flag, "seed?": whole}],
        "warnings": [text],
    }


def _called(report: dict[str, Any]) -> str:
    return str(report["run"] or report["generated"]["name"])


def _stored_report(run: Run, spec: str) -> dict[str, Any]:
    report = run.report()
    if report is None or report["copies"]["ratio"]["rate"] is None:
        remedy = (
            "judge the run where it is, and export it again"
            if _is_zip(spec)
            else f"run `python -m ambient evaluate {run.path} --store` first"
        )
        raise InputError(f"'{spec}' has no verdict to compare; {remedy}.")
    return report


def sweep(args: argparse.Namespace) -> None:
    """Train and judge every run of a spec, here or on a Ray cluster; finished runs are kept."""
    from ambient.sweeps.cluster import cluster
    from ambient.sweeps.sweep import carry_out, in_threads, read_sweep

    if args.ray and args.workers is not None:
        raise InputError("--workers counts runs at once on this machine; leave it out with --ray.")
    workers = 1 if args.workers is None else _positive("workers", args.workers)
    spec, out = read_sweep(Path(args.spec)), Path(args.out)
    with cluster(args.ray) if args.ray else nullcontext(partial(in_threads, workers=workers)) as do:
        out.mkdir(parents=True, exist_ok=True)
        for done, total, what in carry_out(spec, out, do):
            say(f"{done} of {total} runs: {what}")
    if args.json:
        put_json(args.json, json.loads((out / "table.json").read_text(encoding="utf-8")))
    say(f"{out / 'table.json'}: a row a judged stage; {out / 'records.npz'}: a row a sample.")


def bench(args: argparse.Namespace) -> None:
    """Time training, sampling and copying side by side with other libraries (minutes to an hour).

    FILE is written after each section. Those that are not measured are kept as they are in it.
    """
    from ambient.bench.suite import QUICK, Size, rows

    known = (None if args.json == "-" else read_json(Path(args.json))) or {}
    size = QUICK if args.quick else Size()
    work = rows(size, args.only or [], known.get("rows", []))
    record = _last(_stored(work, args.json), "section")[2]
    for row in record["rows"]:
        say(_bench_line(row))


def _stored(work: Iterator[tuple[int, int, Any]], target: str) -> Iterator[tuple[int, int, Any]]:
    """The same records, each written as it comes; to standard output only the last."""
    for done, total, record in work:
        if done == total or (done and target != "-"):
            put_json(target, record)
        yield done, total, record


def _bench_line(row: dict[str, Any]) -> str:
    if row["ours"] is None:
        return f"{row['name']}: not measured, {row['note']}"
    line = f"{row['name']}: {row['ours']:.4g} {row['unit']}"
    if row["ratio"] is None:
        return line
    interval = " to ".join(f"{x:.3g}" for x in row.get("ratio_ci95", []))
    of = f" ({interval})" if interval else ""
    return f"{line} to {row['peer']:.4g}, ratio {row['ratio']:.3g}{of}"


def export(args: argparse.Namespace) -> None:
    """Zip a run: config, weights, report, curves, contact sheet, model card."""
    from ambient.runs.archive import export_run

    run = _folder_of(_opened(args.run))
    out = Path(args.out)
    if not out.parent.is_dir():
        raise InputError(f"'{out.parent}' is no folder; create it or choose another --out.")
    data = export_run(run, args.images)
    write_atomically(out, data)
    say(f"{out}: {len(data) / 1e6:.1f} MB")


def push(args: argparse.Namespace) -> None:
    """Put a run on the Hub with a model card; private, unless you say otherwise."""
    from ambient.models.hub import PREFIX, push

    run = _folder_of(_opened(args.run))
    commit = push(run, args.repo, args.images, args.public)
    say(f"{PREFIX}{args.repo.removeprefix(PREFIX)}@{commit}")


def pull(args: argparse.Namespace) -> None:
    """Fetch a run or a diffusers pipeline from the Hub, at a revision."""
    from ambient.models.hub import PREFIX

    _opened(PREFIX + args.repo.removeprefix(PREFIX))


def runs(args: argparse.Namespace) -> None:
    """List the bundled runs and those in ./runs."""
    from ambient.runs.queue import RUNS

    for folder in (BUNDLED_RUNS, RUNS):
        for run in list_runs(folder):
            c = run.config
            what = f"n={c.n_train:<5} {c.arm:10} cutoff {c.cutoff:<5g} step {run.last_step}"
            print(f"{run.name:28} {what}")


def _opened(spec: str, train: str | None = None, heldout: str | None = None) -> Run | Model:
    """A run, or a diffusers pipeline beside its images, from a folder, a zip or the Hub."""
    from ambient.models import hub, pipelines
    from ambient.runs.queue import RUNS

    if spec.startswith(hub.PREFIX):
        model = hub.pull(spec, RUNS)
        say(f"{spec}: {model.path if isinstance(model, Run) else model.name}")
    elif pipelines.is_pipeline(Path(spec).expanduser()):
        model = pipelines.load_pipeline(spec)
    elif _is_zip(spec):
        model = _from_zip(Path(spec).expanduser())
    else:
        model = open_run(spec)
    if isinstance(model, Run):
        if train or heldout:
            raise InputError(f"'{spec}' is a run and knows its images; give no --train.")
        return model
    if heldout and not train:
        raise InputError("--heldout goes with --train, the images that the model was trained on.")
    if train:
        model = model.beside(train, heldout)
        for note in model.corpus().notes:
            say(note)
    return model


def _is_zip(spec: str) -> bool:
    place = Path(spec).expanduser()
    return place.suffix.lower() == ".zip" and place.is_file()


def _from_zip(place: Path) -> Run | Model:
    """A run that `export` wrote, unpacked for this command alone, or a diffusers pipeline."""
    from ambient.images.zips import open_zip
    from ambient.models import pipelines
    from ambient.runs import archive

    most = archive.MAX_UNPACKED + pipelines.MAX_WEIGHTS
    with open_zip(place, place.name, most) as content:
        names = {Path(member.filename).name for member in content.infolist()}
    if "config.json" in names and not names & {pipelines.INDEX, pipelines.WEIGHTS}:
        return archive.unpack_run(place)
    return pipelines.load_zip(place)


def _folder_of(model: Run | Model) -> Run:
    """The run, where only a run will do."""
    if not isinstance(model, Run):
        raise InputError(
            f"'{model.name}' is a diffusers pipeline and no run folder: nothing can be kept in it, "
            "exported, pushed, compared or trained on. Results go to --json FILE, and `compare` "
            "takes that of `audit --model`."
        )
    return model


def _keeper(args: argparse.Namespace, model: Run | Model) -> Run | None:
    """The run that keeps the results, where --store asks for it."""
    if not args.store:
        return None
    run = _folder_of(model)
    if _is_zip(args.run):
        raise InputError(
            f"'{args.run}' is a zip, in which nothing is kept; unpack it and give the folder, or "
            "leave --store out: results go to --json FILE."
        )
    return run


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"--{name} is {value}; expected 1 or more.")
    return value


def _last(records: Iterator[tuple[Any, ...]], unit: str) -> tuple[Any, ...]:
    """Drive a generator of (done, total, ...) behind a progress bar; its last record."""
    last = next(records)
    with _progress(last[1], unit) as bar:
        bar.update(last[0])
        for record in records:
            bar.update(record[0] - bar.n)
            last = record
    return last


def _progress(total: int, unit: str) -> Any:
    from tqdm import tqdm

    pause = 0.1 if sys.stderr.isatty() else 10.0  # seconds between lines in a log file
    return tqdm(total=total, unit=unit, file=sys.stderr, delay=2, leave=False, mininterval=pause)


SAMPLED_AT_ONCE = 16  # images: how far it is, is soon known


class _Parts:
    """Progress of work in named parts: a bar each and, where asked, a file that says how far it is.

    The file holds one JSON object of `part`, `done` and `total`; it is rewritten in one move.
    """

    PAUSE = 0.5  # seconds between two writes

    def __init__(self, file: str | None, stop: _StopRequest) -> None:
        self.file, self.stop, self.part, self.written = file, stop, "", 0.0
        self.bar: Any = None

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def told(self, part: str, done: int, total: int) -> None:
        """Called between two pieces of work: there it may end.

        Raises:
            KeyboardInterrupt: a stop was asked for.
        """
        if self.stop.asked:
            raise KeyboardInterrupt
        new, now = part != self.part, time.monotonic()
        if new:
            self.__exit__()
            self.part, self.bar = part, _progress(total, "")
            self.bar.set_description(part, refresh=False)
        self.bar.update(done - self.bar.n)
        if self.file and (new or now - self.written > self.PAUSE):
            state = {"part": part, "done": done, "total": total}
            write_atomically(Path(self.file), json.dumps(state))
            self.written = now


class _StopRequest:
    """Ctrl-C and SIGTERM ask for a stop between two steps, where all state is whole.

    A second Ctrl-C does not wait.
    """

    asked = False

    def __enter__(self) -> _StopRequest:
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number: int, frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


START_CHOICES = ["out", "from", "from_step", "preset", "corpus", "side", "dtype"]
CONFIG_CHOICES = [
    "n_train",
    "split_seed",
    "arm",
    "cutoff",
    "steps",
    "batch",
    "lr",
    "width",
    "seed",
    "threads",
    "checkpoint_every",
    "network",
    "augment",
]
