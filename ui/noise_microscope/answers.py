"""What networks and a perfect memory make of noisy images: stored, or asked for in this session."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.images.corpus import ASSETS, to_bytes, to_rows, to_unit
from ambient.runs.folder import Run
from ui import data
from ui.pictures import Images

PACKS = ASSETS / "microscope"  # made by scripts/build_microscope.py
KINDS = ("training", "unseen")
REMEMBERED = 16  # results of a session of one kind: 75 kB each
BLOCK = 4096  # training images in memory as numbers at once


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


def posterior(noisy: NDArray[np.float32], train: Images, sigma: float) -> NDArray[np.float64]:
    """Which training image, all equally likely, gave this noisy one: `posterior`.

    In numpy, so that a page opens without torch.
    """
    x = noisy.reshape(1, -1)
    blocks = (to_rows(train[i : i + BLOCK]) for i in range(0, len(train), BLOCK))
    d2 = np.concatenate([((b - x) ** 2).sum(1, dtype=np.float64) for b in blocks])
    w = np.exp((d2.min() - d2) / (2 * sigma**2))
    return w / w.sum()


def ideal(noisy: NDArray[np.float32], weights: NDArray[np.float64], train: Images) -> NDArray:
    """The mean of the training images under the posterior: the denoiser that memorizes."""
    held = np.flatnonzero(weights > 1e-9)
    total = np.zeros(noisy.size)
    for i in range(0, len(held), BLOCK):
        rows = held[i : i + BLOCK]
        total += weights[rows] @ to_rows(train[rows])
    return total.reshape(noisy.shape).astype(np.float32)


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
    same = found and curves and curves.get("checkpoint_sha256") == found.checkpoint_sha256
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
