"""The queue: in order, fair, stoppable, honest about the dead, and deleting by one rule alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ambient.config import Config, configure
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.runs import launch, queue, turns
from ambient.runs.audits import ABANDONED, AWAY, KEPT, SEEN_FILE, Audit, Request, list_audits
from ambient.runs.folder import STOP_FILE, UNPACKING, YIELD, Run, list_runs
from ambient.runs.job import (
    HUNG,
    STALE,
    Job,
    State,
    is_alive,
    kill,
    mark_owner,
    pulse,
)
from ambient.runs.limits import Limits
from ambient.runs.room import check_room, make_room
from ambient.runs.start import start_run
from ambient.runs.train import record
from tests import jobs


@pytest.fixture
def config(digits: Corpus) -> Config:
    return configure(digits, n_train=16, batch=8, width=16, steps=100_000, threads=1)


@pytest.fixture(autouse=True)
def no_orphans(tmp_path: Path) -> Iterator[None]:
    """Whatever a failed test leaves at work is killed."""
    yield
    for standing in turns.standings(tmp_path):
        kill(standing.job)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are started in name only: the test's own process stands in for all of them."""
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda job: say(job, "running"))


def say(job: Job, status: Any, **more: Any) -> None:
    job.write(State(**{"status": status, **pulse(), **more}))


def until(job: Job, holds: Callable[[State], bool]) -> State:
    """The state of a job of another process, once it is so."""

    def look() -> State | None:
        queue.advance(job.path.parent)
        return state if holds(state := job.state) else None

    return jobs.until(look)


def trains(state: State) -> bool:
    return state.step > 0


# Processes


def test_a_queue_of_two(tmp_path: Path, config: Config) -> None:
    first, second = queue.submit(config, tmp_path), queue.submit(config, tmp_path)
    assert (first.status, second.status) == ("running", "queued")
    assert [queue.position(r) for r in (first, second)] == [0, 1]
    until(first, trains)
    queue.request_stop(second)  # a queued run leaves at once
    assert second.status == "paused"
    queue.request_stop(first)
    until(first, lambda s: s.status == "paused")
    before = first.last_step
    assert before > 0
    queue.resume(first)
    pid = until(first, lambda s: s.step > before).pid
    kill(first)
    queue.advance(tmp_path)
    assert first.status == "interrupted" and not psutil.pid_exists(pid or 0)


def test_a_reused_process_number_is_not_mistaken_for_the_run(
    tmp_path: Path, config: Config
) -> None:
    run = start_run(tmp_path / "run", config)
    say(run, "running")
    assert is_alive(run)
    say(run, "running", created=pulse()["created"] - 60)
    assert not is_alive(run)
    queue.advance(tmp_path)
    assert run.status == "interrupted"


def test_a_process_that_stands_still_is_killed_and_its_run_goes_on(
    tmp_path: Path, config: Config
) -> None:
    run = queue.submit(config, tmp_path)
    state, day = until(run, trains), 24 * 3600
    assert state.pid
    os.kill(state.pid, signal.SIGSTOP)
    state = run.state
    assert state.pid
    # The clock was set, or the machine slept; then: long without a heartbeat, but at work.
    for fresh in ({"heartbeat": 0.0}, {"monotonic": state.monotonic - day, "worked": -day}):
        run.tell(**fresh)
        queue.advance(tmp_path)
        assert run.state.pid == state.pid and is_alive(run)
    run.tell(monotonic=state.monotonic - HUNG, worked=state.worked + day)
    queue.advance(tmp_path)
    assert run.status == "running" and run.state.pid != state.pid
    assert not psutil.pid_exists(state.pid)
    os.kill(run.state.pid or 0, signal.SIGSTOP)
    queue.request_stop(run)  # then it is not started again
    run.tell(monotonic=state.monotonic - HUNG, worked=state.worked + day)
    queue.advance(tmp_path)
    assert run.status == "interrupted"


