"""The queue: one run at a time, in order, stoppable, and honest about the dead."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ambient import worker
from ambient.config import Config, configure
from ambient.corpus import Corpus
from ambient.errors import InputError
from ambient.run import Run, list_runs, start_run


@pytest.fixture
def config(digits: Corpus) -> Config:
    return configure(digits, n_train=16, batch=8, width=16, steps=100_000, threads=1)


@pytest.fixture(autouse=True)
def no_orphans(tmp_path: Path) -> Iterator[None]:
    """Whatever a failed test leaves training is killed."""
    yield
    for run in list_runs(tmp_path):
        if run.state["status"] == "running":
            os.kill(int(run.state["pid"]), signal.SIGKILL)


def wait_until(run: Run, holds: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """Poll the run as a page does, for at most a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        worker.advance(run.path.parent)
        state = run.state
        if holds(state):
            return state
        os.sched_yield()
    log = (run.path / "log.txt").read_text()
    raise AssertionError(f"{run.state} never came to hold; log: {log}")


def test_a_queue_of_two(tmp_path: Path, config: Config) -> None:
    first, second = worker.submit(config, tmp_path), worker.submit(config, tmp_path)
    assert (first.state["status"], second.state["status"]) == ("running", "queued")
    assert [worker.position(r) for r in (first, second)] == [0, 1]
    wait_until(first, lambda s: int(str(s["step"])) > 0)
    worker.request_stop(first)
    wait_until(first, lambda s: s["status"] == "paused")
    assert first.last_step > 0
    wait_until(second, lambda s: s["status"] == "running")
    worker.request_stop(second)
    wait_until(second, lambda s: s["status"] == "paused")
    before = first.last_step
    worker.resume(first)
    wait_until(first, lambda s: int(str(s["step"])) > before)
    worker.request_stop(first)
    wait_until(first, lambda s: s["status"] == "paused")


def test_a_killed_run_is_interrupted_not_running(tmp_path: Path, config: Config) -> None:
    run = worker.submit(config, tmp_path)
    wait_until(run, lambda s: int(str(s["step"])) > 0)
    os.kill(int(run.state["pid"]), signal.SIGKILL)
    wait_until(run, lambda s: s["status"] == "interrupted")


def test_a_reused_process_number_is_not_mistaken_for_the_run(
    tmp_path: Path, config: Config
) -> None:
    run = worker.submit(config, tmp_path)
    wait_until(run, lambda s: int(str(s["step"])) > 0)
    worker.request_stop(run)
    state = wait_until(run, lambda s: s["status"] == "paused")
    fake = {**state, "status": "running", "pid": os.getpid(), "pid_started": "1"}
    (run.path / "state.json").write_text(json.dumps(fake))
    worker.advance(tmp_path)
    assert run.state["status"] == "interrupted"


def test_a_queued_run_can_be_taken_back(tmp_path: Path, config: Config) -> None:
    first, second = worker.submit(config, tmp_path), worker.submit(config, tmp_path)
    worker.request_stop(second)
    assert second.state["status"] == "paused"
    worker.request_stop(first)
    wait_until(first, lambda s: s["status"] == "paused")


def test_a_full_disk_is_one_line_and_changes_nothing(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    run = start_run(tmp_path / "mine", config)
    before = run.state
    monkeypatch.setattr(worker, "write_atomically", full)
    with pytest.raises(InputError, match="the disk is full"):
        worker.resume(run)
    assert run.state == before
