"""Cached reads of run folders. Nothing here imports torch; every cache is bounded.

Shared between visitors, so what these functions return is read and never changed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from msgspec.structs import asdict
from numpy.typing import NDArray

from ambient.errors import InputError
from ambient.files import Record
from ambient.images.corpus import ASSETS, Corpus, load_corpus
from ambient.runs import folder as store
from ambient.runs.folder import Run

Images = NDArray[np.uint8]

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how one begins in a spreadsheet


def runs_folder() -> Path:
    """Where training writes (`AMBIENT_RUNS`, default ./runs)."""
    return Path(os.environ.get("AMBIENT_RUNS", "runs"))


def audit_example() -> Path | None:
    """A stored audit of a bundled run's samples (scripts/planted.py); None without such runs."""
    path = ASSETS / "audit" / "emoji-300-standard.json"
    return path if path.exists() and bundled() else None


def stamp(path: Path) -> int:
    """A file's or folder's time of change, 0 if it is not there: the cache key of what it holds."""
    return path.stat().st_mtime_ns if path.exists() else 0


def bundled() -> list[Run]:
    """The runs that come with the project: emoji before digits, few images before many."""
    return _list(str(store.BUNDLED_RUNS), stamp(store.BUNDLED_RUNS))


@st.cache_resource(max_entries=4)
def _list(folder: str, changed: int) -> list[Run]:
    def order(r: Run) -> tuple[Any, ...]:
        c = r.config
        return c.corpus != "emoji", c.corpus, c.n_train, c.arm != "standard", c.arm, c.cutoff

    return sorted(store.list_runs(Path(folder)), key=order)


def own() -> list[Run]:
    """Runs trained or imported here, newest first; their folder changes, so it is not cached."""
    return sorted(store.list_runs(runs_folder()), key=lambda r: -stamp(r.path / "config.json"))


def find(name: str) -> Run:
    """A run by name or folder path: own runs first, then bundled ones."""
    local = runs_folder() / name
    return store.open_run(local if (local / "config.json").is_file() else name)


def with_cutoffs(corpus: str | None = None) -> dict[int, dict[float, Run]]:
    """Bundled runs to compare: by training-set size, then by cutoff (0 is standard).

    Only sizes with a standard run and at least one ambient one.
    """
    table: dict[int, dict[float, Run]] = {}
    for r in bundled():
        if r.config.arm in ("standard", "ambient") and corpus in (None, r.config.corpus):
            table.setdefault(r.config.n_train, {}).setdefault(r.config.cutoff, r)
    return {
        n: dict(sorted(cuts.items()))
        for n, cuts in sorted(table.items())
        if 0.0 in cuts and len(cuts) > 1
    }


def report(run: Run, step: int | None = None) -> dict[str, Any] | None:
    """The stored verdict; None where it was never made or refuses to conclude."""
    name = "report.json" if step is None else f"reports/{store.step_name(step)}.json"
    found = _report(str(run.path), step, stamp(run.path / name))
    return found if found and found["copies"]["ratio"]["rate"] is not None else None


@st.cache_resource(max_entries=64)
def _report(path: str, step: int | None, changed: int) -> dict[str, Any] | None:
    return store.open_run(path).report(step)


def stages(run: Run) -> dict[int, dict[str, Any]]:
    """The verdicts stored along training, by step."""
    return _stages(str(run.path), stamp(run.path / "reports"), stamp(run.path / "sheets"))


@st.cache_resource(max_entries=64)
def _stages(path: str, reports: int, sheets: int) -> dict[int, dict[str, Any]]:
    run = store.open_run(path)
    found = {s: report(run, s) for s in run.sheet_steps}
    return {s: r for s, r in found.items() if r}


def judged_on(run: Run, n_samples: int) -> dict[str, Any] | None:
    """The last of a run's reports that judged so many samples."""
    every = [report(run), *reversed(stages(run).values())]
    return next((r for r in every if r and r["n_samples"] == n_samples), None)


def curves(run: Run) -> dict[str, Any] | None:
    return _curves(str(run.path), stamp(run.path / "curves.json"))


def widest_gap(curves: Mapping[str, Any]) -> Mapping[str, Any]:
    """The level at which unseen images cost most more than training images do."""
    known = (level for level in curves["levels"] if level["gap_ratio"] is not None)
    return max(known, key=lambda level: float(level["gap_ratio"]))


@st.cache_resource(max_entries=32)
def _curves(path: str, changed: int) -> dict[str, Any] | None:
    return store.open_run(path).curves()


@dataclass(frozen=True)
class Sets:
    """A run's images: what it trained on and what it never saw, with their names."""

    train: Images
    heldout: Images
    train_names: tuple[str, ...]
    heldout_names: tuple[str, ...]
    train_index: NDArray[np.int64]
    heldout_index: NDArray[np.int64]
    groups: NDArray[np.int64]
    heldout_groups: NDArray[np.int64]


def sets(run: Run) -> Sets:
    c = run.config
    return _sets(str(run.path), c.corpus_sha256, c.n_train, c.split_seed)


@st.cache_resource(max_entries=16)
def _sets(path: str, sha256: str, n_train: int, split_seed: int) -> Sets:
    run = store.open_run(path)
    whole = run.corpus()
    split = run.split(whole)
    return Sets(
        whole.images[split.train],
        whole.images[split.heldout],
        tuple(whole.names[i] for i in split.train),
        tuple(whole.names[i] for i in split.heldout),
        split.train,
        split.heldout,
        whole.groups[split.train],
        whole.groups[split.heldout],
    )


