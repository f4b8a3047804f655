"""The queue: one run at a time, in order, stoppable, and honest about the dead."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from ambient.runs import queue as worker
from ambient.config import Config, configure
from ambient.images.corpus import Corpus
from ambient.errors import InputError
from ambient.runs.train import record
from ambient.files import write_atomically
from ambient.runs.folder import (
    ACTIVE,
    HUNG,
    OWN,
    STALE,
    STOP_FILE,
    UNPACKING,
    YIELD,
    Run,
    is_training,
    list_runs,
    process_started,
    pulse,
    start_run,
)


@pytest.fixture
def config(digits: Corpus) -> Config:
    return configure(digits, n_train=16, batch=8, width=16, steps=100_000, threads=1)


@pytest.fixture(autouse=True)
def no_orphans(tmp_path: Path) -> Iterator[None]:
    """Whatever a failed test leaves training is killed."""
    yield
    for run in [*list_runs(tmp_path), *list_runs(tmp_path / "turns")]:
        with suppress(InputError):
            if is_training(run) and run.state["pid"] != os.getpid():
                os.kill(int(run.state["pid"]), signal.SIGKILL)


def wait_until(run: Run, holds: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """Poll the run as a page does, for at most two minutes."""
    deadline = time.monotonic() + 120
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


def change(run: Run, **more: object) -> None:
    (run.path / "state.json").write_text(json.dumps({**run.state, **more}))


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process looked up")
def test_a_process_that_stands_still_is_killed_and_its_run_goes_on(
    tmp_path: Path, config: Config
) -> None:
    run = worker.submit(config, tmp_path)
    wait_until(run, lambda s: int(str(s["step"])) > 0)
    pid, day = int(run.state["pid"]), 24 * 3600
    os.kill(pid, signal.SIGSTOP)
    begun = float(run.state["monotonic"])
    # The clock was set, or the machine slept; then: long without a heartbeat, but at work.
    for fresh in ({"heartbeat": time.time() - day}, {"monotonic": begun - day, "worked": -day}):
        change(run, **fresh)
        worker.advance(tmp_path)
        assert run.state["pid"] == pid and is_training(run)
    change(run, monotonic=begun - HUNG, worked=float(run.state["worked"]) + day)
    step = run.saved_step
    worker.advance(tmp_path)
    assert run.state["status"] == "running" and run.state["pid"] != pid
    wait_until(run, lambda s: int(str(s["step"])) > step)
    assert process_started(pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process looked up")
def test_a_hung_run_that_was_asked_to_pause_is_not_started_again(
    tmp_path: Path, config: Config
) -> None:
    run = worker.submit(config, tmp_path)
    os.kill(int(run.state["pid"]), signal.SIGSTOP)
    worker.request_stop(run)
    change(run, monotonic=float(run.state["monotonic"]) - HUNG)
    wait_until(run, lambda s: s["status"] == "interrupted")


@pytest.mark.usefixtures("by_hand")
@pytest.mark.skipif(sys.platform != "linux", reason="only there is a process looked up")
def test_a_process_of_another_container_is_known_by_its_heartbeat(
    tmp_path: Path, config: Config
) -> None:
    first, second = (worker.submit(config, tmp_path) for _ in range(2))
    elsewhere = {**pulse(os.getpid()), "numbers": "pid:[1]", "pid": 2**22 + 1}
    day = 24 * 3600
    for beat in (elsewhere, {**elsewhere, "heartbeat": time.time() - day}):  # the clock was set
        say(first, "running", **beat)
        worker.advance(tmp_path)
        assert [r.state["status"] for r in (first, second)] == ["running", "queued"]
    another_boot = {**elsewhere, "boot": "another", "monotonic": 1.0}
    say(first, "running", **another_boot)
    assert is_training(first)
    for gone in (
        {**elsewhere, "monotonic": time.monotonic() - STALE},
        {**another_boot, "heartbeat": time.time() - STALE},
        {**another_boot, "heartbeat": time.time() + day},
    ):
        say(first, "running", **gone)
        assert not is_training(first)
    worker.advance(tmp_path)
    assert [r.state["status"] for r in (first, second)] == ["interrupted", "running"]


def test_two_servers_start_one_training(tmp_path: Path, config: Config) -> None:
    run = start_run(tmp_path / "run", config)
    (run.path / "state.json").write_text('{"status": "queued"}')
    server = """if True:
        import sys, time
        from pathlib import Path
        from ambient.runs import queue as worker
        launch, folder, go = worker._launch, Path(sys.argv[1]), Path(sys.argv[2])
        worker._launch = lambda run: (launch(run), print("started"))
        print("ready", flush=True)
        while not go.exists():
            pass
        for _ in range(200):
            worker.advance(folder)
        """
    folders = [str(tmp_path), str(tmp_path / "go")]
    servers = [
        subprocess.Popen([sys.executable, "-c", server, *folders], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for one in servers:
        assert one.stdout and one.stdout.readline() == b"ready\n"
    (tmp_path / "go").touch()
    said = [one.communicate(timeout=120)[0] for one in servers]
    assert sorted(said) == [b"", b"started\n"]
    assert is_training(run)


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


def test_a_disk_that_is_full_as_training_starts_leaves_no_process(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if "running" in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_atomically(path, text)

    started: list[subprocess.Popen[bytes]] = []

    def popen(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(usual(*args, **options))
        return started[-1]

    usual = subprocess.Popen
    monkeypatch.setattr(worker, "write_atomically", full)
    monkeypatch.setattr(subprocess, "Popen", popen)
    for start in (lambda: worker.submit(config, tmp_path), lambda: worker.advance(tmp_path)):
        with pytest.raises(InputError, match="the disk is full"):
            start()
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)
    assert list_runs(tmp_path)[0].state["status"] == "queued"


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are started in name only: the test's own process stands in for all of them."""
    monkeypatch.setattr(worker, "_launch", lambda run: say(run, "running"))


