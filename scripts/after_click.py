"""From the click on Train to half of the samples being copies, while others turn pages.

A server of its own, one visitor who presses Train with the settings that the page opens with
(digits, 50 of them), and one who opens pages all the while. Writes assets/results/click.json, which
scripts/performance.py puts into docs/performance.md.
"""

import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import torch

from ambient.bench.copying import half_copies
from ambient.files import ASSETS, write_atomically
from ambient.runs.folder import list_runs
from scripts.serve import serving
from scripts.soak import Visitor
from ui.pages import PAGES

TARGET = ASSETS / "results" / "click.json"
TIMES, SAMPLES, PATIENCE = 3, 400, 300


def once(seed: int) -> dict[str, object]:
    """One click: seconds to half copies, and of each page opened meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
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
    rows = []
    for seed in range(TIMES):
        rows.append(once(seed))
        print(rows[-1], flush=True)
    write_atomically(TARGET, json.dumps({"samples": SAMPLES, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