@pytest.mark.usefixtures("by_hand")
def test_a_process_of_another_machine_is_known_by_its_heartbeat(
    tmp_path: Path, config: Config
) -> None:
    first, second = (queue.submit(config, tmp_path) for _ in range(2))
    elsewhere = {"host": "another", "pid": 2**22 + 1}
    say(first, "running", **elsewhere)
    queue.advance(tmp_path)
    assert [r.status for r in (first, second)] == ["running", "queued"]
    for beat in (time.time() - STALE, time.time() + 24 * 3600):
        say(first, "running", **elsewhere, heartbeat=beat)
        assert not is_alive(first)
    queue.advance(tmp_path)
    assert [r.status for r in (first, second)] == ["interrupted", "running"]


def test_two_servers_start_one_training(tmp_path: Path, config: Config) -> None:
    run = start_run(tmp_path / "run", config)
    run.tell(status="queued")
    server = """if True:
        import sys
        from pathlib import Path
        from ambient.runs import upkeep
        launch = upkeep.launch
        upkeep.launch = lambda run: (launch(run), print("started"))
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(50):
            upkeep.advance(Path(sys.argv[1]))
        """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", server, str(tmp_path)]
    servers = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for one in servers:
        assert one.stdout.readline() == b"ready\n"
    for one in servers:
        one.stdin.write(b"\n")
        one.stdin.flush()
    said = [one.communicate(timeout=240)[0] for one in servers]
    assert sorted(said) == [b"", b"started\n"]
    assert is_alive(run)


@pytest.mark.usefixtures("by_hand")
def test_one_unreadable_folder_does_not_stop_the_queue(tmp_path: Path, config: Config) -> None:
    *broken, run = (queue.submit(config, tmp_path) for _ in range(7))
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
    queue.advance(tmp_path)
    assert run.status == "running"
    assert not any(queue.may_change(broken[-1], token) for token in (None, "", "a"))
    with pytest.raises(InputError, match=r"state.json.*Expected `int \| null`.*pid"):
        is_alive(broken[2])


def test_a_killed_run_that_had_stored_everything_is_done(tmp_path: Path, tiny_run: Run) -> None:
    run = Run(tmp_path / "run", tiny_run.config)
    shutil.copytree(tiny_run.path, run.path)
    say(run, "running", created=1.0)
    queue.advance(tmp_path)
    assert run.status == "done"


def test_a_state_of_an_earlier_version_is_read(tmp_path: Path, tiny_run: Run) -> None:
    run = Run(tmp_path, tiny_run.config)
    old = {"status": "running", "pid": 7, "pid_started": "1234", "boot": "x", "numbers": "y"}
    (tmp_path / "state.json").write_text(json.dumps({**old, "heartbeat": time.time()}))
    assert is_alive(run)


# Turns


def order(runs: dict[str, Run]) -> str:
    """The names of the active runs, first one first."""
    active = [name for name, run in runs.items() if run.active]
    return " ".join(sorted(active, key=lambda name: queue.position(runs[name])))


@pytest.mark.usefixtures("by_hand")
def test_owners_take_turns(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9, 0, -3600))  # goes backward, an hour a look
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    runs = {}
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        runs[name] = queue.submit(config, tmp_path, owner=name[0])
    assert order(runs) == "a1 b1 c1 a2 b2 a3"
    say(runs["a1"], "done")
    queue.advance(tmp_path)
    runs["d1"] = queue.submit(config, tmp_path, owner="d")
    assert order(runs) == "b1 c1 d1 a2 b2 a3"
    queue.request_stop(runs["a2"], "a")
    assert order(runs) == "b1 c1 d1 b2 a3"
    queue.resume(runs["a2"], "a")
    assert order(runs) == "b1 c1 d1 b2 a3 a2"