def say(run: Run, status: str, **more: object) -> None:
    state = {"status": status, "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    (run.path / "state.json").write_text(json.dumps({**state, "step": 0, **more}))


def order(runs: dict[str, Run]) -> str:
    """The names of the active runs, first one first."""
    active = [name for name, run in runs.items() if run.state["status"] in ACTIVE]
    return " ".join(sorted(active, key=lambda name: worker.position(runs[name])))


@pytest.mark.usefixtures("by_hand")
def test_owners_take_turns(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9, 0, -3600))  # goes backward, an hour a look
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    runs = {}
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        runs[name] = worker.submit(config, tmp_path, owner=name[0])
    assert order(runs) == "a1 b1 c1 a2 b2 a3"
    say(runs["a1"], "done")
    worker.advance(tmp_path)
    runs["d1"] = worker.submit(config, tmp_path, owner="d")
    assert order(runs) == "b1 c1 d1 a2 b2 a3"
    worker.request_stop(runs["a2"], "a")
    assert order(runs) == "b1 c1 d1 b2 a3"
    worker.resume(runs["a2"], "a")
    assert order(runs) == "b1 c1 d1 b2 a3 a2"


@pytest.mark.usefixtures("by_hand")
def test_runs_of_nobody_go_in_order_and_in_one_piece(tmp_path: Path, config: Config) -> None:
    runs = {name: worker.submit(config, tmp_path) for name in ("1", "2", "3")}
    assert order(runs) == "1 2 3"
    say(runs["1"], "running", running_seconds=10_000)
    worker.advance(tmp_path)
    assert not (runs["1"].path / STOP_FILE).exists()


