"""What networks and a perfect memory make of noisy pictures: stored, or computed for a visitor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from einops import rearrange
from numpy.typing import NDArray

from ambient.diffusion.closed_forms import mean_image, posterior, squared_distances
from ambient.files import ASSETS
from ambient.images.corpus import to_bytes
from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, noise
from ui.microscope.records import Answers, error
from ui.microscope.specimens import Specimen
from ui.pictures import Images

PACKS = ASSETS / "microscope"  # `python -m scripts.build_stored`
KINDS = ("training", "unseen")


def perfect_memory(
    noisy: NDArray[np.float32], train: Images, sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the denoiser that memorizes makes of a noisy image, and the weights of its origins.

    Args:
        noisy: (c, h, w), not clipped. train: uint8 (n, h, w, c).

    Returns:
        (c, h, w) in [-1, 1], and (n,).
    """
    c, h, w = noisy.shape
    x, keys = rearrange(noisy, "c h w -> 1 (h w c)"), train.reshape(len(train), -1)
    weights = posterior(squared_distances(x, keys), sigma**2)
    mean = rearrange(mean_image(weights, keys), "1 (h w c) -> c h w", c=c, h=h, w=w)
    return mean.astype(np.float32), weights[0]


def remembered(run: Run, image: Images, sigmas: Sequence[float]) -> tuple[Images, list[float]]:
    """What a perfect memory of a run's training images guesses at each level, and its errors."""
    train = data.sets(run).train
    found = [perfect_memory(noise.at(image, s), train, s)[0] for s in sigmas]
    return to_bytes(np.stack(found)), [error(x, image) for x in found]


@dataclass(frozen=True)
class Pack:
    """The stored answers of a run's network on one training and one unseen picture."""

    positions: dict[str, int]
    sigmas: tuple[float, ...]
    answers: dict[str, Answers]
    checkpoint_sha256: str


def pack(run: Run) -> Pack | None:
    """The stored answers of a run, if they are of the network that it holds now."""
    path = PACKS / f"{run.name}.npz"
    found = _pack(str(path), data.stamp(path)) if path.exists() else None
    return found if found and found.checkpoint_sha256 == run.checkpoint_sha256() else None


@st.cache_resource(max_entries=16)
def _pack(path: str, changed: int) -> Pack:
    with np.load(path, allow_pickle=False) as f:
        stored = {k: f[k] for k in f.files}
    parts = zip(KINDS, stored["guesses"], stored["errors"], stored["returns"], strict=True)
    return Pack(
        dict(zip(KINDS, stored["positions"].tolist(), strict=True)),
        tuple(stored["sigmas"].tolist()),
        {kind: Answers(*found) for kind, *found in parts},
        str(stored["checkpoint_sha256"]),
    )


def is_stored(run: Run, specimen: Specimen, sigmas: Sequence[float]) -> bool:
    found = pack(run)
    return (
        found is not None
        and found.sigmas == tuple(sigmas)
        and found.positions[specimen.kind] == specimen.position
    )


def answers(run: Run, specimen: Specimen, sigmas: Sequence[float]) -> Answers:
    """What is stored of a picture, else what the network makes of it now.

    Raises:
        InputError: unusable weights, or another visitor's work takes too long.
    """
    found = pack(run)
    if found and is_stored(run, specimen, sigmas):
        return found.answers[specimen.kind]
    key = str(run.path), data.weights(run), specimen.sha256, tuple(sigmas)
    return _asked(*key, specimen.image)


@st.cache_resource(max_entries=24, show_spinner="The network looks at your picture")
def _asked(
    path: str, weights: str, sha256: str, sigmas: tuple[float, ...], _image: Images
) -> Answers:
    from ui import live
    from ui.microscope import asking

    run = store.open_run(path)
    network = live.network(run)
    with live.turn():
        return asking.ask(network, run, _image, sigmas)
