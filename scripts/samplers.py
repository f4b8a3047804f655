"""Frechet distance and copies against network calls, for every sampler, on bundled emoji runs.

Writes assets/results/samplers.json, a row as soon as it is measured; rows that are there are kept.
All rows share seeds 0 to N - 1, one half of the held-out images and its features. Each sample's
verdict is compared with that of the same seed by Heun's method at the most calls.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ambient.copies.features import encode
from ambient.copies.quality import frechet, frechet_interval
from ambient.copies.rules import Verdict, find_copies, halves
from ambient.copies.sets import Images
from ambient.diffusion.samplers import sample
from ambient.files import ASSETS, read_json, write_atomically
from ambient.images.corpus import to_bytes, to_unit
from ambient.runs.folder import Run, open_run

TARGET = ASSETS / "results" / "samplers.json"
RUNS = ("emoji-300-standard", "emoji-300-ambient-0.5")
SAMPLES = 256
CALLS = (7, 11, 19, 35, 71)  # Heun makes two a step, but one in the last
SAMPLERS = ("heun", "dpmpp-2m", "euler", "ancestral")


def steps_of(sampler: str, calls: int) -> int:
    """Sampling steps that make so many network calls."""
    return (calls + 1) // 2 if sampler == "heun" else calls


def drawn(run: Run, sampler: str, calls: int) -> Images:
    """Samples of the seeds that all rows share, uint8 (n, h, w, c)."""
    how = run.sampler(sampler, steps_of(sampler, calls))
    batches = sample(run.denoiser(), range(SAMPLES), run.shape, how)
    return np.concatenate([to_bytes(x.numpy()) for x in batches])


def verdict(run: Run, images: Images) -> Verdict:
    """Which of the images are copies of the run's training images, by pixels."""
    corpus = run.corpus()
    split = run.split(corpus)
    train, heldout = (to_unit(corpus.images[i]) for i in (split.train, split.heldout))
    return find_copies(to_unit(images), train, heldout, groups=corpus.groups[split.train])[0]


def row(run: Run, sampler: str, calls: int, reference: NDArray[np.bool_]) -> dict[str, Any]:
    """One sampler at one number of network calls: its distance, copies and changed verdicts."""
    began = time.perf_counter()
    images = drawn(run, sampler, calls)
    found = verdict(run, images)
    heldout = run.split(run.corpus()).heldout
    unseen = encode(run.corpus().images[heldout[halves(len(heldout), 0)[1]]])
    features = encode(images)
    return {
        "run": run.name,
        "sampler": sampler,
        "steps": steps_of(sampler, calls),
        "calls": calls,
        "frechet": frechet(features, unseen),
        "ci95": list(frechet_interval(features, unseen, seed=0)),
        "copies": found.rate,
        "copies_ci95": list(found.ci95),
        "other_verdict": float((found.copies != reference).mean()),
        "seconds": round(time.perf_counter() - began, 1),
    }


def main() -> None:
    torch.set_num_threads(1)
    rows = (read_json(TARGET) or {}).get("rows", [])
    known = {(r["run"], r["sampler"], r["calls"]) for r in rows}
    for name in RUNS:
        run = open_run(name)
        reference = verdict(run, drawn(run, "heun", max(CALLS))).copies
        for calls in CALLS:
            for sampler in SAMPLERS:
                if (name, sampler, calls) in known:
                    continue
                rows.append(row(run, sampler, calls, reference))
                print(rows[-1], flush=True)
                found = {"samples": SAMPLES, "features": "encoder-64", "rows": rows}
                write_atomically(TARGET, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
