"""Train, judge and store the runs of `assets/runs.json`: `make assets`.

Resumable: a run is trained in runs/bundled/NAME, goes on where it stands, and is copied to
assets/runs/NAME when its report and curves are there. Finished runs are left alone; delete a
folder (or just its reports) to make it again. With --weights runs are only trained: the workshop
then holds the weights of every stage, which most stored runs leave out. With --judge the stored
samples are judged again, by rules and measures as they are now; of a stage whose weights are not
stored, these are the 36 on its contact sheet.
"""

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from PIL.PngImagePlugin import PngInfo

from ambient.cli.judge import summary
from ambient.copies.records import Report
from ambient.copies.sets import sets_of
from ambient.diffusion.corruption import corrupt
from ambient.diffusion.samplers import trajectory
from ambient.files import ASSETS, read_record
from ambient.images.corpus import to_bytes, to_unit
from ambient.reports.evaluate import draw, judge_samples, report_of
from ambient.runs.archive import PARTS
from ambient.runs.folder import (
    BUNDLED_RUNS,
    SIGNALS_FILE,
    Run,
    as_picture,
    list_runs,
    open_run,
    step_name,
)
from ambient.sweeps import sweep

SPEC = ASSETS / "runs.json"
WORKSHOP = Path("runs/bundled")
STAGE_SAMPLES = 400
TOLD_SAMPLES = 300  # of a run with captions, whose prompts are judged beside
SCORED = 30  # prompts of each kind, by sixteen samples each
JUDGE_EVERY = 2  # stored steps of a training to the next that is judged
TRAJECTORY_SEEDS = 12
TRAJECTORY_CUTOFFS = (0.0, 1.0)  # what the pages show first


def command(*words: object) -> None:
    sweep.command(WORKSHOP / "log.txt", *words)


def options(spec: dict[str, object]) -> list[object]:
    named = [(f"--{key.replace('_', '-')}", value) for key, value in spec.items()]
    return [w for name, value in named for w in ([name] if value is True else [name, value])]


def train(name: str, spec: dict[str, object]) -> None:
    """Train or go on training one run in the workshop."""
    folder = WORKSHOP / name
    if (folder / "config.json").exists():
        command("train", "--resume", folder)
    else:
        command("train", "--out", folder, *options(spec))


def stages(run: Run, every: int) -> list[int]:
    """The stored steps that are judged: every so many (0: none), and the last.

    A step where training was only stopped for a while is none of them.
    """
    regular = [s for s in run.steps if s % run.config.checkpoint_every == 0]
    return sorted({*(regular[every - 1 :: every] if every else []), run.last_step})


def judge(name: str, every: int) -> None:
    """Reports of every stage (400 samples) and of the last one (1,000), and the curves."""
    run = open_run(WORKSHOP / name)
    for step in stages(run, every) if every else []:
        if run.report(step) is None:
            command("evaluate", run.path, "--step", step, "--n", STAGE_SAMPLES, "--store")
    # A run that was extended has results of its old end: those are made again.
    report, curves = run.report(), run.curves()
    if report is None or report.step != run.last_step:
        command(
            "evaluate", run.path, "--store", *(["--n", TOLD_SAMPLES] if run.config.text else [])
        )
    if run.config.text:  # what words do, in place of curves
        if not (run.path / SIGNALS_FILE).exists():
            command("prompts", run.path, "--n", SCORED, "--store")
        return
    if curves is None or curves.step != run.last_step:
        command("curves", run.path, "--store")


def store(name: str, every: int) -> None:
    """Copy what is bundled: all but resume states and the weights of earlier steps."""
    run, target = open_run(WORKSHOP / name), BUNDLED_RUNS / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in PARTS:
        if (run.path / part).exists():
            shutil.copy(run.path / part, target / part)
    if (run.path / SIGNALS_FILE).exists():
        shutil.copy(run.path / SIGNALS_FILE, target / SIGNALS_FILE)
    if (run.path / "reports").exists():
        shutil.copytree(run.path / "reports", target / "reports")
        leave_out_ratios(open_run(target))
    (target / "sheets").mkdir()
    for step in stages(run, every):
        shutil.copy(run.path / "sheets" / f"{step_name(step)}.png", target / "sheets")
    if run.config.cutoff:
        write_frozen(run, target / "frozen.png")
    (target / "checkpoints").mkdir()
    shutil.copy(run.checkpoint(), target / "checkpoints")


