"""How a picture forms within one sampling, from noise to picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.film import show
from ui.film.parts import Film, Row
from ui.pictures import Images
from ui.stages import Runs, find, panel_name


@dataclass(frozen=True)
class Forming:
    """A stored generation: denoised pictures (steps, seeds, h, w, c) and the noise levels."""

    images: Images
    sigmas: tuple[float, ...]
    seeds: tuple[int, ...]
    checkpoint_sha256: str


def forming(run: Run) -> Forming | None:
    """How the first seeds of a run form, where it is stored."""
    path = run.path / "trajectory.png"
    return _read(str(run.path), data.stamp(path)) if path.exists() else None


@st.cache_resource(max_entries=8)
def _read(path: str, changed: int) -> Forming:
    run = store.open_run(path)
    picture = Image.open(run.path / "trajectory.png")
    about, side = picture.text, run.config.side  # type: ignore[attr-defined]  # PNG text
    pixels = np.atleast_3d(np.asarray(picture))
    grid = pixels.reshape(pixels.shape[0] // side, side, -1, side, pixels.shape[2])
    images = np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4))
    sigmas, seeds = (tuple(json.loads(about[name])) for name in ("sigmas", "seeds"))
    return Forming(images, sigmas, seeds, about["checkpoint_sha256"])


@st.cache_resource(max_entries=8, show_spinner=False)
def _film(paths: tuple[str, ...], changed: tuple[int, ...]) -> Film:
    """From pure noise down, the clean picture that each network guesses at every step."""
    rows: list[Row] = []
    sigmas: tuple[float, ...] = ()
    for run in map(store.open_run, paths):
        if found := forming(run):
            sigmas = found.sigmas
            rows.append(_row(run, found))
    frames = [f"{i} of {len(sigmas)}, noise level {s:.2g}" for i, s in enumerate(sigmas, 1)]
    return Film(rows, "Sampling step", frames)


def _row(run: Run, found: Forming) -> Row:
    judged = [find(run, images).marks for images in found.images]
    said = [words.copies_of([mark == "copy" for mark in marks]) for marks in judged]
    return Row(
        title=panel_name(run),
        tone=words.tone(run.config.arm),
        images=found.images,
        marks=judged,
        captions=said,
        alts=[f"{panel_name(run)}: {text} at noise level {sigma:.3g}."
              for text, sigma in zip(said, found.sigmas, strict=True)],
    )  # fmt: skip


def show_forming(runs: Runs) -> None:
    """A second film: the same seeds from noise to picture, both models."""
    have = {arm: found for arm, run in runs.items() if (found := forming(run))}
    st.subheader("How a picture forms", anchor=False)
    if not have:
        words.missing("How these pictures form is not stored.", "make assets")
        return
    sigmas = next(iter(have.values())).sigmas
    count, kept = len(sigmas), [runs[arm] for arm in have]
    options = list(range(1, count + 1))
    show(
        _film(
            tuple(str(run.path) for run in kept),
            tuple(data.stamp(run.path / "trajectory.png") for run in kept),
        ),
        f"forming-{'-'.join(run.name for run in kept)}",
        "sampling",
        options,
    )
    words.under(
        "forming",
        "After training: the clean picture that the networks guess at each step from pure noise "
        "down. At first it is a mean of many pictures.",
        [
            f"{words.provenance(run, None)} · seeds 0 to {max(found.seeds)} · weights "
            f"{found.checkpoint_sha256[:8]}"
            for run, found in zip(kept, have.values(), strict=True)
        ],
        lambda: [
            row for run, found in zip(kept, have.values(), strict=True) for row in _rows(run, found)
        ],
        "make assets",
    )


def _rows(run: Run, found: Forming) -> Iterator[dict[str, Any]]:
    names = data.sets(run).train_names
    for step, (sigma, images) in enumerate(zip(found.sigmas, found.images, strict=True), 1):
        judged = find(run, images)
        for seed, (nearest, _), mark in zip(found.seeds, judged.near, judged.marks, strict=True):
            row = {"run": run.name, "sampling_step": step, "sigma": sigma, "seed": seed}
            yield {**row, "nearest": names[nearest], "mark": mark}
