"""A map: training, unseen and generated images as points of a plane, by principal components."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from ambient.images.corpus import to_rows
from ui import charts, words
from ui.charts.embedding import Layer, image_map
from ui.controls import pick
from ui.evidence import evidence
from ui.evidence.exhibit import Exhibit, Room, Shelf
from ui.evidence.ruling import Ruling
from ui.pictures import Images

UNSEEN_SHOWN = 400
ACROSS, DOWN = 22, 20  # so many thumbnails fit side by side
THUMB = 40

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Plane:
    """Positions float32 (n, 2) in the plane, and the share of all variance that lies in it."""

    train: Points
    heldout: Points
    samples: Points
    share: float

    def of(self, kind: str) -> Points:
        return {"training": self.train, "unseen": self.heldout, "generated": self.samples}[kind]


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


def plane(room: Room, rule: str) -> Plane:
    """The map of a run under a rule: of pixels, or of encoder features where they are known."""
    c, seen = room.run.config, room.seen(rule)
    key = (c.corpus_sha256, c.n_train, c.split_seed, room.exhibit.sha256, bool(seen))
    return _plane(key, room, rule)


@st.cache_resource(max_entries=12, show_spinner=False)
def _plane(key: tuple[object, ...], _room: Room, _rule: str) -> Plane:
    """Directions come from real images alone; generated ones are placed among them."""
    seen, both = _room.seen(_rule), _room.sets
    sets = (both.train, both.heldout, _room.exhibit.images)
    parts = (seen[0].train, seen[0].heldout, seen[1]) if seen else tuple(map(to_rows, sets))
    mean, directions, share = principal(np.concatenate(parts[:2]))
    train, heldout, samples = ((rows - mean) @ directions for rows in parts)
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


@dataclass(frozen=True)
class Kept:
    """The points of a layer, as a search knows them."""

    kind: str
    keys: Sequence[int]


def _names(
    room: Room, every: Mapping[str, Shelf], originals: NDArray[np.int64], copies: NDArray[np.bool_]
) -> dict[str, list[str]]:
    """What hovering says, by kind."""
    train, unseen = every["training"].names, every.get("unseen")
    drawn = zip(room.exhibit.names, originals, copies, strict=True)
    return {
        "unseen": [f"{name}, unseen" for name in unseen.names] if unseen else [],
        "generated": [
            f"{name}, copy of {train[i]}" if copy else f"{name}, not a copy"
            for name, i, copy in drawn
        ],
        "training": [f"{name}, training image" for name in train],
    }


def _parts(points: Plane, copies: NDArray[np.bool_]) -> list[tuple[str, str, NDArray[np.int64]]]:
    """Mark, kind and positions of what is drawn alike; of unseen images an even subset."""
    step = max(1, -(-len(points.heldout) // UNSEEN_SHOWN))
    return [
        ("unseen", "unseen", np.arange(0, len(points.heldout), step)),
        ("new", "generated", np.flatnonzero(~copies)),
        ("copy", "generated", np.flatnonzero(copies)),
        ("training", "training", np.arange(len(points.train))),
    ]


def show_map(
    room: Room,
    ruling: Ruling,
    every: Mapping[str, Shelf],
    chosen: tuple[str, int],
    search: Callable[[str, int], None],
) -> None:
    """The map of all images of a run.

    Args:
        chosen: kind and position of the searched image.
        search: what a click does, given kind and key of the clicked image.
    """
    kinds = ["Training", "Generated", *(["Unseen"] if "unseen" in every else [])]
    pictured = pick("settings", "Pictures of", kinds, key="pictured").lower()
    points, arm = plane(room, ruling.rule), room.run.config.arm
    corners, originals = window(points), evidence.originals(room, ruling.rule)
    names = _names(room, every, originals, ruling.copies)
    layers, kept = [], []
    for mark, kind, some in _parts(points, ruling.copies):
        at = points.of(kind)[some]
        layers.append(Layer(mark, at, [names[kind][i] for i in some]))
        kept.append(Kept(kind, some.tolist()))
    at = points.of(pictured)
    fit = apart(at, corners)
    sources = thumbnails(every[pictured].images[fit])
    layers.append(Layer("picture", at[fit], [names[pictured][i] for i in fit], sources))
    kept.append(Kept(pictured, fit))
    copies = np.flatnonzero(ruling.copies)
    figure = image_map(
        layers,
        np.stack([points.samples[copies], points.train[originals[copies]]], axis=1),
        corners,
        (corners[1] - corners[0]) / (ACROSS, DOWN),
        points.of(chosen[0])[chosen[1]] if chosen[0] in every else None,
        arm,
    )
    key = f"map-{ruling.rule}-{room.run.name}"
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: _clicked(room.exhibit, key, kept, search),
        selection_mode="points",
        config=charts.STILL,
        alt=f"Map of {len(points.train)} training, {len(points.samples)} generated and some unseen "
        f"images; {len(copies)} copies are joined to their originals.",
    )
    where = "the encoder" if room.seen(ruling.rule) else "pixels"
    st.markdown(
        f":small[■ training image · {words.tinted('● copy, joined to its original', arm)} · "
        f"{words.tinted('× generated, no copy', arm)} · :gray[○ unseen]]"
    )
    st.caption(
        "Pictures where there is room; click one to search by it. The plane of the real images' "
        f"two principal directions in {where}: {words.percent(points.share)} of their variance."
    )


def _clicked(
    exhibit: Exhibit, key: str, kept: Sequence[Kept], search: Callable[[str, int], None]
) -> None:
    points = st.session_state[key].selection.points
    if points and points[0]["curve_number"] < len(kept):
        layer = kept[points[0]["curve_number"]]
        position = layer.keys[points[0]["point_index"]]
        search(layer.kind, exhibit.seeds[position] if layer.kind == "generated" else position)
