"""From a click to what it brings, on servers of its own; writes assets/results/click.json.

One visitor reads a page, presses *Train* or *Audit*, and looks as often as the page does until it
tells of a first step or of progress. One presses *Train* with the settings that the page opens with
(digits, 50 of them), for half of the samples being copies, while another opens pages all the while.
scripts/performance.py puts both into docs/performance.md.
"""

import json
import os
import random
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from ambient.bench.copying import half_copies
from ambient.files import ASSETS, write_atomically
from ambient.images.corpus import load_corpus
from ambient.runs.folder import list_runs
from ambient.runs.job import kill
from ambient.runs.turns import standings
from scripts.serve import serving, start_server
from scripts.soak import Visitor, nodes
from ui.audit import door
from ui.pages import PAGES
from ui.train import watch

TARGET = ASSETS / "results" / "click.json"
TIMES, SAMPLES, PATIENCE = 3, 400, 300
READING = 5.0  # seconds that a visitor reads at least, and until nothing warms up
PLACES = {"generated": slice(0, 100), "train": slice(50, 350)}  # of the digits, to audit


def begun(seed: int) -> dict[str, float]:
    """Seconds from two clicks, one on Train and one on Audit, until the page shows that they work.

    Also the megabytes that the warm process and the training it began have of their own.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        digits, paths = load_corpus("digits").images, [folder / "a.npz", folder / "b.npz"]
        for path, part in zip(paths, PLACES.values(), strict=True):
            np.savez(path, images=digits[part])
        address, server = start_server(folder / "runs", folder / "log", enableAgentApi="true")
        visitor = Visitor(address, 0, random.Random(seed))
        try:
            visitor.load("train", advanced=["true"], **{"train-seed": [str(seed)]})
            warm, *_ = psutil.Process(server.pid).children()
            read_on(warm)
            load, alone = round(os.getloadavg()[0], 1), own_memory(warm.pid)
            train = until_shown(visitor, "Train", r"Step [1-9]", watch.SOON)
            (run,) = list_runs(folder / "runs")
            memory = {"warm_mb": alone, "job_mb": own_memory(run.state.pid or 0)}
            kill(run)
            visitor.load("audit")
            places = zip(PLACES, map(str, paths), strict=True)
            visitor.ask(widget_state={f"audit-path-{name}": path for name, path in places})
            audit = until_shown(visitor, "Audit", r"(Reading|Comparing|Looking)", door.TICK)
        finally:
            server.terminate()
            server.wait(timeout=30)
            for standing in standings(folder / "runs"):
                kill(standing.job)
    return {"seed": seed, "train": train, "audit": audit, "load": load, **memory}


def read_on(warm: psutil.Process) -> None:
    """Wait until a process stands still."""
    before = -1.0
    while before < (worked := sum(warm.cpu_times()[:2])) or warm.children():
        before = worked
        time.sleep(READING)


def until_shown(visitor: Visitor, button: str, pattern: str, pause: float) -> float:
    """Seconds from a click until a bar of progress says so, looked at as often as the page does."""
    start = time.monotonic()
    visitor.ask(trigger={"key": visitor.key(button)})
    while not re.search(rf'"{pattern}', json.dumps(said := bars(visitor))):
        if visitor.faults or time.monotonic() > start + PATIENCE:
            raise SystemExit(f"{button} shows no {pattern}: {[*visitor.faults, said][0]}")
        time.sleep(pause)
        visitor.ask()
    return round(time.monotonic() - start, 2)


def bars(visitor: Visitor) -> list[object]:
    """What its bars of progress say."""
    return [n["props"] for n in nodes(visitor.shown["tree"]) if n["type"] == "progress"]


def own_memory(pid: int) -> int:
    """Megabytes of a process that no other one shares."""
    return round(psutil.Process(pid).memory_full_info().uss / 1e6)


def once(seed: int) -> dict[str, object]:
    """One click: seconds to half copies, and of each page opened meanwhile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        runs = Path(folder) / "runs"
        with serving(runs, Path(folder) / "log", public=True, enableAgentApi="true") as address:
            chance = random.Random(seed)
            one, other = (Visitor(address, i, chance) for i in range(2))
            for name, *_ in PAGES:
                other.load(name)
            other.loads.clear()
            one.load("train", advanced=["true"], **{"train-seed": [str(seed)]})
            start = time.time()
            one.ask(trigger={"key": one.key("Train")})
            (run,) = list_runs(runs)
            while run.last_step < run.config.steps and time.time() < start + PATIENCE:
                other.load(chance.choice(PAGES)[0])
                time.sleep(chance.uniform(0.5, 1.5))
            if run.last_step < run.config.steps or one.faults or other.faults:
                raise SystemExit(f"no clean run: {[*one.faults, *other.faults][:1] or run.state}")
        torch.set_num_threads(2)
        seconds, reached = half_copies(run, start, SAMPLES)
    loads = {"pages": len(other.loads), "median_load": statistics.median(other.loads)}
    return {"seed": seed, "seconds": round(seconds, 1), "reached": reached, **loads}


def main() -> None:
    rows, first = [], []
    for seed in range(TIMES):
        first.append(begun(seed))
        rows.append(once(seed))
        print(first[-1], rows[-1], flush=True)
    found = {"samples": SAMPLES, "begun": first, "rows": rows}
    write_atomically(TARGET, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