@pytest.mark.usefixtures("by_hand")
def test_a_slice_ends_only_while_somebody_else_waits(tmp_path: Path, config: Config) -> None:
    runs = {name: worker.submit(config, tmp_path, owner=name) for name in "ab"}
    stop = runs["a"].path / STOP_FILE
    say(runs["a"], "running", running_seconds=179)
    worker.advance(tmp_path)
    assert not stop.exists()
    say(runs["a"], "running", running_seconds=181)
    worker.advance(tmp_path)
    assert stop.read_text() == YIELD
    stop.unlink()
    say(runs["a"], "queued", running_seconds=181)
    worker.advance(tmp_path)
    assert order(runs) == "b a"
    assert runs["b"].state["status"] == "running"
    worker.request_stop(runs["b"], "b")
    assert (runs["b"].path / STOP_FILE).read_text() != YIELD


@pytest.mark.usefixtures("by_hand")
def test_waiting_time_is_what_the_others_take(tmp_path: Path, config: Config) -> None:
    assert worker.wait_seconds(None, tmp_path) == 0.0
    config = config.replace(steps=1000)
    a, b, c = (worker.submit(config, tmp_path, owner=name) for name in "abc")
    say(a, "running", step=900, seconds_per_step=0.5, running_seconds=20)
    assert worker.wait_seconds(a) == 0.0
    judging = worker.JUDGING
    assert worker.wait_seconds(b) == 50.0 + judging
    assert worker.wait_seconds(c) is None

    def pace(config: Config) -> float:
        return 0.1

    assert worker.wait_seconds(c, pace=pace) == 150.0 + 2 * judging
    assert worker.wait_seconds(None, tmp_path, "d", pace) == 250.0 + 3 * judging
    # In slices of 30: a 10 (it has had 20), b 30, c 30, and then it is a new owner's turn.
    assert worker.wait_seconds(None, tmp_path, "d", pace, 30.0) == 70.0
    third = [worker.submit(config, tmp_path, owner="d") for _ in range(3)][-1]
    # Twice round: a 10 + 30, b 30 + 30, c 30 + 30, and the other two runs of d, 30 each.
    assert worker.wait_seconds(third, pace=pace, slice_seconds=30.0) == 220.0


@pytest.mark.usefixtures("by_hand")
def test_only_the_owner_changes_a_run(tmp_path: Path, config: Config) -> None:
    run = worker.submit(config, tmp_path, owner="secret")
    assert "secret" not in "".join(p.read_text() for p in run.path.rglob("*.json"))
    assert not any(worker.may_change(run, token) for token in (None, "", "other"))
    assert worker.may_change(run, "secret")
    for change in (
        lambda: worker.request_stop(run),
        lambda: worker.resume(run, "other"),
        lambda: worker.extend(run, 10**6, "other"),
        lambda: worker.delete(run, None, tmp_path),
    ):
        with pytest.raises(InputError, match="is somebody else's; only who started it can"):
            change()
    assert run.state["status"] == "running"
    anyones = worker.submit(config, tmp_path)
    assert worker.may_change(anyones, None)
    assert worker.may_change(anyones, "other")
    say(run, "paused")
    worker.delete(run, "secret", tmp_path)
    assert not run.path.exists()


@pytest.mark.usefixtures("by_hand")
def test_only_runs_at_rest_and_in_the_folder_are_deleted(
    tmp_path: Path, config: Config, tiny_run: Run
) -> None:
    run = worker.submit(config, tmp_path)
    with pytest.raises(InputError, match="is running; stop it first"):
        worker.delete(run, None, tmp_path)
    with pytest.raises(InputError, match="is not in .*; only runs there can be deleted"):
        worker.delete(tiny_run, None, tmp_path)
    assert tiny_run.checkpoint().exists()


@pytest.mark.usefixtures("by_hand")
def test_cleaning_takes_the_oldest_runs_at_rest(tmp_path: Path, config: Config) -> None:
    runs = [worker.submit(config, tmp_path) for _ in range(4)]
    for age, run in enumerate(runs[::-1]):
        (run.path / "weights").write_bytes(bytes(10_000))
        if run != runs[0]:
            say(run, "done")
        for name in ("state.json", "config.json"):
            os.utime(run.path / name, (10**9 - age, 10**9 - age))
    for most, kept in ((50_000, runs), (35_000, [runs[0], *runs[2:]]), (0, runs[:1])):
        worker._clean(tmp_path, most)
        assert {r.name for r in list_runs(tmp_path)} == {r.name for r in kept}