@pytest.mark.usefixtures("by_hand")
def test_a_slice_ends_only_while_somebody_else_waits(tmp_path: Path, config: Config) -> None:
    runs = {name: queue.submit(config, tmp_path, owner=name) for name in "ab"}
    stop = runs["a"].path / STOP_FILE
    alone = queue.submit(config, tmp_path / "alone")
    queue.submit(config, tmp_path / "alone")  # nobody else's: those go on in one piece
    say(alone, "running", running_seconds=10_000)
    queue.advance(tmp_path / "alone")
    assert not (alone.path / STOP_FILE).exists()
    say(runs["a"], "running", running_seconds=179)
    queue.advance(tmp_path)
    assert not stop.exists()
    say(runs["a"], "running", running_seconds=181)
    queue.advance(tmp_path)
    assert stop.read_text() == YIELD
    stop.unlink()
    say(runs["a"], "queued", running_seconds=181)
    queue.advance(tmp_path)
    assert order(runs) == "b a"
    assert runs["b"].status == "running"
    queue.request_stop(runs["b"], "b")
    assert (runs["b"].path / STOP_FILE).read_text() != YIELD


@pytest.mark.usefixtures("by_hand")
def test_waiting_time_is_what_the_others_take(tmp_path: Path, config: Config) -> None:
    assert queue.wait_seconds(None, tmp_path) == 0.0
    config = config.replace(steps=1000)
    a, b, c = (queue.submit(config, tmp_path, owner=name) for name in "abc")
    say(a, "running", step=900, seconds_per_step=0.5, running_seconds=20)
    assert queue.wait_seconds(a) == 0.0
    judging = turns.JUDGING
    assert queue.wait_seconds(b) == 50.0 + judging
    assert queue.wait_seconds(c) is None

    def pace(config: Config) -> float:
        return 0.1

    assert queue.wait_seconds(c, pace=pace) == 150.0 + 2 * judging
    assert queue.wait_seconds(None, tmp_path, "d", pace) == 250.0 + 3 * judging
    # In slices of 30: a 10 (it has had 20), b 30, c 30, and then it is a new owner's turn.
    assert queue.wait_seconds(None, tmp_path, "d", pace, 30.0) == 70.0
    third = [queue.submit(config, tmp_path, owner="d") for _ in range(3)][-1]
    # Twice round: a 10 + 30, b 30 + 30, c 30 + 30, and the other two runs of d, 30 each.
    assert queue.wait_seconds(third, pace=pace, slice_seconds=30.0) == 220.0


@pytest.mark.usefixtures("by_hand", "blank_sheets")
def test_runs_that_take_turns_end_as_if_alone(tmp_path: Path, digits: Corpus) -> None:
    """Each is stopped after every few steps, and goes on where it stood, bit for bit."""
    config = configure(
        digits, n_train=16, batch=8, width=16, steps=30, threads=1, checkpoint_every=30
    )
    alone = start_run(tmp_path / "elsewhere" / "alone", config)
    for _ in record(alone, digits):
        pass
    folder = tmp_path / "turns"
    runs = [queue.submit(config, folder, owner=name) for name in "ab"]
    pieces = []
    while running := [r for r in runs if r.status == "running"]:
        (run,) = running
        for done in record(run, digits):
            if done.step % 8 == 0:
                queue.advance(folder, slice_seconds=0.0)
        pieces.append(run.name)
        queue.advance(folder)
    assert pieces == [r.name for r in runs] * 4
    for run in runs:
        assert (run.status, run.steps) == ("done", [30])
        assert run.checkpoint().read_bytes() == alone.checkpoint().read_bytes()


# Owners


@pytest.mark.usefixtures("by_hand")
def test_only_the_owner_changes_a_run(tmp_path: Path, config: Config) -> None:
    run = queue.submit(config, tmp_path, owner="secret")
    assert "secret" not in "".join(p.read_text() for p in run.path.rglob("*.json"))
    assert not any(queue.may_change(run, token) for token in (None, "", "other"))
    assert queue.may_change(run, "secret")
    for change in (
        lambda: queue.request_stop(run),
        lambda: queue.resume(run, "other"),
        lambda: queue.extend(run, 10**6, "other"),
        lambda: queue.delete(run, None, tmp_path),
    ):
        with pytest.raises(InputError, match="is somebody else's; only who started it can"):
            change()
    assert run.status == "running"
    anyones = queue.submit(config, tmp_path)
    assert queue.may_change(anyones, None)
    assert queue.may_change(anyones, "other")
    say(run, "paused")
    queue.delete(run, "secret", tmp_path)
    assert not run.path.exists()


