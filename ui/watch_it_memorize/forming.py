"""How a picture forms within one sampling: a second scrubber, from noise to picture."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import streamlit as st
from PIL import Image

from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, scrubber, words
from ui.pictures import Images, arm_color
from ui.scrubber.film import Film, Panel, single
from ui.stages import TONES, Rows, Runs, judge, panel_name


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


def _panel(run: Run, found: Forming) -> Panel:
    color, frames, captions, alts = arm_color(run.config.arm), [], [], []
    for sigma, images in zip(found.sigmas, found.images, strict=True):
        stage = judge(run, images)
        cells = zip(stage.images, stage.copies, strict=True)
        frames.append([single(image, copy, color) for image, copy in cells])
        captions.append(words.copies_of(stage.copies))
        alts.append(
            f"{panel_name(run)}: {len(images)} denoised pictures at noise level {sigma:.3g}; "
            f"{words.copies_of(stage.copies)} of a training image."
        )
    tone = TONES.get(run.config.arm, "gray")
    return Panel(panel_name(run), tone, frames, captions, alts)


@st.cache_resource(max_entries=8, show_spinner=False)
def _film(paths: tuple[str, ...], changed: tuple[int, ...]) -> Film:
    opened = [store.open_run(path) for path in paths]
    return Film.of([_panel(run, found) for run in opened if (found := forming(run))])


def show(runs: Runs) -> None:
    """The second scrubber: the same seeds from noise to picture, both models."""
    have = {arm: found for arm, run in runs.items() if (found := forming(run))}
    st.subheader("How a picture forms", anchor=False)
    if not have:
        words.missing("How these pictures form is not stored.", "make assets")
        return
    st.markdown(
        "Now within one sampling, after the whole training: from pure noise down, the clean "
        "picture the network guesses at each step. Both models start from the same noise.",
        width=760,
    )
    sigmas = next(iter(have.values())).sigmas
    count, kept = len(sigmas), {arm: runs[arm] for arm in have}
    options = list(range(1, count + 1))
    index = scrubber.chosen("sampling", options, count - 1)
    scrubber.scrubber(
        _film(
            tuple(str(run.path) for run in kept.values()),
            tuple(data.stamp(run.path / "trajectory.png") for run in kept.values()),
        ),
        [f"{i} of {count}, noise {s:.2g}" for i, s in zip(options, sigmas, strict=True)],
        index,
        f"forming-{'-'.join(run.name for run in kept.values())}",
        "Sampling step",
        lambda i: scrubber.choose("sampling", options, i),
    )
    words.under(
        "forming",
        "At high noise the guess is a mean of many pictures; it becomes one picture, and sometimes "
        "a training image, on the way down. A frame with an equals sign marks a guess that is "
        "already a copy.",
        [
            f"{words.provenance(run, None)} · seeds 0 to {max(have[arm].seeds)} · weights "
            f"{have[arm].checkpoint_sha256[:8]}"
            for arm, run in kept.items()
        ],
        lambda: _rows(kept),
        "make assets",
    )


def _rows(runs: Runs) -> Rows:
    table = []
    for run in runs.values():
        found = forming(run)
        for i, sigma in enumerate(found.sigmas if found else ()):
            stage = judge(run, found.images[i])  # type: ignore[union-attr]
            for seed, name, copy in zip(found.seeds, stage.names, stage.copies, strict=True):
                row = {"run": run.name, "sampling_step": i + 1, "sigma": sigma, "seed": seed}
                table.append({**row, "nearest": name, "copy": copy})
    return table
