"""A map: training, unseen and generated images as points of a plane, by principal components."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse.linalg import svds

from ambient.files import ASSETS
from ambient.images.corpus import BUNDLED, to_rows
from ui import charts, words
from ui.charts.embedding import Layer, image_map
from ui.controls import pick
from ui.evidence.exhibit import Exhibit
from ui.evidence.subject import Shelf, Subject, look_for
from ui.pictures import Images

FEATURES = ASSETS / "features"  # of bundled images: `make assets`
UNSEEN_SHOWN = 400
ACROSS, DOWN = 34, 17  # so many thumbnails fit side by side
THUMB = 40

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Plane:
    """Positions (n, 2) by kind of image, the share of all variance that lies in the plane, and
    whether they are of features rather than of pixels."""

    at: Mapping[str, Points]
    share: float
    features: bool


def plane(exhibit: Exhibit) -> Plane:
    c = exhibit.run.config
    return _plane((c.corpus_sha256, c.n_train, c.split_seed, exhibit.sha256), exhibit)


@st.cache_resource(max_entries=12, show_spinner=False)
def _plane(key: tuple[object, ...], _exhibit: Exhibit) -> Plane:
    """Directions come from real images alone; generated ones are placed among them."""
    known, both = _features(_exhibit), _exhibit.sets
    pixels = (both.train, both.heldout, _exhibit.images)
    train, heldout, samples = known or map(to_rows, pixels)
    mean, directions, share = principal(np.concatenate([train, heldout]))
    kinds = {"training": train, "unseen": heldout, "generated": samples}
    at = {kind: (rows - mean) @ directions for kind, rows in kinds.items()}
    return Plane(at, share, known is not None)


def principal(rows: NDArray[np.float32]) -> tuple[Points, Points, float]:
    """Mean, the two leading principal directions (d, 2), and their share of the variance."""
    mean = rows.mean(axis=0)
    centered = rows - mean
    _, scales, turned = svds(centered, k=2, rng=np.random.default_rng(0))
    directions = turned[::-1].T
    # A direction has no sign of its own: point its largest part up, so that a map stays as it is.
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), [0, 1]])
    return mean, directions * signs, float((scales**2).sum() / (centered**2).sum())


def _features(exhibit: Exhibit) -> tuple[Points, Points, Points] | None:
    """Unit features of training, unseen and generated images, where all of them are stored."""
    both, c = exhibit.sets, exhibit.run.config
    whole = _stored(c.corpus, c.corpus_sha256) if c.corpus in BUNDLED else None
    made = _stored(exhibit.run.name, exhibit.sha256)
    if whole is None or made is None:
        return None
    return whole[both.train_index], whole[both.heldout_index], made


def _stored(name: str, sha256: str) -> Points | None:
    """Stored features of length 1, if they are of these very pictures."""
    path = FEATURES / f"{name}.npz"
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as found:
        if str(found["images_sha256"]) != sha256:
            return None
        rows = found["features"].astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def window(points: Plane) -> tuple[Points, Points]:
    """Corners of the map, with room for thumbnails at its edges."""
    every = np.concatenate(list(points.at.values()))
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


def _layers(
    exhibit: Exhibit, points: Plane, every: Mapping[str, Shelf], pictured: str
) -> tuple[list[Layer], list[tuple[str, list[int]]]]:
    """What is drawn alike, and of which kind and at which positions each layer's images are.

    Of unseen images an even subset; pictures of one kind, where there is room.
    """
    original = [exhibit.sets.train_names[row.nearest] for row in exhibit.rows]
    says = {kind: [f"{name}, {kind}" for name in shelf.names] for kind, shelf in every.items()}
    says["generated"] = [
        f"seed {seed}, {f'copy of {name}' if copy else 'no copy'}"
        for seed, name, copy in zip(exhibit.seeds, original, exhibit.copies, strict=True)
    ]
    count = len(points.at["unseen"])
    fit = apart(points.at[pictured], window(points))
    parts = [
        ("unseen", "unseen", list(range(0, count, max(1, -(-count // UNSEEN_SHOWN))))),
        ("new", "generated", np.flatnonzero(~exhibit.copies).tolist()),
        ("copy", "generated", np.flatnonzero(exhibit.copies).tolist()),
        ("training", "training", list(range(len(points.at["training"])))),
        ("picture", pictured, fit),
    ]
    layers = [
        Layer(
            mark,
            points.at[kind][some],
            [says[kind][i] for i in some],
            thumbnails(every[kind].images[some]) if mark == "picture" else (),
        )
        for mark, kind, some in parts
        if kind in every
    ]
    return layers, [(kind, some) for _, kind, some in parts if kind in every]


def show_map(exhibit: Exhibit, every: Mapping[str, Shelf], subject: Subject) -> None:
    """The map of all images of a run; a click searches by an image."""
    kinds = [kind.capitalize() for kind in ("training", "generated", "unseen") if kind in every]
    pictured = pick("settings", "Map with pictures of", kinds, key="pictured").lower()
    points = plane(exhibit)
    corners = window(points)
    layers, kept = _layers(exhibit, points, every, pictured)
    copies = np.flatnonzero(exhibit.copies).tolist()
    originals = [exhibit.rows[i].nearest for i in copies]
    figure = image_map(
        layers,
        np.stack([points.at["generated"][copies], points.at["training"][originals]], axis=1),
        corners,
        (corners[1] - corners[0]) / (ACROSS, DOWN),
        points.at[subject.kind][subject.position] if subject.kind in every else None,
        exhibit.arm,
    )
    key = f"map-{exhibit.run.name}"

    def clicked() -> None:
        found = st.session_state[key].selection.points
        if found and found[0]["curve_number"] < len(kept):
            kind, some = kept[found[0]["curve_number"]]
            look_for(kind, every[kind].keys[some[found[0]["point_index"]]])

    st.plotly_chart(
        figure,
        key=key,
        on_select=clicked,
        selection_mode="points",
        config=charts.STILL,
        alt=f"Map of {len(points.at['training'])} training, {len(exhibit.rows)} generated and some "
        f"unseen images; {len(copies)} copies are joined to their originals.",
    )
    where = "features" if points.features else "pixels"
    st.caption(
        f"■ training · {words.tinted('● copy, joined to its original', exhibit.arm)} · × no copy · "
        f"○ unseen. A plane of {where} that holds {words.percent(points.share)} of their "
        "variance: near on it is not always alike."
    )
