"""A map: training, unseen and generated images as points of a plane, by principal components."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from ambient.corpus import to_rows
from ambient.run import Run
from ui import data
from ui.encoded import Cloud
from ui.exhibit import Exhibit
from ui.pictures import Images

UNSEEN_SHOWN = 400
ACROSS, DOWN = 22, 20  # so many thumbnails fit side by side
THUMB = 40

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """Positions float32 (n, 2) in the plane, and the share of all variance that lies in it."""

    train: Points
    heldout: Points
    samples: Points
    share: float


def principal(rows: NDArray[np.float32]) -> tuple[Points, NDArray[np.float32], float]:
    """Mean, the two leading principal directions (d, 2), and their share of the variance.

    By subspace iteration: the two of thousands of directions, in a fraction of a second.
    """
    mean = rows.mean(axis=0)
    centered = rows - mean
    width = min(8, *rows.shape)
    basis = np.random.default_rng(0).standard_normal((rows.shape[1], width)).astype(np.float32)
    for _ in range(15):
        basis = np.linalg.qr(centered.T @ (centered @ basis))[0]
    _, scales, turn = np.linalg.svd(centered @ basis, full_matrices=False)
    directions = basis @ turn[:2].T
    # A direction has no sign of its own: point its largest part up, so that a map stays as it is.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    return mean, directions * signs, float((scales[:2] ** 2).sum() / (centered**2).sum())


def plane(run: Run, exhibit: Exhibit, rule: str, known: Cloud | None) -> Plane:
    """The map of a run under a rule: of pixels, or of encoder features where they are known."""
    encoder = rule == "similarity" and known is not None and known.samples is not None
    c = run.config
    key = (c.corpus_sha256, c.n_train, c.split_seed, exhibit.sha256, encoder)
    return _plane(key, run, exhibit, known if encoder else None)


@st.cache_resource(max_entries=12, show_spinner=False)
def _plane(key: tuple[object, ...], _run: Run, _exhibit: Exhibit, _known: Cloud | None) -> Plane:
    """Directions come from real images alone; generated ones are placed among them."""
    if _known is not None and _known.samples is not None:
        sets = (_known.train, _known.heldout, _known.samples)
    else:
        both = data.sets(_run)
        sets = (to_rows(both.train), to_rows(both.heldout), to_rows(_exhibit.images))
    mean, directions, share = principal(np.concatenate(sets[:2]))
    train, heldout, samples = ((rows - mean) @ directions for rows in sets)
    return Plane(train, heldout, samples, share)


def window(points: Plane) -> tuple[Points, Points]:
    """Corners of the map, with room for thumbnails at its edges."""
    every = np.concatenate([points.train, points.heldout, points.samples])
    low, high = every.min(axis=0), every.max(axis=0)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def apart(positions: Points, corners: tuple[Points, Points]) -> list[int]:
    """The first images, in their order, whose thumbnails don't overlap any before."""
    cell = (corners[1] - corners[0]) / (ACROSS, DOWN)
    chosen: list[int] = []
    for i, at in enumerate(positions):
        if not chosen or (np.abs(positions[chosen] - at) / cell).max(axis=1).min() >= 1:
            chosen.append(i)
    return chosen


@st.cache_data(max_entries=8, show_spinner=False)
def thumbnails(images: Images) -> list[str]:
    """Each picture, small, as an address that holds it."""
    return [_address(image) for image in images]


def _address(image: Images) -> str:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    if picture.width < THUMB:
        picture = picture.resize((THUMB, THUMB), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