@st.cache_resource(max_entries=4)
def bundled_corpus(name: str) -> Corpus:
    return load_corpus(name)


def weights(run: Run, step: int | None = None) -> str:
    """The hash of a run's weights at a step, by default its last; '' where none are stored.

    A key of what was computed from them: the name of a deleted run may come to be another's.
    """
    if (run.last_step if step is None else step) not in run.steps:
        return ""
    path = run.checkpoint(step)
    return _weights(str(path), stamp(path))


@st.cache_resource(max_entries=256)
def _weights(path: str, changed: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def samples(run: Run) -> tuple[Images, NDArray[np.int64]]:
    """The stored samples and their seeds; the last contact sheet where there are no others.

    Raises:
        InputError: the run stores neither.
    """
    newest = max(stamp(run.path / "samples.npz"), stamp(run.path / "sheets"))
    return _samples(str(run.path), newest)


@st.cache_resource(max_entries=12)
def _samples(path: str, changed: int) -> tuple[Images, NDArray[np.int64]]:
    run = store.open_run(path)
    stored = run.samples()
    if stored is not None:
        return stored
    sheet = run.sheet()
    if sheet is None:
        raise InputError(f"run '{run.name}' has no samples yet; let it train to its first sheet.")
    return sheet, np.arange(len(sheet))


@dataclass(frozen=True)
class Shown:
    """Pictures beside their nearest training images, ready to draw.

    Attributes:
        rows: the verdicts on them, where they are samples of a report.
    """

    images: Images
    nearest: Images
    nearest_names: tuple[str, ...]
    copies: tuple[bool, ...]
    rows: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.images)


def shown(run: Run, verdicts: Mapping[str, Any], seeds: Sequence[int]) -> Shown:
    """The stored samples of these seeds, each with its nearest training image."""
    images, stored = samples(run)
    at = {int(s): i for i, s in enumerate(stored)}
    by_seed = {row["seed"]: row for row in verdicts["samples"]}
    rows = tuple(by_seed[s] for s in seeds if s in at and s in by_seed)
    near = [row["nearest"] for row in rows]
    both = sets(run)
    return Shown(
        images[[at[row["seed"]] for row in rows]],
        both.train[near],
        tuple(both.train_names[i] for i in near),
        tuple(bool(row["copy"]) for row in rows),
        rows,
    )


def csv_bytes(rows: Sequence[Mapping[str, Any] | Record]) -> bytes:
    """Rows as CSV; a column for every field that any row has, two for an interval."""
    rows = [_flat(row) for row in rows]
    fields = list(dict.fromkeys(k for row in rows for k in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _unspelled(v) for k, v in row.items()} for row in rows)
    return text.getvalue().encode()


def _flat(row: Mapping[str, Any] | Record) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in (asdict(row) if isinstance(row, Record) else row).items():
        if name.endswith("ci95"):
            stem = name.removesuffix("ci95")
            out |= zip((f"{stem}low", f"{stem}high"), value or (None, None), strict=True)
        else:
            out[name] = value
    return out


def _unspelled(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: it may be the name of a stranger's file."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def path(run: Run) -> list[dict[str, Any]]:
    """A run's stored stages as points of copies and quality, by step."""
    return [_point(run, r) | {"step": step} for step, r in stages(run).items() if frechet(r)]


def frechet(found: Mapping[str, Any] | None) -> float | None:
    """A report's Frechet distance; None where too few images allowed none."""
    return ((found or {}).get("quality") or {}).get("frechet")


def _point(run: Run, found: dict[str, Any]) -> dict[str, Any]:
    c, rule = run.config, found["copies"]["ratio"]
    return {
        "name": run.name,
        "label": {"standard": "no cutoff", "ambient": f"cutoff {c.cutoff:g}"}.get(
            c.arm, f"{c.arm} {c.cutoff:g}"
        ),
        "arm": c.arm,
        "frechet": found["quality"]["frechet"],
        "rate": rule["rate"],
        "ci95": rule["ci95"],
        "n_samples": found["n_samples"],
    }


def quality_points(
    runs: Mapping[float, Run], n: int, along: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Finished models and the standard model's stages, comparable: the same number of samples.

    A Frechet distance falls with the number of samples, so each model is shown by the report of
    its last stage where all have one, as the stages are, and otherwise by its final report.

    Args:
        along: whether stages are asked for; without them the final reports have more samples.

    Returns:
        Points of all runs and controls of this size, the path of stages, samples behind each.
    """
    arms = ("standard", "ambient")
    controls = [r for r in bundled() if r.config.n_train == n and r.config.arm not in arms]
    every = [*runs.values(), *controls]
    last = {r.name: path(r)[-1:] if along else [] for r in every}
    if all(last.values()):
        points = [p for found in last.values() for p in found]
        return points, path(runs[0.0]), points[0]["n_samples"]
    finals = [(r, report(r)) for r in every]
    points = [_point(r, found) for r, found in finals if found and frechet(found)]
    return points, [], points[0]["n_samples"] if points else 0


def metrics(run: Run) -> list[dict[str, float]]:
    """The lines of metrics.jsonl of a run at rest, cached by the file's time of change."""
    return _metrics(str(run.path), stamp(run.path / "metrics.jsonl"))


@st.cache_resource(max_entries=32)
def _metrics(path: str, changed: int) -> list[dict[str, float]]:
    return store.open_run(path).metrics()
