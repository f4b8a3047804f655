"""What docs/results.md needs beside the tables: `make measurements`.

- suggestion.json: the cutoff suggested before any training, for several n and splits.
- surgery.json: copies when one run works above a switch and another below it.
- along.json: denoising error on training and unseen images at every judged stage whose weights are
  in assets/runs or below runs/. Stages measured before stay. `python -m scripts.build_runs
  --weights` (or the sweep, for n = 100) trains what is missing.
- onset.json: images seen when a tenth of the samples are copies by the strict rule, the one that
  the sweeps were judged by, for every standard run of the bundled sweeps and of assets/runs that
  began to copy: what `ambient.reports.onset` is fitted to.

Writes assets/results/*.json. With names, only those: `python -m scripts.measure onset`.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ambient.config import Config
from ambient.copies.guises import orbit_of
from ambient.copies.intervals import clopper_pearson
from ambient.copies.sets import Images, sets_of
from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.levels import cutoff_report, shuffled
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import derive_seed, lognormal_sigmas
from ambient.diffusion.samplers import sample
from ambient.files import ASSETS, read_json, write_atomically
from ambient.images.corpus import load_corpus, to_bytes, to_unit
from ambient.models.splice import spliced
from ambient.reports.curves import intervals
from ambient.reports.onset import ONSET, seen_at_onset
from ambient.reports.rejecting import Filter
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run, step_name
from ambient.runs.weights import load_weights
from ambient.sweeps.spec import read_sweep

RESULTS = ASSETS / "results"
SPLITS = (0, 1, 2)
SIZES = {"emoji": (50, 100, 200, 300, 1000), "digits": (50,)}
PAIRS = [(f"emoji-{n}-standard", f"emoji-{n}-ambient-1.0") for n in (100, 300)]
SWITCHES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
SAMPLES = 200
IMAGES, NOISES = 100, 16  # of each kind whose errors are measured; noises an image


def suggestion() -> dict[str, Any]:
    rows = []
    for name, sizes in SIZES.items():
        for n in sizes:
            for split in SPLITS:
                found = cutoff_report(load_corpus(name), n, split, seed=0)
                row = {"corpus": name, "n_train": n, "split_seed": split}
                rows.append({**row, "cutoff": found.suggested_cutoff})
                print(rows[-1], flush=True)
    return {"rows": rows}


def surgery() -> dict[str, Any]:
    rows = []
    for pair in PAIRS:
        runs = [open_run(name) for name in pair]
        rules = {run.name: _rule(run) for run in runs}
        for run in runs:
            stored = run.samples()
            assert stored is not None
            images = stored[0][:SAMPLES]
            rows.append(_row(run, rules[run.name], images, run.name, switch=None))
        for switch in SWITCHES:
            for below, above in (runs, runs[::-1]):
                denoiser = spliced(below, above, switch)
                drawn = sample(denoiser, range(SAMPLES), below.shape, below.sampler())
                images = np.concatenate([to_bytes(x.numpy()) for x in drawn])
                rows.append(_row(below, rules[below.name], images, above.name, switch))
    return {"n_samples": SAMPLES, "seeds": [0, SAMPLES - 1], "rows": rows}


def _rule(run: Run) -> Filter:
    corpus = run.corpus()
    none = np.zeros((0, *corpus.images.shape[1:]), np.uint8)
    return Filter.of(sets_of(corpus, run.split(corpus), none), orbit_of(run.config))


def _row(
    below: Run, rule: Filter, images: Images, above: str, switch: float | None
) -> dict[str, Any]:
    copies = int(rule.copies(images).sum())
    row = {
        "n_train": below.config.n_train,
        "above": above,
        "below": below.name,
        "switch": switch,
        "copies": copies / len(images),
        "ci95": clopper_pearson(copies, len(images)),
    }
    print(row, flush=True)
    return row


def along() -> dict[str, Any]:
    """Error on training and on unseen images, stage by stage of every bundled run."""
    before = (read_json(RESULTS / "along.json") or {}).get("rows", [])
    known = {row["checkpoint_sha256"]: row for row in before}
    rows, missing = [], []
    for run in list_runs(BUNDLED_RUNS):
        for step in run.sheet_steps:
            report = run.report(step)
            sha256 = report.checkpoint_sha256 if report else None
            weights = _weights(run, step, sha256)
            if sha256 in known:
                rows.append(known[sha256])
            elif weights is None:
                missing.append(f"{run.name} step {step:,}")
            else:
                rows.append({"run": run.name, "step": step, **_errors(run, weights)})
                rows[-1]["checkpoint_sha256"] = sha256
                print(rows[-1], flush=True)
    print(f"no weights at hand: {', '.join(missing) or 'none'}")
    return {"images": IMAGES, "noises": NOISES, "seed": 0, "rows": rows}


def _weights(run: Run, step: int, sha256: str | None) -> Path | None:
    """The weights of a stage, wherever they were trained: known by the hash in its report."""
    name = f"checkpoints/{step_name(step)}.safetensors"
    for path in (run.path / name, *sorted(Path("runs").glob(f"**/{name}"))):
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            return path
    return None


def _errors(run: Run, weights: Path) -> dict[str, Any]:
    """Mean errors of both kinds with image-bootstrap intervals.

    The error is the loss of ordinary training, on clean images, whatever the run's arm, so that
    runs compare. Image i of either kind gets the same noises, at every stage of every run.
    """
    corpus, denoiser = run.corpus(), load_weights(weights, run.config)
    split = run.split(corpus)
    errors = []
    for positions, whole in zip(shuffled(split, 0), (split.train, split.heldout), strict=True):
        images = to_unit(corpus.images[whole[np.sort(positions[:IMAGES])]])
        errors.append(_error_of_each(run, denoiser, torch.from_numpy(images)))
    train, heldout = errors
    means = {"loss_train": float(train.mean()), "loss_heldout": float(heldout.mean())}
    return means | intervals(train, heldout, seed=0)


def _error_of_each(run: Run, denoiser: Denoiser, images: Tensor) -> NDArray[np.float64]:
    """One error an image: the mean over noise levels drawn as training draws them."""
    c, errors = run.config, []
    with torch.inference_mode():
        for i, image in enumerate(images):
            generator = torch.Generator().manual_seed(derive_seed(0, i, 0xA106))
            sigma = lognormal_sigmas(NOISES, c.p_mean, c.p_std, generator)
            clean = image.expand(NOISES, *image.shape)
            args = (clean, clean, sigma, 0.0, c.sigma_data, generator)
            errors.append(float(denoising_loss(denoiser, "standard", *args).mean()))
    return np.array(errors)


def onset() -> dict[str, Any]:
    rows = []
    for spec in sorted(ASSETS.glob("sweeps/*/spec.json")):
        table = read_json(spec.with_name("table.json")) or {"rows": []}
        for name, config in read_sweep(spec).jobs.items():
            path = [(r["step"], r["copies"]) for r in table["rows"] if r["run"] == name]
            rows += _onset(name, config, sorted(path))
    for run in list_runs(BUNDLED_RUNS):
        reports = [(s, run.report(s)) for s in run.sheet_steps]
        told = [(s, r.copies.strict.rate) for s, r in reports if r and r.copies.strict]
        path = [(step, rate) for step, rate in told if rate is not None]
        rows += _onset(run.name, run.config, path)
    # One run for a corpus, number and seed: of two the sweep's, which has more stages; bundled
    # digits are of another network too.
    once = {(r["corpus"], r["n_train"], r["seed"]): r for r in reversed(rows)}
    return {"share": ONSET, "rows": list(once.values())[::-1]}


def _onset(name: str, c: Config, path: list[tuple[int, float]]) -> list[dict[str, Any]]:
    seen = seen_at_onset(path, c.batch) if c.arm == "standard" else None
    if seen is None:
        return []
    row = {"run": name, "corpus": c.corpus, "n_train": c.n_train, "seed": c.seed, "seen": seen}
    print(row, flush=True)
    return [row]


MEASURED = {part.__name__: part for part in (suggestion, surgery, along, onset)}


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or MEASURED:
        if name not in MEASURED:
            raise SystemExit(f"'{name}' is not measured here; expected {', '.join(MEASURED)}.")
        write_atomically(RESULTS / f"{name}.json", json.dumps(MEASURED[name](), indent=1) + "\n")
        print(f"wrote {name}.json")


if __name__ == "__main__":
    main()
