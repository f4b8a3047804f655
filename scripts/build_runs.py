"""Train, judge and store the runs of `assets/runs.json`: `make assets`.

Resumable: a run is trained in runs/bundled/NAME, goes on where it stands, and is copied to
assets/runs/NAME when its report and curves are there. Finished runs are left alone; delete a
folder (or just its reports) to make it again.
"""

from __future__ import annotations

import argparse
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ambient import sweep
from ambient.archive import PARTS
from ambient.corpus import ASSETS, to_bytes, to_unit
from ambient.corruption import corrupt
from ambient.run import BUNDLED_RUNS, Run, open_run, step_name

SPEC = ASSETS / "runs.json"
WORKSHOP = Path("runs/bundled")
STAGE_SAMPLES = 400


def command(*words: object) -> None:
    """One `python -m ambient` command, its output in the workshop's log."""
    sweep.command(WORKSHOP / "log.txt", *words)


def options(spec: dict[str, object]) -> list[object]:
    return [w for key, value in spec.items() for w in (f"--{key.replace('_', '-')}", value)]


def train(name: str, spec: dict[str, object]) -> None:
    """Train or go on training one run in the workshop."""
    folder = WORKSHOP / name
    if (folder / "config.json").exists():
        command("train", "--resume", folder)
    else:
        command("train", "--out", folder, *options(spec))


def stages(run: Run) -> list[int]:
    """The stored steps that are judged: every second one, and the last."""
    return sorted({*run.steps[1::2], run.last_step})


def judge(name: str) -> None:
    """Reports of every stage (400 samples) and of the last one (1,000), and the curves."""
    run = open_run(WORKSHOP / name)
    for step in stages(run):
        if run.report(step) is None:
            command("evaluate", run.path, "--step", step, "--n", STAGE_SAMPLES, "--store")
    # A run that was extended has results of its old end: those are made again.
    if (run.report() or {}).get("step") != run.last_step:
        command("evaluate", run.path, "--store")
    if (run.curves() or {}).get("step") != run.last_step:
        command("curves", run.path, "--store")


def store(name: str, keep_stages: bool) -> None:
    """Copy what is bundled: everything but resume states, and weights of the last step only."""
    run, target = open_run(WORKSHOP / name), BUNDLED_RUNS / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in PARTS:
        if (run.path / part).exists():
            shutil.copy(run.path / part, target / part)
    shutil.copytree(run.path / "reports", target / "reports")
    (target / "sheets").mkdir()
    for step in stages(run):
        shutil.copy(run.path / "sheets" / f"{step_name(step)}.png", target / "sheets")
    if run.config.cutoff:
        write_frozen(run, target / "frozen.png")
    weights = target / "checkpoints"
    weights.mkdir()
    for step in stages(run) if keep_stages else run.steps[-1:]:
        shutil.copy(run.checkpoint(step), weights)


def write_frozen(run: Run, path: Path) -> None:
    """The noisy copies of the first 12 training images, in one row."""
    corpus = run.corpus()
    first = run.split(corpus).train[:12]
    clean = torch.from_numpy(to_unit(corpus.images[first]))
    noisy = to_bytes(corrupt(clean, first.tolist(), run.config.cutoff, run.config.seed).numpy())
    Image.fromarray(np.concatenate(list(noisy), axis=1)).save(path)


def build(name: str, spec: dict[str, object]) -> None:
    if (BUNDLED_RUNS / name / "curves.json").exists():
        return
    keep_stages = bool(spec.pop("keep_stages", False))
    train(name, spec)
    judge(name)
    store(name, keep_stages)
    print(f"{name}: stored", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="runs at once, one thread each")
    parser.add_argument("--only", nargs="*", help="names of runs (default: all)")
    args = parser.parse_args()
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    wanted = {n: {**spec["common"], **s} for n, s in spec["runs"].items()}
    if args.only:
        wanted = {n: wanted[n] for n in args.only}
    with ThreadPoolExecutor(args.workers) as pool:
        for done in [pool.submit(build, n, s) for n, s in wanted.items()]:
            done.result()


if __name__ == "__main__":
    main()
