"""How long training takes until it copies: part of `ambient bench`."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ambient.bench.rows import Row, absent
from ambient.copies.judge import judge_images
from ambient.copies.sets import sets_of
from ambient.reports.evaluate import draw
from ambient.runs.folder import Run, open_run


def measure(seeds: int, steps: int, samples: int) -> Iterator[Row]:
    """Seconds from the start of `train` until half of the samples are copies, each seed."""
    found = [seconds_to_half(seed, steps, samples) for seed in range(seeds)]
    yield censored("seconds_to_half_copies:digits-50", "s from the start of the command", found)


def censored(name: str, unit: str, found: Sequence[tuple[float, bool]]) -> Row:
    """A row of times: (seconds, whether it happened by then) of each seed."""
    median = float(np.median([t if happened else np.inf for t, happened in found]))
    never = [f"{t:.0f}" for t, happened in found if not happened]
    note = f"{len(never)} of {len(found)} seeds not within {', '.join(never)} s" if never else ""
    each = [t if happened else None for t, happened in found]
    ours = median if np.isfinite(median) else None
    return {**absent(name, unit, note), "ours": ours, "each": each}


def seconds_to_half(seed: int, steps: int, samples: int) -> tuple[float, bool]:
    """Train by the command; then judge what it stored, stage by stage (`half_copies`)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["train", "--preset", "digits-copy", "--steps", steps, "--seed", seed]
        words += ["--checkpoint-every", max(1, steps // 20), "--out", out]
        start = time.time()
        done = subprocess.run(
            [sys.executable, "-m", "ambient", *map(str, words)],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChildProcessError((done.stderr.strip().splitlines() or ["no output"])[-1])
        return half_copies(open_run(out), start, samples)


def half_copies(run: Run, start: float, samples: int) -> tuple[float, bool]:
    """Seconds from `start` until half of a run's samples were copies, between two stages a line.

    Only a few stages are judged: copies become more as training goes on, so the first stage with
    half of them is found by halving.

    Returns:
        When that was, or how long it trained without that; and which.
    """
    corpus, steps = run.corpus(), run.steps
    split = run.split(corpus)
    rates: dict[int, float] = {-1: 0.0}

    def seconds(stage: int) -> float:
        return run.checkpoint(steps[stage]).stat().st_mtime - start if stage >= 0 else 0.0

    below, reached = -1, len(steps)
    while reached - below > 1:
        stage = (below + reached) // 2
        images = np.concatenate(list(draw(run, range(samples), step=steps[stage])))
        rates[stage] = judge_images(sets_of(corpus, split, images)).copies.ratio.rated.rate
        below, reached = (below, stage) if rates[stage] >= 0.5 else (stage, reached)
    if reached == len(steps):
        return seconds(below), False
    share = (0.5 - rates[below]) / (rates[reached] - rates[below])
    return seconds(below) + share * (seconds(reached) - seconds(below)), True
