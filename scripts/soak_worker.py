"""Runs killed at random moments and resumed, against one left alone: half of `make soak`.

Kills the training process, and now and then the process that changes the queue; then a real server,
with and without the run that was started on its page. Ends with an error unless the weights come
out equal to the last bit, no resume repeats more than a checkpoint's interval, and no process is
left. Prints one JSON object.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from ambient.config import Config, configure
from ambient.images.corpus import load_corpus
from ambient.runs import queue
from ambient.runs.folder import Run, list_runs, open_run
from ambient.runs.job import is_alive
from ambient.runs.job import kill as kill_process
from scripts.serve import start_server
from scripts.soak import Visitor

LIFE = 5.0  # seconds a process lives at most before it is killed: start, steps, writes
EXIT = 30.0  # seconds a process may take to end after its last write
EVERY = 50  # steps between checkpoints: few, so that many kills fall into a write
SERVER = "import sys; from ambient.runs import queue; from ambient.runs.folder import open_run; "


def finished(run: Run) -> Run:
    """Wait until a run that may train is at rest."""
    while run.active:
        queue.advance(run.path.parent)
        time.sleep(0.1)
    return open_run(run.path)


def resume_by_another(run: Run, seconds: float) -> None:
    """Resume from a process of its own, which is killed after so many seconds."""
    command = [sys.executable, "-c", f"{SERVER}queue.resume(open_run(sys.argv[1]))", str(run.path)]
    server = subprocess.Popen(command)
    time.sleep(seconds)
    server.kill()
    server.wait()


def kill(run: Run, chance: random.Random) -> int | None:
    """Let a run train for a moment and kill it.

    Returns:
        Steps that were done and not saved, by its state and metrics; None if there was nothing
        to kill.
    """
    deadline = time.monotonic() + chance.uniform(0, LIFE)
    while time.monotonic() < deadline and run.active:
        time.sleep(0.02)
    if not is_alive(run):
        return None
    kill_process(run)
    done = (run.state.step, *(m["step"] for m in run.metrics()[-1:]))
    return max(0, int(max(done)) - run.saved_step)


def killed(
    config: Config, folder: Path, kills: int, chance: random.Random
) -> tuple[Run, list[int]]:
    """A run that is killed so many times before it may finish, and the steps each kill cost."""
    run = queue.submit(config, folder)
    lost: list[int] = []
    while len(lost) < kills and run.status != "done":
        cost = kill(run, chance)
        if cost is not None:
            lost.append(cost)
        queue.advance(folder)
        if run.active or run.status == "done":
            continue
        if chance.random() < 0.5:
            resume_by_another(run, chance.uniform(0, 0.8))
        if not run.active:
            queue.resume(run)
    return finished(run), lost


def server_killed(
    folder: Path, kills: int, steps: int, chance: random.Random
) -> tuple[Run, list[str]]:
    """A run started on a page, whose server is killed so often, every other time with the run.

    Returns:
        The finished run, and what a page of a new server showed that it should not have.
    """
    run, faults = None, []
    for number in range(kills + 1):
        address, server = start_server(folder, folder.with_suffix(".log"), enableAgentApi="true")
        visitor = Visitor(address, 0, chance)
        try:
            if run is None:
                visitor.load("train", advanced=["true"], **{"train-steps": [str(steps)]})
                visitor.ask(trigger={"key": visitor.key("Train")})
                (run,) = list_runs(folder)
            else:
                visitor.load("train", mine=[run.name])
            if run.status == "interrupted":
                visitor.ask(trigger={"key": visitor.key("Go on")})
            if not run.active and run.status != "done":
                faults.append(f"after kill {number}: {run.status}")
            faults += visitor.faults
            if number < kills:
                time.sleep(chance.uniform(0, LIFE))
        finally:
            server.kill()
            server.wait()
        if number % 2 and number < kills:
            kill_process(run)
    assert run
    return finished(run), faults


def left_behind(folder: Path) -> list[str]:
    """Commands of processes that still work in a folder well after its last run ended."""
    deadline = time.monotonic() + EXIT
    while (found := working_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def working_in(folder: Path) -> list[str]:
    """Commands of processes that work in a folder: that have a log there."""
    found = []
    for process in psutil.process_iter(["cmdline", "open_files"]):
        if any(f.path.startswith(f"{folder}{os.sep}") for f in process.info["open_files"] or ()):
            found.append(" ".join(process.info["cmdline"] or ()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--server-kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    lost: list[int] = []
    failures: list[str] = []
    corpus = load_corpus("digits")
    config = configure(
        corpus,
        n_train=50,
        batch=16,
        width=16,
        steps=args.steps,
        threads=1,
        checkpoint_every=EVERY,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory() as name:
        whole = finished(queue.submit(config, Path(name) / "whole"))
        for attempt in range(args.kills):
            if len(lost) >= args.kills:
                break
            folder = Path(name) / f"killed-{attempt}"
            run, more = killed(config, folder, args.kills - len(lost), chance)
            lost += more
            for step in whole.steps:
                if run.checkpoint(step).read_bytes() != whole.checkpoint(step).read_bytes():
                    failures.append(f"weights of step {step} differ")
        if orphans := left_behind(Path(name)):
            failures.append(f"left behind: {orphans}")
        ended, faults = server_killed(
            Path(name) / "served", args.server_kills, args.steps, random.Random(args.seed)
        )
        alone = finished(queue.submit(ended.config, Path(name) / "alone"))
        if ended.checkpoint().read_bytes() != alone.checkpoint().read_bytes():
            failures.append("weights of the run whose server was killed differ")
        failures += faults
        if orphans := left_behind(Path(name)):
            failures.append(f"left behind: {orphans}")
    if len(lost) < args.kills:
        failures.append(f"only {len(lost)} kills")
    if max(lost, default=0) > EVERY:
        failures.append("more than a checkpoint's interval was repeated")
    report = {
        "kills": len(lost),
        "server_kills": args.server_kills,
        "steps": args.steps,
        "most_steps_repeated": max(lost, default=0),
    }
    print(json.dumps({**report, "failures": failures}))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
