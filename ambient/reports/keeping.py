"""Judging a trained run where its folder says so: the verdict is kept in it, as `evaluate --store`
keeps it, and state.json tells meanwhile how far it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from typing import Any

import numpy as np

from ambient.copies.judge import Images
from ambient.errors import InputError
from ambient.files import write_atomically
from ambient.reports.evaluation import evaluate
from ambient.runs.archive import write_samples
from ambient.runs.folder import STOP_FILE, Run, pulse, step_name

Report = dict[str, Any]


def judge(run: Run, n: int) -> Generator[tuple[int, int, Report | None], None, None]:
    """Judge `n` samples of a trained run, unless a stored report of these weights judged as many.

    Its status is `running` meanwhile, so that it keeps its place in the queue, with `done` and `of`
    under `judging`; a process that is killed leaves a run that is done. At the end it is `done`;
    why there is no report stands under `unjudged`. Ends early where the caller closes the generator
    or a file named `stop` asks for it, but not for another run's turn: it takes less than a minute.

    Yields:
        (samples so far, n, None) at the start and after each batch; last (n, n, report).

    Raises:
        InputError: the run's images or weights cannot be read.
        MemoryError, OSError: as they come; the run is done, and without a report.
    """
    kept, why = run.report(), "judging ended early."
    try:
        if kept and kept["n_samples"] >= n and is_current(kept, run):
            why = ""
            yield n, n, kept
            return
        _tell(run, 0, n)
        yield 0, n, None
        for done, total, images, report in evaluate(run, n):
            if report:
                keep(run, images, report)
                why = ""
            elif run.is_to_pause:
                why = "judging was stopped."
                return
            else:
                _tell(run, done, total)
            yield done, total, report
    except (InputError, MemoryError, OSError) as e:
        why = str(e) or "the memory does not suffice."
        raise
    finally:
        _end(run, why)


def is_current(report: Report, run: Run, step: int | None = None) -> bool:
    """Whether a report is of the weights that are stored now."""
    return bool(report["checkpoint_sha256"] == run.checkpoint_sha256(step))


def keep(run: Run, images: Images, report: Report, step: int | None = None) -> None:
    """Store a report in the run's folder: that of a stage, or the final one beside its samples."""
    text = json.dumps(report, allow_nan=False) + "\n"
    if step is not None:
        write_atomically(run.path / "reports" / f"{step_name(step)}.json", text)
        return
    seeds = np.array([sample["seed"] for sample in report["samples"]])
    write_samples(run.path / "samples.npz", images, seeds)
    write_atomically(run.path / "report.json", text)


def _tell(run: Run, done: int, of: int) -> None:
    far = {"status": "running", "judging": {"done": done, "of": of}}
    _write(run, {**run.state, **pulse(os.getpid()), **far})


def _end(run: Run, why: str) -> None:
    rest = {k: v for k, v in run.state.items() if k not in ("judging", "unjudged")}
    _write(run, {**rest, "status": "done", **({"unjudged": why} if why else {})})
    (run.path / STOP_FILE).unlink(missing_ok=True)


def _write(run: Run, state: dict[str, Any]) -> None:
    write_atomically(run.path / "state.json", json.dumps(state) + "\n")
