"""Cached reads of run folders. Nothing here imports torch; every cache is bounded.

Shared between visitors, so what these functions return is read and never changed.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.guises import Orbit, orbit_of
from ambient.copies.pixels import limits_of
from ambient.copies.records import Quality, Report, Sample
from ambient.copies.rules import FALSE_ALARMS
from ambient.copies.sets import sets_of
from ambient.copies.spaces import QUALITY
from ambient.diffusion.records import Curves, Level
from ambient.files import ASSETS, InputError
from ambient.images.corpus import Corpus, load_corpus
from ambient.runs import folder as store
from ambient.runs.folder import Run

T = TypeVar("T")
Images = NDArray[np.uint8]
Rows = Sequence[Mapping[str, Any] | msgspec.Struct]  # of a figure's data

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how one begins in a spreadsheet


def runs_folder() -> Path:
    """Where training writes (`AMBIENT_RUNS`, default ./runs)."""
    return Path(os.environ.get("AMBIENT_RUNS", "runs"))


def audit_example() -> Path | None:
    """The stored audit of a bundled run (scripts/build_stored.py); None without such runs."""
    path = ASSETS / "audit" / "emoji-300-standard.json"
    return path if path.exists() and bundled() else None


def stamp(path: Path) -> int:
    """A file's or folder's time of change, 0 if it is not there: the cache key of what it holds."""
    return path.stat().st_mtime_ns if path.exists() else 0


def bundled() -> list[Run]:
    """The runs that come with the project: kanji, emoji, digits, few images before many."""
    return _list(str(store.BUNDLED_RUNS), stamp(store.BUNDLED_RUNS))


@st.cache_resource(max_entries=4)
def _list(folder: str, changed: int) -> list[Run]:
    def order(r: Run) -> tuple[Any, ...]:
        c = r.config
        others = c.corpus != "kanji", c.corpus != "emoji"
        return c.text, *others, c.corpus, c.n_train, c.arm != "standard", c.arm, c.cutoff

    return sorted(store.list_runs(Path(folder)), key=order)


def own() -> list[Run]:
    """Runs trained or imported here, newest first; their folder changes, so it is not cached."""
    return sorted(store.list_runs(runs_folder()), key=lambda r: -stamp(r.path / "config.json"))


def known(name: str) -> Run | None:
    """A bundled run by its name; None where it is not stored."""
    return next((run for run in bundled() if run.name == name), None)


def of_run(*files: str, entries: int = 32) -> Callable[[Callable[[Run], T]], Callable[[Run], T]]:
    """Keep what is read of a run for all visitors, until one of these files of it changes."""

    def decorate(read: Callable[[Run], T]) -> Callable[[Run], T]:
        def kept(path: str, changed: tuple[int, ...]) -> T:
            return read(store.open_run(path))

        kept.__module__, kept.__qualname__ = read.__module__, read.__qualname__  # the cache's key
        cached = st.cache_resource(max_entries=entries, show_spinner=False)(kept)

        @wraps(read)
        def of(run: Run) -> T:
            return cached(str(run.path), tuple(stamp(run.path / name) for name in files))

        return of

    return decorate


def report(run: Run, step: int | None = None) -> Report | None:
    """The stored verdict; None where it was never made or refuses to conclude."""
    name = "report.json" if step is None else f"reports/{store.step_name(step)}.json"
    found = _report(str(run.path), step, stamp(run.path / name))
    return found if found and found.copies.ratio.rate is not None else None


def limits(run: Run) -> dict[float, float]:
    """Below which aligned ratio a picture of a run is a copy, by share of false alarms.

    Its report's; before it is judged, what the same unseen pictures say now.
    """
    if found := report(run):
        points = {p.false_alarms: p.threshold for p in found.copies.operating}
        return {FALSE_ALARMS: found.copies.ratio.threshold} | points
    c = run.config
    return _limits(str(run.path), c.corpus_sha256, c.n_train, c.split_seed, orbit_of(c))


@st.cache_resource(max_entries=16, show_spinner=False)
def _limits(
    path: str, sha256: str, n_train: int, split_seed: int, orbit: Orbit
) -> dict[float, float]:
    run = store.open_run(path)
    whole = run.corpus()
    return limits_of(sets_of(whole, run.split(whole), whole.images[:0]), orbit)


@st.cache_resource(max_entries=64)
def _report(path: str, step: int | None, changed: int) -> Report | None:
    return store.open_run(path).report(step)


@of_run("reports", "sheets", entries=64)
def stages(run: Run) -> dict[int, Report]:
    """The verdicts stored along training, by step."""
    return {step: found for step in run.sheet_steps if (found := report(run, step))}


@of_run("curves.json")
def curves(run: Run) -> Curves | None:
    """The stored measurements by noise level; None where there are none."""
    return run.curves()


def widest_gap(curves: Curves) -> Level:
    """The level at which unseen images cost most more than training images do."""
    found = curves.widest_gap
    if found is None:
        raise InputError(f"the curves of '{curves.run}' hold no gap; measure them again.")
    return found


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


@of_run("samples.npz", "sheets", entries=12)
def samples(run: Run) -> tuple[Images, NDArray[np.int64]]:
    """The stored samples and their seeds; the last contact sheet where there are no others.

    Raises:
        InputError: the run stores neither.
    """
    stored = run.samples()
    if stored is not None:
        return stored
    sheet = run.sheet()
    if sheet is None:
        raise InputError(f"run '{run.name}' has no samples yet; let it train to its first sheet.")
    return sheet, np.arange(len(sheet))


@of_run("metrics.jsonl")
def metrics(run: Run) -> list[dict[str, float]]:
    """The lines of metrics.jsonl of a run at rest."""
    return run.metrics()


@dataclass(frozen=True)
class Shown:
    """Pictures beside their nearest training images, ready to draw."""

    images: Images
    nearest: Images
    nearest_names: tuple[str, ...]
    copies: tuple[bool, ...]
    rows: tuple[Sample, ...] = ()  # the verdicts on them, where they are samples of a report

    def __len__(self) -> int:
        return len(self.images)


def shown(run: Run, verdicts: Report, seeds: Sequence[int]) -> Shown:
    """The stored samples of these seeds, each with its nearest training image."""
    images, stored = samples(run)
    at = {int(s): i for i, s in enumerate(stored)}
    by_seed = {row.seed: row for row in verdicts.samples}
    rows = tuple(by_seed[s] for s in seeds if s in at and s in by_seed)
    near = [row.nearest for row in rows]
    both = sets(run)
    return Shown(
        images[[at[row.seed] for row in rows]],
        both.train[near],
        tuple(both.train_names[i] for i in near),
        tuple(row.copy for row in rows),
        rows,
    )


def csv_bytes(rows: Rows) -> bytes:
    """Rows as CSV; a column for every field that any row has, two for an interval."""
    table = [_flat(r if isinstance(r, Mapping) else msgspec.structs.asdict(r)) for r in rows]
    fields = list(dict.fromkeys(k for row in table for k in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _unspelled(v) for k, v in row.items()} for row in table)
    return text.getvalue().encode()


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("ci95"):
            stem = name.removesuffix("ci95")
            out |= zip((f"{stem}low", f"{stem}high"), value or (None, None), strict=True)
        else:
            out[name] = value
    return out


def _unspelled(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: it may be the name of a stranger's file."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def quality(found: Report | None) -> Quality | None:
    """A report's quality; None where it was not measured, or as earlier versions did."""
    known = found.quality if found else None
    return known if known and known.features == QUALITY and known.kid is not None else None
