"""Judging a trained run where its folder says so: the verdict is kept in it, as `evaluate --store`
keeps it, and state.json tells meanwhile how far it is.
"""

from __future__ import annotations

import numpy as np

from ambient.copies.records import Report
from ambient.copies.sets import Images
from ambient.files import InputError, Tell, silent
from ambient.reports.evaluate import draw_and_judge
from ambient.runs.folder import STOP_FILE, Run, step_name
from ambient.runs.job import Judging, pulse
from ambient.runs.samples import write_samples


class _StoppedError(Exception):
    """The run's folder asks for an early end."""


def judge(run: Run, n: int, tell: Tell = silent) -> Report | None:
    """Judge `n` samples of a trained run, unless a stored report of these weights judged as many.

    Its status is `running` meanwhile, so that it keeps its place in the queue, with `done` and `of`
    under `judging`; a process that is killed leaves a run that is done. At the end it is `done`;
    why there is no report stands under `unjudged`. A file named `stop` ends it early, but not for
    another run's turn: it takes less than a minute.

    Args:
        tell: hears how many samples are drawn; may raise to end the work.

    Returns:
        None if it ended early by the run's `stop` file.

    Raises:
        InputError: the run's images or weights cannot be read.
        MemoryError, OSError: as they come; the run is done, and without a report.
    """

    def heard(part: str, done: int, total: int) -> None:
        if run.is_to_pause:
            raise _StoppedError
        _say(run, done, total)
        tell(part, done, total)

    kept, why = run.report(), "judging ended early."
    try:
        if kept is None or kept.n_samples < n or not is_current(kept, run):
            images, kept = draw_and_judge(run, n, tell=heard)
            keep(run, images, kept)
        why = ""
        return kept
    except _StoppedError:
        why = "judging was stopped."
        return None
    except (InputError, MemoryError, OSError) as e:
        why = str(e) or "the memory does not suffice."
        raise
    finally:
        _end(run, why)


def is_current(report: Report, run: Run, step: int | None = None) -> bool:
    """Whether a report is of the weights that are stored now."""
    return report.checkpoint_sha256 == run.checkpoint_sha256(step)


def keep(run: Run, images: Images, report: Report, step: int | None = None) -> None:
    """Store a report in the run's folder: that of a stage, or the final one beside its samples."""
    if step is not None:
        report.save(run.path / "reports" / f"{step_name(step)}.json")
        return
    seeds = np.array([sample.seed for sample in report.samples])
    write_samples(run.path / "samples.npz", images, seeds)
    report.save(run.path / "report.json")


def _say(run: Run, done: int, of: int) -> None:
    run.tell(status="running", judging=Judging(done=done, of=of), **pulse())


def _end(run: Run, why: str) -> None:
    run.tell(status="done", judging=None, unjudged=why)
    (run.path / STOP_FILE).unlink(missing_ok=True)
