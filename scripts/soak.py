"""Many visitors at once, for minutes, on one server as the public would meet it: `make soak`.

Twenty sessions open pages, move controls, sample with seeds of their own and train, all at random.
Ends with an error unless nothing was refused or raised, every session saw its own seeds only, the
median page load is within a second and the server's memory has stopped growing. Prints one JSON
object. Sessions are driven over HTTP by Streamlit's agent API.
"""

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ambient.runs.folder import list_runs
from ambient.runs.job import kill
from scripts.serve import start_server
from ui.pages import PAGES

RUN = "digits-50-standard"
SEEDS = 16  # samples drawn at once
LOAD = 1.0  # seconds a page may take, in the median
LOOK = 2.0  # seconds between looks at the server's memory
GROWTH = 1.15  # of memory, from the second half of the time to its end
PATIENCE = 180  # seconds to wait for one answer


@contextmanager
def public_server(runs: Path, log: Path) -> Iterator[tuple[str, int]]:
    """A public server: its address and its process."""
    address, server = start_server(runs, log, public=True, enableAgentApi="true")
    try:
        yield address, server.pid
    finally:
        server.terminate()
        server.wait(timeout=30)
        for run in list_runs(runs):  # what trains outlives a server
            kill(run)


def nodes(tree: dict[str, Any], skip: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """All elements of a page, but for kinds to skip and what is in them."""
    if tree["type"] not in skip:
        yield tree
        for child in tree.get("children", []):
            yield from nodes(child, skip)


def resident(pid: int) -> float:
    """Megabytes of a process in memory."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


@dataclass
class Visitor:
    """A session with seeds of its own, and what it met."""

    address: str
    number: int
    chance: random.Random
    loads: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    session: str = ""
    shown: dict[str, Any] = field(default_factory=dict)

    def ask(self, **request: Any) -> dict[str, Any]:
        """One interaction; what it shows is kept. Faults are noted, with what led to them."""
        if self.session:
            request["session_id"] = self.session
        call = urllib.request.Request(
            f"{self.address}/_stcore/agent/interact",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(call, timeout=PATIENCE) as answer:
                shown, waiting = json.load(answer), answer.status == 202
        except urllib.error.HTTPError as e:
            error = e.read().decode(errors="replace")[:300]
            if "unknown_session" in error:
                self.session = ""
            self.faults.append(f"{request}: {error}")
            return {}
        self.session = shown.get("session_id", self.session)
        if waiting:
            return self.ask()
        for node in nodes(shown["tree"]):
            if node["type"] in ("exception", "error"):
                self.faults.append(f"{request}: {json.dumps(node.get('props'))[:300]}")
        self.shown = shown
        return shown

    def key(self, label: str) -> str | None:
        actions = self.shown.get("actions", [])
        return next((a["key"] for a in actions if a.get("label") == label), None)

    def load(self, page: str, **query: list[str]) -> None:
        began = time.monotonic()
        self.ask(page=page, query_params=query)
        self.loads.append(time.monotonic() - began)
        self.done["loads"] += 1

    def move(self) -> None:
        """Some control of the page, to some other value."""
        controls = [
            n
            for n in nodes(self.shown.get("tree", {"type": ""}), skip=("form",))
            if n["type"] in ("segmented_control", "select_slider", "selectbox")
            and len(n.get("props", {}).get("options", [])) > 1
            and not n["props"].get("disabled")
            and n.get("key")
        ]
        if controls:
            control = self.chance.choice(controls)
            value = self.chance.choice(control["props"]["options"])
            began = time.monotonic()
            self.ask(widget_state={control["key"]: value})
            self.moves.append(time.monotonic() - began)
            self.done["moves"] += 1

    def draw(self) -> None:
        """Sample with seeds of one's own; only these may be in the rows."""
        self.load("evidence", run=[RUN])
        first = 1000 * (self.number + 1) + SEEDS * self.chance.randrange(20)
        fields = {"First seed": first, "Samples": SEEDS, "Steps": 4}
        keys = {name: self.key(name) for name in (*fields, "Sample")}
        if None in keys.values():
            self.faults.append(f"no {[k for k, v in keys.items() if v is None]} to sample with")
            return
        state = {keys[name]: value for name, value in fields.items()}
        shown = self.ask(widget_state=state, trigger={"key": keys["Sample"]})
        pictures = [n["props"].get("alt", "") for n in nodes(shown["tree"]) if n["type"] == "image"]
        seen = {int(s) for alt in pictures for s in re.findall(r"^Seed (\d+);", alt)}
        if not seen or not seen <= set(range(first, first + SEEDS)):
            self.faults.append(f"sampled seeds from {first}, shown {sorted(seen)}")
        self.done["drawn"] += 1

    def train(self) -> None:
        """A short run; a full queue is no fault."""
        query = {
            "train-steps": ["60"],
            "train-seed": [str(self.number)],
            "train-start": ["scratch"],
        }
        self.load("train", advanced=["true"], **query)
        if (key := self.key("Train")) is None:
            return
        before = len(self.faults)
        images = self.key("Images")  # a move before may have chosen pictures of one's own
        self.ask(widget_state={images: "digits"}, trigger={"key": key})
        full = [f for f in self.faults[before:] if "this server takes" in f]
        self.faults = [f for f in self.faults if f not in full]
        self.done["refused, queue full" if full else "trained"] += 1
        if not full:
            self.change_mind()

    def change_mind(self) -> None:
        """Stop one's own run, let it go on, and now and then delete it; it may end meanwhile."""
        for label, done in (
            ("Stop and save", "stopped"),
            ("Go on", "went on"),
            ("Stop and save", "stopped"),
            ("Yes, delete it", "deleted"),
        ):
            time.sleep(self.chance.uniform(1, 4))
            self.ask()
            if key := self.key(label):
                self.ask(trigger={"key": key})
                self.done[done] += 1

    def stay(self, seconds: float) -> None:
        """Do this and that until the time is over, pausing as people do."""
        deadline = time.monotonic() + seconds
        time.sleep(self.chance.uniform(0, 5))
        while time.monotonic() < deadline:
            what = self.chance.random()
            if what < 0.45 or not self.shown:
                self.load(self.chance.choice(PAGES)[0])
            elif what < 0.9:
                self.move()
            elif what < 0.97:
                self.draw()
            else:
                self.train()
            time.sleep(self.chance.uniform(1, 6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "server.log"
        with public_server(Path(folder) / "runs", log) as (address, pid):
            first = Visitor(address, 0, random.Random(args.seed))
            for name, *_ in PAGES:  # everything loaded once, torch too, before memory is watched
                first.load(name)
            first.draw()
            warm = resident(pid)
            visitors = [
                Visitor(address, i, random.Random(1000 * args.seed + i))
                for i in range(args.visitors)
            ]
            memory = []
            with ThreadPoolExecutor(args.visitors) as pool:
                stays = [pool.submit(v.stay, 60 * args.minutes) for v in visitors]
                while not all(stay.done() for stay in stays):
                    memory.append(resident(pid))
                    time.sleep(LOOK)
                for stay in stays:
                    stay.result()
        said = log.read_text(encoding="utf-8", errors="replace")
    report = judged(visitors, memory, warm, said)
    print(json.dumps(report, indent=2))
    sys.exit(0 if not report["failures"] else 1)


def judged(
    visitors: Sequence[Visitor], memory: list[float], warm: float, log: str
) -> dict[str, Any]:
    """Figures, and what fails the soak."""
    loads = sorted(s for v in visitors for s in v.loads)
    moves = sorted(s for v in visitors for s in v.moves)
    faults = [f for v in visitors for f in v.faults]
    half = memory[len(memory) // 2]
    failures = []
    if faults:
        failures.append(f"{len(faults)} faults")
    if "Traceback" in log:
        failures.append("a traceback in the server's log")
    if statistics.median(loads) > LOAD:
        failures.append("page loads")
    if memory[-1] > GROWTH * half:
        failures.append("memory grows")
    return {
        "visitors": len(visitors),
        "machine_load": round(os.getloadavg()[0], 1),
        "done": dict(sum((v.done for v in visitors), Counter())),
        "load_seconds": {"median": quantile(loads, 0.5), "p95": quantile(loads, 0.95)},
        "move_seconds": {"median": quantile(moves, 0.5), "p95": quantile(moves, 0.95)},
        "memory_mb": {
            "warm": round(warm),
            "by_half_minute": [round(m) for m in memory[:: round(30 / LOOK)]],
            "half_time": round(half),
            "end": round(memory[-1]),
            "most": round(max(memory)),
        },
        "faults": faults[:20],
        "failures": failures,
    }


def quantile(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(share * len(values)))], 3) if values else 0.0


if __name__ == "__main__":
    main()