def leave_out_ratios(run: Run) -> None:
    """Take the ratios of held-out images out of stages' reports where the last one has the same."""
    end = run.report()
    for path in sorted((run.path / "reports").glob("*.json")):
        found = read_record(path, Report)
        if found and end and found.heldout_ratios == end.heldout_ratios:
            replace(found, heldout_ratios=()).save(path)


def write_frozen(run: Run, path: Path) -> None:
    """The noisy copies of the first 12 training images, in one row."""
    corpus = run.corpus()
    first = run.split(corpus).train[:12]
    clean = torch.from_numpy(to_unit(corpus.images[first]))
    noisy = to_bytes(corrupt(clean, first.tolist(), run.config.cutoff, run.config.seed).numpy())
    as_picture(np.concatenate(list(noisy), axis=1)).save(path)


def write_trajectory(run: Run, path: Path) -> None:
    """How the first 12 seeds form: one row a sampling step, the denoised pictures there.

    The PNG says itself where its rows lie (`sigmas`) and whose they are (`checkpoint_sha256`).
    """
    seeds = range(TRAJECTORY_SEEDS)
    taken = list(trajectory(run.denoiser(), seeds, run.shape, run.sampler()))
    rows = [np.concatenate(list(to_bytes(record.denoised.numpy())), axis=1) for record in taken]
    about = PngInfo()
    about.add_text("sigmas", json.dumps([record.sigma for record in taken]))
    about.add_text("seeds", json.dumps(list(seeds)))
    about.add_text("checkpoint_sha256", run.checkpoint_sha256())
    as_picture(np.concatenate(rows)).save(path, optimize=True, pnginfo=about)


def judge_again(run: Run) -> None:
    """New reports in the place of those that are stored, on the same samples where they are."""
    for step in (None, *run.sheet_steps):
        old = run.report(step)
        stored = run.samples() if step is None else None
        if old is None or (step is None and stored is None):
            continue
        if stored:
            images, seeds = stored
        elif step in run.steps:
            seeds = np.arange(STAGE_SAMPLES)
            images = np.concatenate(list(draw(run, seeds.tolist(), old.sampler, step)))
        elif (sheet := run.sheet(step)) is not None:
            images, seeds = sheet, np.arange(len(sheet))
        else:
            continue
        corpus = run.corpus()
        found = judge_samples(run, sets_of(corpus, run.split(corpus), images), old.step)
        new = report_of(run, old.corpus, found, seeds.tolist(), None, old.sampler)
        new = replace(new, step=old.step, checkpoint_sha256=old.checkpoint_sha256)
        name = "report" if step is None else f"reports/{step_name(step)}"
        new.save(run.path / f"{name}.json")
        print(f"{name} of {summary(new)}", flush=True)
    leave_out_ratios(run)


def build(name: str, spec: dict[str, Any], weights_only: bool) -> None:
    every: int = spec.pop("judge_every", JUDGE_EVERY)
    if weights_only:
        train(name, spec)
        return
    target = BUNDLED_RUNS / name
    if not (target / "report.json").exists():
        train(name, spec)
        judge(name, every)
        store(name, every)
        print(f"{name}: stored", flush=True)
    run, forming = open_run(target), target / "trajectory.png"
    wanted = not run.config.text and run.config.cutoff in TRAJECTORY_CUTOFFS
    if wanted and not forming.exists():
        write_trajectory(run, forming)
        print(f"{name}: trajectory of {forming.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("--only", nargs="*", help="names of runs (default: all)")
    parser.add_argument("--judge", action="store_true", help="only judge again what is stored")
    parser.add_argument("--weights", action="store_true", help="only train, into runs/bundled")
    args = parser.parse_args()
    if args.judge:
        torch.set_num_threads(1)
        for run in list_runs(BUNDLED_RUNS):
            if not args.only or run.name in args.only:
                judge_again(run)
        return
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    wanted = {n: {**spec["common"], **s} for n, s in spec["runs"].items()}
    if args.only:
        wanted = {n: wanted[n] for n in args.only}
    with ThreadPoolExecutor(args.workers) as pool:
        for done in [pool.submit(build, n, s, args.weights) for n, s in wanted.items()]:
            done.result()


if __name__ == "__main__":
    main()