@pytest.mark.usefixtures("by_hand")
def test_only_runs_at_rest_and_in_the_folder_are_deleted(
    tmp_path: Path, config: Config, tiny_run: Run
) -> None:
    run = queue.submit(config, tmp_path)
    with pytest.raises(InputError, match="is running; stop it first"):
        queue.delete(run, None, tmp_path)
    with pytest.raises(InputError, match="is not in .*; only runs there can be deleted"):
        queue.delete(tiny_run, None, tmp_path)
    assert tiny_run.checkpoint().exists()


# Room

DAY = 24 * 3600


def kept(folder: Path, config: Config, name: str, hours: float, owner: str | None = None) -> Run:
    """A run of 10 kB at rest for so many hours."""
    run = start_run(folder / name, config)
    if owner:
        mark_owner(run.path, owner)
    (run.path / "weights").write_bytes(bytes(10_000))
    say(run, "done")
    then = time.time() - 3600 * hours
    for file in ("state.json", "config.json"):
        os.utime(run.path / file, (then, then))
    return run


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """A public server whose runs folder holds so many bytes."""

    def allow(disk: int) -> None:
        monkeypatch.setenv("AMBIENT_PUBLIC", "1")
        monkeypatch.setenv("AMBIENT_MAX_DISK", str(disk))

    return allow


@pytest.mark.usefixtures("by_hand")
def test_room_is_made_from_who_holds_most_of_what_is_old(
    tmp_path: Path, config: Config, public: Callable[[int], None]
) -> None:
    config = config.replace(steps=100, checkpoint_every=10)
    kept(tmp_path, config, "b-oldest", 90, "b")
    kept(tmp_path, config, "a-old", 80, "a")
    kept(tmp_path, config, "a-older", 85, "a")
    kept(tmp_path, config, "a-young", 2, "a")
    queue.submit(config, tmp_path, owner="c")  # nothing is removed on a machine of one's own
    assert len(list_runs(tmp_path)) == 5
    public(40_000)
    queue.submit(config, tmp_path, owner="d")
    left = {r.name for r in list_runs(tmp_path)}
    assert {"b-oldest", "a-old", "a-young"} <= left and "a-older" not in left


@pytest.mark.usefixtures("by_hand")
def test_a_full_folder_is_said_before_the_click_and_costs_nobody_a_run(
    tmp_path: Path, config: Config, tiny_run: Run, public: Callable[[int], None]
) -> None:
    config = config.replace(steps=100, checkpoint_every=10)
    kept(tmp_path, config, "old", 48)
    young = kept(tmp_path, config, "young", 23)
    (young.path / "weights").write_bytes(bytes(60_000))
    os.utime(young.path / "state.json", (time.time() - DAY / 2,) * 2)
    public(50_000)
    for refused in (lambda: check_room(tmp_path), lambda: queue.submit(config, tmp_path)):
        with pytest.raises(InputError, match="the runs folder holds"):
            refused()  # the old run alone would not make enough room
    (young.path / "weights").write_bytes(bytes(40_500))
    check_room(tmp_path)
    for change, start in (({"steps": 10**6}, None), ({"width": 32}, (tiny_run, 10))):
        with pytest.raises(InputError):
            queue.submit(config.replace(**change), tmp_path, start=start)
    assert {r.name for r in list_runs(tmp_path)} == {"old", "young"}
    made = queue.submit(config, tmp_path)
    assert {r.name for r in list_runs(tmp_path)} == {"young", made.name}


