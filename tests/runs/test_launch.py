"""A process forked from the warm one does what a cold one does, and there is none too many."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ambient.config import configure
from ambient.images.corpus import Corpus
from ambient.runs import launch, queue
from ambient.runs.folder import IMAGES_FILE, Run
from ambient.runs.job import Job
from ambient.runs.start import start_run
from tests import jobs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere jobs start cold")


@pytest.fixture(autouse=True)
def none_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No warm process before, none after."""
    monkeypatch.setattr(launch, "_warm", None)
    yield
    if launch._warm:
        launch._warm.end()


def warmed() -> psutil.Process:
    launch.keep()
    jobs.until(launch.dtype)
    assert launch._warm
    return psutil.Process(launch._warm.process.pid)


def ended(run: Run) -> Run:
    jobs.finish(run.path.parent)
    return run


def test_forked_and_cold_trainings_are_equal_bit_for_bit(
    tmp_path: Path, digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambient.runs.upkeep.JUDGED", 32)
    corpus = jobs.some_of(digits, 150)
    config = configure(
        corpus, n_train=16, steps=12, batch=8, width=16, threads=2, checkpoint_every=6
    )
    warm = warmed()
    assert warm.num_threads() == 1
    first = queue.submit(config, tmp_path / "warm", images=corpus)
    assert psutil.Process(first.state.pid).parent() == warm
    broken = start_run(tmp_path / "broken" / "run", config)
    queue.resume(broken)  # it ends faster than the queue says that it began
    assert ended(broken).status == "failed" and IMAGES_FILE in broken.state.error
    ended(first)
    assert warm.is_running() and warm.num_threads() == 1  # it goes on to the next

    warm.kill()
    second = queue.submit(config, tmp_path / "cold", images=corpus)
    assert psutil.Process(second.state.pid).parent() == psutil.Process()
    ended(second)
    for step in (6, 12):
        one, other = (run.checkpoint(step).read_bytes() for run in (first, second))
        assert one == other
    assert first.report() and first.report() == second.report()  # by as many threads


@pytest.mark.parametrize("last", ["exec sleep 60", "read order; echo nothing", "read order"])
def test_a_dead_or_hanging_warm_process_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n[ $2 = ambient ] && exit\necho float32\n{last}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(launch, "ANSWER", 0.2)
    warm = warmed()
    process = launch.start_process(Job(tmp_path), ["train"])
    assert isinstance(process, psutil.Popen) and process.wait(60) == 0
    assert not warm.is_running() and not launch.dtype()


def test_a_warm_process_is_replaced_but_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    launch.keep()
    first = launch._warm
    assert first
    jobs.until(lambda: launch.dtype() or first.process.poll() is not None)
    first.dtype = "float32"
    launch.keep()
    assert launch._warm is first
    monkeypatch.setattr(first, "began", time.monotonic() - launch.AGAIN - 1)
    launch.keep()
    assert launch._warm is not first
