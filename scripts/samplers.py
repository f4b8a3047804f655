"""Copies and quality against network calls, for samplers of one equation, on bundled runs.

Writes assets/results/samplers.json, a row as soon as it is measured; rows that are there are kept.
All rows share seeds 0 to N - 1 and one reference of held-out images. Each sample's verdict is
compared with that of the same seed by Heun's method at the most calls. Verdicts and distances are
those of reports, as they are now: delete the file to make all rows again.
"""

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ambient.copies.imagenet import imagenet_features
from ambient.copies.judge import judge_images
from ambient.copies.quality import kid, kid_interval, reference_of
from ambient.copies.records import Verdicts
from ambient.copies.sets import Images, sets_of
from ambient.files import ASSETS, read_json, write_atomically
from ambient.reports.evaluate import draw
from ambient.runs.folder import Run, open_run

TARGET = ASSETS / "results" / "samplers.json"
RUNS = ("emoji-300-standard", "kanji-300-standard")
SAMPLES = 256
CALLS = (11, 19, 35)  # Heun makes two a step, but one in the last
SAMPLERS = ("heun", "dpmpp-2m", "euler")
USUAL = ("heun", max(CALLS))  # what verdicts are compared with


def steps_of(sampler: str, calls: int) -> int:
    """Sampling steps that make so many network calls."""
    return (calls + 1) // 2 if sampler == "heun" else calls


def drawn(run: Run, sampler: str, calls: int) -> Images:
    """Samples of the seeds that all rows share, uint8 (n, h, w, c)."""
    how = run.sampler(sampler, steps_of(sampler, calls))
    return np.concatenate(list(draw(run, range(SAMPLES), how)))


def verdict(run: Run, images: Images) -> Verdicts:
    """Which of the images are copies of the run's training images."""
    corpus = run.corpus()
    return judge_images(sets_of(corpus, run.split(corpus), images))


def copied(found: Verdicts) -> NDArray[np.bool_]:
    return np.array([sample.copy for sample in found.samples])


def row(run: Run, sampler: str, calls: int, images: Images, usual: Verdicts) -> dict[str, Any]:
    """One sampler at one number of network calls: its distance, copies and changed verdicts."""
    found, corpus = verdict(run, images), run.corpus()
    heldout = corpus.images[run.split(corpus).heldout]
    unseen = imagenet_features(heldout[reference_of(heldout)[0]])
    features, rule = imagenet_features(images), found.copies.ratio.rated
    return {
        "run": run.name,
        "sampler": sampler,
        "steps": steps_of(sampler, calls),
        "calls": calls,
        "kid": kid(features, unseen),
        "kid_ci95": kid_interval(features, unseen),
        "copies": rule.rate,
        "copies_ci95": rule.ci95,
        "other_verdict": float((copied(found) != copied(usual)).mean()),
    }


def main() -> None:
    torch.set_num_threads(1)
    rows = [r for r in (read_json(TARGET) or {}).get("rows", []) if r["run"] in RUNS]
    known = {(r["run"], r["sampler"], r["calls"]) for r in rows}
    asked = [(name, sampler, calls) for sampler in SAMPLERS for name in RUNS for calls in CALLS]
    usual: dict[str, tuple[Images, Verdicts]] = {}
    for name, sampler, calls in asked:
        if (name, sampler, calls) in known:
            continue
        run = open_run(name)
        if name not in usual:
            images = drawn(run, *USUAL)
            usual[name] = images, verdict(run, images)
        images = usual[name][0] if (sampler, calls) == USUAL else drawn(run, sampler, calls)
        rows.append(row(run, sampler, calls, images, usual[name][1]))
        print(rows[-1], flush=True)
        write_atomically(TARGET, json.dumps({"samples": SAMPLES, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