def test_a_training_removes_no_run_and_stores_no_stage_where_there_is_no_room(
    tmp_path: Path, digits: Corpus, public: Callable[[int], None]
) -> None:
    config = configure(digits, n_train=16, batch=8, width=16, steps=4, checkpoint_every=2)
    run, rest = start_run(tmp_path / "run", config), kept(tmp_path, config, "rest", 1000)
    (run.path / "place.json").write_text("{}")
    (rest.path / "weights").write_bytes(bytes(3_000_000))
    public(3_000_000)
    with pytest.raises(OSError, match="the disk is full"):
        list(record(run, digits))
    assert run.status == "failed" and run.saved_step == 2 and not run.steps
    assert rest.path.exists()


def test_what_killed_processes_left_is_swept_after_an_hour(
    tmp_path: Path, public: Callable[[int], None], config: Config
) -> None:
    public(10**9)
    left, fresh, gone = (
        tmp_path / name for name in (f"{UNPACKING}left", f"{UNPACKING}fresh", ".gone-run")
    )
    for folder in (left, fresh, gone):
        folder.mkdir()
        (folder / "samples.npz").write_bytes(bytes(1000))
    os.utime(left, (time.time() - 3700, time.time() - 3700))
    make_room(tmp_path, Limits.here())
    assert [p.name for p in tmp_path.iterdir()] == [fresh.name]


# Requests


@pytest.mark.usefixtures("by_hand")
def test_a_finished_run_can_be_extended(tmp_path: Path, tiny_run: Run) -> None:
    run = Run(tmp_path / "run", tiny_run.config)
    shutil.copytree(tiny_run.path, run.path)
    with pytest.raises(InputError, match="steps is 20; run 'run' is set to 20: expected more"):
        queue.extend(run, 20)
    assert queue.extend(run, 40).config.steps == 40
    assert run.status == "running"
    with pytest.raises(InputError, match="is running; stop it first"):
        queue.extend(run, 60)
    say(run, "paused")
    run = queue.extend(run, 2000)
    assert run.config.checkpoint_every == 20  # 100 stages of it are enough
    say(run, "paused")
    shutil.rmtree(run.path / "resume")
    with pytest.raises(InputError, match="has weights but no resume state"):
        queue.extend(run, 4000)
    assert list_runs(tmp_path)[0].config.steps == 2000


@pytest.mark.usefixtures("by_hand")
def test_runs_asked_for_together_are_queued_together_or_not_at_all(
    tmp_path: Path, config: Config, tiny_run: Run
) -> None:
    pair = [config, config.replace(arm="ambient", cutoff=0.5)]
    first, second = queue.submit_all(pair, tmp_path, owner="a")
    assert [queue.position(r) for r in (first, second)] == [0, 1]
    child = queue.submit(config, tmp_path, start=(tiny_run, 10))
    assert child.config.parent == "tiny@10"
    with pytest.raises(InputError, match="weights only start a network of their own shape"):
        queue.submit_all([config, config.replace(width=32)], tmp_path, start=(tiny_run, 10))
    with pytest.raises(InputError, match="has no step 11; the nearest stored is 10"):
        queue.submit(config, tmp_path, start=(tiny_run, 11))
    names = {first.name, second.name, child.name}
    assert {p.name for p in tmp_path.iterdir() if p.is_dir()} == names


# Verdicts


def is_judging(state: State) -> bool:
    return state.status == "running" and state.judging is not None


