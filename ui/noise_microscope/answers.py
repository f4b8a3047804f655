"""What networks and a perfect memory make of noisy images: stored, or asked for in this session."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from einops import rearrange
from numpy.typing import NDArray

from ambient.diffusion.closed_forms import mean_image, posterior, squared_distances
from ambient.files import ASSETS
from ambient.images.corpus import to_bytes, to_unit
from ambient.runs.folder import Run
from ui import data
from ui.pictures import Images

PACKS = ASSETS / "microscope"  # made by scripts/build_microscope.py
KINDS = ("training", "unseen")
REMEMBERED = 16  # results of a session of one kind: 75 kB each


@dataclass(frozen=True)
class Answer:
    """A denoised image and its mean squared error an element."""

    image: Images
    error: float

    @classmethod
    def of(cls, denoised: NDArray[np.float32], clean: Images) -> Answer:
        """
        Args:
            denoised: (c, h, w) in [-1, 1], not clipped. clean: (h, w, c).
        """
        error = ((denoised.astype(np.float64) - to_unit(clean[None])[0]) ** 2).mean()
        return cls(to_bytes(denoised[None])[0], float(error))


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


Answers = dict[float, Answer]  # by noise level


@dataclass(frozen=True)
class Pack:
    """What a run's network makes of one training and one unseen image at every level."""

    positions: dict[str, int]
    answers: dict[str, Answers]
    checkpoint_sha256: str


def pack(run: Run) -> Pack | None:
    """The stored pictures of a run, if they are of the network that its curves are of."""
    path, curves = PACKS / f"{run.name}.npz", data.curves(run)
    found = _pack(str(path), data.stamp(path)) if path.exists() else None
    same = found and curves and curves.checkpoint_sha256 == found.checkpoint_sha256
    return found if same else None


@st.cache_resource(max_entries=16)
def _pack(path: str, changed: int) -> Pack:
    with np.load(path, allow_pickle=False) as f:
        stored = {k: f[k] for k in f.files}
    positions = dict(zip(KINDS, stored["positions"].tolist(), strict=True))
    answers = {}
    for kind, images, errors in zip(KINDS, stored["images"], stored["errors"], strict=True):
        found = [Answer(x, float(e)) for x, e in zip(images, errors, strict=True)]
        answers[kind] = dict(zip(stored["sigmas"].tolist(), found, strict=True))
    return Pack(positions, answers, str(stored["checkpoint_sha256"]))


@dataclass(frozen=True)
class Return:
    """Where one noised image ended: at home or not, and the training image nearest to there."""

    image: Images
    home: bool
    nearest: int


def remembered(kind: str) -> dict[Hashable, Any]:
    """Results of this session by what they depend on: `asked` or `clones`."""
    found: dict[Hashable, Any] = st.session_state.setdefault(f"microscope-{kind}", {})
    for old in list(found)[:-REMEMBERED]:
        del found[old]
    return found