@pytest.mark.usefixtures("by_hand")
def test_cleaning_takes_from_who_keeps_most(tmp_path: Path, config: Config) -> None:
    runs = [worker.submit(config, tmp_path, owner=name) for name in "baaa"]
    for age, run in enumerate(runs[::-1]):  # that of b is the oldest
        (run.path / "weights").write_bytes(bytes(10_000))
        say(run, "done")
        os.utime(run.path / "state.json", (2e9 - age, 2e9 - age))
    worker._clean(tmp_path, 25_000)
    assert {r.name for r in list_runs(tmp_path)} == {runs[0].name, runs[3].name}


@pytest.mark.usefixtures("by_hand")
def test_a_refused_request_costs_nobody_a_run(
    tmp_path: Path, config: Config, tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_DISK", "50000")
    config = config.replace(steps=100, checkpoint_every=10)
    rest = Run(tmp_path / "rest", config)
    start_run(rest.path, config)
    say(rest, "done")
    (rest.path / "weights").write_bytes(bytes(60_000))
    for refused, start in (
        (config.replace(steps=10**6), None),
        (config.replace(width=32), (tiny_run, 10)),
    ):
        with pytest.raises(InputError):
            worker.submit(refused, tmp_path, start=start)
    (tmp_path / "large").write_bytes(bytes(50_000))  # it would not help to remove the run
    with pytest.raises(InputError, match="the runs folder holds"):
        worker.submit(config, tmp_path)
    assert [r.name for r in list_runs(tmp_path)] == ["rest"]
    (tmp_path / "large").unlink()
    made = worker.submit(config, tmp_path)
    assert [r.name for r in list_runs(tmp_path)] == [made.name]


def test_a_run_stores_no_stage_that_a_full_server_has_no_room_for(
    tmp_path: Path, digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_DISK", "3000000")
    config = configure(digits, n_train=16, batch=8, width=16, steps=4, checkpoint_every=2)
    run, rest = start_run(tmp_path / "run", config), start_run(tmp_path / "rest", config)
    (run.path / "place.json").write_text("{}")
    (rest.path / "weights").write_bytes(bytes(3_000_000))
    steps = record(run, digits)
    next(steps), next(steps)
    assert run.steps == [2] and not rest.path.exists()  # it was at rest, and had to go
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    with pytest.raises(OSError, match="the disk is full"):
        list(steps)
    assert run.state["status"] == "failed"
    assert run.steps == [2] and run.saved_step == 4


@pytest.mark.usefixtures("by_hand")
def test_what_a_killed_upload_left_is_swept_after_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_MAX_DISK", "1000000000")
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    left, fresh = (tmp_path / f"{UNPACKING}{name}" for name in ("left", "fresh"))
    for folder in (left, fresh):
        folder.mkdir()
        (folder / "samples.npz").write_bytes(bytes(1000))
    os.utime(left, (time.time() - 3700, time.time() - 3700))
    assert worker.make_room(tmp_path)
    assert not left.exists() and fresh.exists()


def test_a_queue_that_another_process_holds_is_one_line(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.1)
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(InputError, match="another process has held '.*' for 0.1 seconds; try again"),
    ):
        worker.submit(config, tmp_path)


@pytest.mark.usefixtures("by_hand")
def test_one_unreadable_folder_does_not_stop_the_queue(tmp_path: Path, config: Config) -> None:
    *broken, run = (worker.submit(config, tmp_path) for _ in range(7))
    spoiled = {
        "state.json": ["{", '{"step": 1}', '{"status": "running", "pid": "x"}'],
        "place.json": ['{"where": 1}', '{"round": "x"}'],
        "owner.json": ["{}"],
    }
    files = [(name, text) for name, texts in spoiled.items() for text in texts]
    for one, (name, text) in zip(broken, files, strict=True):
        (one.path / name).write_text(text)
        if name == "owner.json":
            say(one, "done")
    worker.advance(tmp_path)
    assert run.state["status"] == "running"
    assert not any(worker.may_change(broken[-1], token) for token in (None, "", "a"))
    with pytest.raises(InputError, match="pid is .x.*; expected a whole number from 0"):
        is_training(broken[2])


@pytest.mark.usefixtures("by_hand")
def test_a_full_server_refuses(
    tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_QUEUED", "1")
    config = config.replace(steps=100)
    worker.submit(config, tmp_path, owner="a")
    with pytest.raises(InputError, match="1 runs are training or waiting"):
        worker.submit(config, tmp_path, owner="b")
    with pytest.raises(InputError, match="steps is 100000; this server trains at most 10000"):
        worker.submit(config.replace(steps=100_000), tmp_path, owner="b")
    assert len(list_runs(tmp_path)) == 1


def test_a_killed_run_that_had_stored_everything_is_done(tmp_path: Path, tiny_run: Run) -> None:
    run = Run(tmp_path / "run", tiny_run.config)
    shutil.copytree(tiny_run.path, run.path)
    say(run, "running", pid_started="1")
    worker.advance(tmp_path)
    assert run.state["status"] == "done"


@pytest.mark.usefixtures("by_hand")
def test_a_finished_run_can_be_extended(tmp_path: Path, tiny_run: Run) -> None:
    run = Run(tmp_path / "run", tiny_run.config)
    shutil.copytree(tiny_run.path, run.path)
    with pytest.raises(InputError, match="steps is 20; run 'run' is set to 20: expected more"):
        worker.extend(run, 20)
    assert worker.extend(run, 40).config.steps == 40
    assert run.state["status"] == "running"
    with pytest.raises(InputError, match="is running; stop it first"):
        worker.extend(run, 60)
    say(run, "paused")
    run = worker.extend(run, 2000)
    assert run.config.checkpoint_every == 20  # 100 stages of it are enough
    say(run, "paused")
    shutil.rmtree(run.path / "resume")
    with pytest.raises(InputError, match="has weights but no resume state"):
        worker.extend(run, 4000)
    assert list_runs(tmp_path)[0].config.steps == 2000


@pytest.mark.usefixtures("by_hand")
def test_a_run_from_weights_that_do_not_fit_leaves_nothing(
    tmp_path: Path, config: Config, tiny_run: Run
) -> None:
    child = worker.submit(config, tmp_path, start=(tiny_run, 10))
    assert list_runs(tmp_path)[0].config.parent == child.config.parent == "tiny@10"
    with pytest.raises(InputError, match="weights only start a network of their own shape"):
        worker.submit(config.replace(width=32), tmp_path, start=(tiny_run, 10))
    with pytest.raises(InputError, match="has no step 11; the nearest stored is 10"):
        worker.submit(config, tmp_path, start=(tiny_run, 11))
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == [child.name]


@pytest.mark.usefixtures("by_hand")
def test_runs_asked_for_together_are_queued_together_or_not_at_all(
    tmp_path: Path, config: Config, tiny_run: Run
) -> None:
    pair = [config, config.replace(arm="ambient", cutoff=0.5)]
    first, second = worker.submit_all(pair, tmp_path, owner="a")
    assert [worker.position(r) for r in (first, second)] == [0, 1]
    with pytest.raises(InputError, match="weights only start a network of their own shape"):
        worker.submit_all([config, config.replace(width=32)], tmp_path, start=(tiny_run, 10))
    assert {r.name for r in list_runs(tmp_path)} == {first.name, second.name}


def test_runs_that_take_turns_end_as_if_alone(tmp_path: Path, digits: Corpus) -> None:
    corpus = some_of(digits, 40)
    config = configure(corpus, n_train=16, batch=8, width=16, steps=90, threads=1)
    alone = start_run(tmp_path / "elsewhere" / "alone", config)
    for _ in record(alone, corpus):
        pass
    folder = tmp_path / "turns"
    runs = [worker.submit(config, folder, owner=name, images=corpus) for name in "ab"]
    passed: set[str] = set()
    deadline = time.monotonic() + 120
    while any(r.state["status"] in ACTIVE for r in runs) and time.monotonic() < deadline:
        worker.advance(folder, slice_seconds=0.0 if len(passed) < 2 else math.inf)
        passed |= {r.name for r in runs if r.state["status"] == "queued" and r.saved_step}
        time.sleep(0.01)
    assert len(passed) == 2
    for run in runs:
        assert run.state["status"] == "done", (run.path / "log.txt").read_text()
        assert run.checkpoint().read_bytes() == alone.checkpoint().read_bytes()


def some_of(corpus: Corpus, count: int) -> Corpus:
    """So many distinct images of a corpus, as somebody's own: they are soon judged."""
    some = np.unique(corpus.groups, return_index=True)[1][:count]
    return replace(
        corpus,
        name=OWN,
        images=corpus.images[some],
        names=tuple(corpus.names[i] for i in some),
        categories=tuple(corpus.categories[i] for i in some),
        groups=corpus.groups[some],
    )


def is_judging(state: dict[str, object]) -> bool:
    return state["status"] == "running" and "judging" in state


def test_a_run_is_judged_at_its_end_and_the_next_one_follows(
    tmp_path: Path, digits: Corpus
) -> None:
    corpus = some_of(digits, 150)
    config = configure(corpus, n_train=16, batch=8, width=16, steps=20, threads=1)
    first, second = (worker.submit(config, tmp_path, images=corpus) for _ in range(2))
    state = wait_until(first, is_judging)
    assert second.state["status"] == "queued"
    assert state["judging"]["of"] == worker.JUDGED  # type: ignore[index]
    assert worker.wait_seconds(second) == worker.JUDGING
    state = wait_until(first, lambda s: s["status"] == "done")
    assert not state.keys() & {"judging", "unjudged"}
    report, kept = first.report(), first.samples()
    assert report is not None and kept is not None
    assert report["n_samples"] == len(kept[0]) == worker.JUDGED
    assert report["checkpoint_sha256"] == first.checkpoint_sha256()
    assert report["copies"]["ratio"]["rate"] is not None
    wait_until(second, is_judging)
    worker.request_stop(second)
    state = wait_until(second, lambda s: s["status"] == "done")
    assert state["unjudged"] == "judging was stopped."
    assert second.report() is None and second.last_step == 20


def test_a_run_that_was_killed_while_judged_is_done_and_judged_when_asked(
    tmp_path: Path, digits: Corpus
) -> None:
    corpus = some_of(digits, 150)
    config = configure(corpus, n_train=16, batch=8, width=16, steps=20, threads=1)
    run = worker.submit(config, tmp_path, images=corpus)
    os.kill(int(str(wait_until(run, is_judging)["pid"])), signal.SIGKILL)
    wait_until(run, lambda s: s["status"] == "done")
    assert run.report() is None
    weights = run.checkpoint().read_bytes()
    worker.resume(run)
    (run.path / STOP_FILE).write_text(YIELD)  # another one's turn: it is nearly done
    wait_until(run, lambda s: s["status"] == "done")
    assert run.report() is not None
    assert run.checkpoint().read_bytes() == weights
    again = Run(run.path, run.config)
    worker.resume(again)
    worker.request_stop(again)
    assert wait_until(again, lambda s: s["status"] not in ACTIVE)["status"] == "done"


def test_a_run_without_unseen_images_says_why_it_has_no_verdict(
    tmp_path: Path, digits: Corpus
) -> None:
    corpus = some_of(digits, 16)
    config = configure(corpus, n_train=16, batch=8, width=16, steps=4, threads=1)
    run = worker.submit(config, tmp_path, images=corpus)
    state = wait_until(run, lambda s: s["status"] not in ACTIVE)
    assert state["status"] == "done" and "unjudged" not in state
    report = run.report()
    assert report is not None and report["copies"]["ratio"]["rate"] is None
    assert (
        "no held-out images and 16 different training images are too few" in report["warnings"][0]
    )