def test_a_run_is_judged_at_its_end_and_the_next_one_follows(
    tmp_path: Path, digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambient.runs.upkeep.JUDGED", 128)
    corpus = jobs.some_of(digits, 150)
    config = configure(corpus, n_train=16, batch=8, width=16, steps=20, threads=1)
    first, second = (queue.submit(config, tmp_path, images=corpus) for _ in range(2))
    state = until(first, is_judging)
    assert second.status == "queued"
    assert state.judging and state.judging.of == 128
    assert queue.wait_seconds(second) == turns.JUDGING
    state = until(first, lambda s: s.status == "done")
    assert state.judging is None and not state.unjudged
    report, drawn = first.report(), first.samples()
    assert report is not None and drawn is not None
    assert report.n_samples == len(drawn[0]) == 128
    assert report.checkpoint_sha256 == first.checkpoint_sha256()
    assert report.copies.ratio.rate is not None
    until(second, is_judging)
    queue.request_stop(second)
    assert until(second, lambda s: s.status == "done").unjudged == "judging was stopped."
    assert second.report() is None and second.last_step == 20


# Audits


def ask(folder: Path, owner: str = "a") -> Audit:
    def given(audit: Audit) -> Request:
        (audit.given / "train.zip").write_bytes(b"somebody's pictures")
        return Request(arguments=["audit", "--train", str(audit.given / "train.zip")])

    return queue.submit_audit(given, owner, folder)


def unseen(audit: Audit, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(audit.path / SEEN_FILE, (then, then))


@pytest.mark.usefixtures("by_hand")
def test_audits_have_a_slot_of_their_own_and_take_turns(tmp_path: Path, config: Config) -> None:
    run = queue.submit(config, tmp_path, owner="a")
    first, second, third = (ask(tmp_path, owner) for owner in "aab")
    assert [j.status for j in (run, first, second, third)] == [
        "running", "running", "queued", "queued",
    ]  # fmt: skip
    assert [queue.position(a) for a in (first, third, second)] == [0, 1, 2]
    assert (
        queue.wait_seconds(None, tmp_path, "c") is None
    )  # of its run alone, whose pace is unknown
    first.json.write_text("{}")
    say(first, "running", created=1.0)  # its process is gone
    unseen(third, AWAY + 1)  # its page is closed: it is passed over
    queue.advance(tmp_path)
    assert [a.status for a in (first, second, third)] == ["done", "running", "queued"]
    assert not first.given.exists()
    assert list_runs(tmp_path) == [run]


@pytest.mark.usefixtures("by_hand")
def test_an_audit_is_forgotten_with_what_was_handed_over(tmp_path: Path) -> None:
    first, second, third = (ask(tmp_path) for _ in range(3))
    unseen(first, ABANDONED + 1)
    queue.advance(tmp_path)
    assert not first.path.exists() and second.status == "running"
    say(second, "done")
    unseen(second, ABANDONED + 1)
    queue.advance(tmp_path)
    assert second.path.exists()
    unseen(second, KEPT + 1)
    with pytest.raises(InputError, match="is somebody else's"):
        queue.delete(third, "b", tmp_path)
    queue.delete(third, "a", tmp_path)
    assert list_audits(tmp_path) == [] and [p.name for p in tmp_path.iterdir()] == [".lock"]


@pytest.mark.usefixtures("by_hand")
def test_an_audit_says_why_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = ask(tmp_path)
    log = audit.path / "log.txt"
    denied = f"[Errno 13] Permission denied: '{audit.given}/train/a.zip'"
    for text, why in (
        ("comparing pixels: 3 %\rcomparing pixels: 4 %", "the audit ended early, perhaps for want"),
        ("reading: 3 %\rambient audit: train: no pictures.\n", "train: no pictures."),
        (f"ambient audit: {denied}\n", "[Errno 13] Permission denied: 'train/a.zip'"),
    ):
        log.write_text(text)
        say(audit, "running", created=1.0)
        queue.advance(tmp_path)
        assert audit.status == "failed" and audit.state.error.startswith(why)
    say(audit, "running", monotonic=time.monotonic() - 3_000)
    queue.advance(tmp_path)
    assert audit.status == "running"  # nothing is capped on a machine of one's own
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    queue.advance(tmp_path)
    assert audit.state.error == "it took longer than 30 minutes; give it less."


@pytest.mark.skipif(not psutil.LINUX, reason="only there does the kernel count")
def test_a_job_stands_back_and_computes_no_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "NICE", 10)
    job = Job(tmp_path)
    command = ["train", "--steps", "10000", "--out", str(tmp_path / "run")]
    process = launch.start_process(job, command, seconds=1)
    assert process.nice() == 10
    with contextlib.suppress(FileNotFoundError):  # a kernel that weighs sessions
        assert "nice 10" in Path(f"/proc/{process.pid}/autogroup").read_text()
    assert process.wait(240) in (-signal.SIGXCPU, -signal.SIGKILL)
