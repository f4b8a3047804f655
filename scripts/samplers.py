"""Frechet distance against network calls, for every sampler, on bundled emoji runs.

Writes assets/results/samplers.json, a row as soon as it is measured; rows that are there are kept.
All rows share seeds 0 to N - 1, one half of the held-out images and its features.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch

from ambient.copies import halves
from ambient.corpus import ASSETS, to_bytes
from ambient.features import encode
from ambient.quality import frechet, frechet_interval
from ambient.run import Run, open_run, read_json, write_atomically
from ambient.sampler import sample, sampler_of

TARGET = ASSETS / "results" / "samplers.json"
RUNS = ("emoji-300-standard", "emoji-300-ambient-0.5")
SAMPLES = 256
CALLS = (7, 11, 19, 35, 71)  # Heun makes two a step, but one in the last
SAMPLERS = ("heun", "dpmpp-2m", "euler", "ancestral")


def steps_of(sampler: str, calls: int) -> int:
    """Sampling steps that make so many network calls."""
    return (calls + 1) // 2 if sampler == "heun" else calls


def row(run: Run, sampler: str, calls: int) -> dict[str, Any]:
    """The distance of one sampler at one number of network calls, with its interval."""
    c, corpus = run.config, run.corpus()
    how = sampler_of(c, sampler, steps_of(sampler, calls))
    began = time.perf_counter()
    drawn = sample(run.denoiser(), range(SAMPLES), (c.channels, c.side, c.side), how)
    images = np.concatenate([to_bytes(x.numpy()) for x in drawn])
    heldout = run.split(corpus).heldout
    reference = encode(corpus.images[heldout[halves(len(heldout), 0)[1]]])
    features = encode(images)
    return {
        "run": run.name,
        "sampler": sampler,
        "steps": how.steps,
        "calls": calls,
        "frechet": frechet(features, reference),
        "ci95": list(frechet_interval(features, reference, seed=0)),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    rows = (read_json(TARGET) or {}).get("rows", [])
    known = {(r["run"], r["sampler"], r["calls"]) for r in rows}
    for name in RUNS:
        run = open_run(name)
        for calls in CALLS:
            for sampler in SAMPLERS:
                if (name, sampler, calls) in known:
                    continue
                rows.append(row(run, sampler, calls))
                print(rows[-1], flush=True)
                found = {"samples": SAMPLES, "features": "encoder-64", "rows": rows}
                write_atomically(TARGET, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
