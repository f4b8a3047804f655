"""Pictures as the bundled encoder sees them: stored for bundled ones, computed when asked for.

Stored features (`make assets`) let a page compare pictures in the encoder without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.neighbors import similarities
from ambient.copies.rules import MIN_SAMPLES
from ambient.files import ASSETS
from ambient.images.corpus import BUNDLED
from ambient.runs.folder import Run
from ui import data
from ui.pictures import Images
from ui.teacher import hidden

FOLDER = ASSETS / "features"
PACE = 150  # pictures a second on one core, to say how long it will take
TOGETHER = 128  # pictures between two looks whether the visitor is still there

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Cloud:
    """Features of length 1: float32 (n, k) of a run's training and of its unseen images.

    Their inner products are the similarities of the rule.
    """

    train: Features
    heldout: Features


def unit(features: NDArray[Any]) -> Features:
    """Each row divided by its length."""
    rows = features.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@st.cache_resource(max_entries=32)
def _stored_features(name: str, changed: int) -> tuple[Features, str] | None:
    if not changed:
        return None
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as found:
        return unit(found["features"]), str(found["images_sha256"])


def _of(name: str, sha256: str) -> Features | None:
    """Stored features, if they are of these very pictures."""
    found = _stored_features(name, data.stamp(FOLDER / f"{name}.npz"))
    return found[0] if found and found[1] == sha256 else None


@st.cache_resource(max_entries=4, show_spinner="Comparing in the encoder")
def computed(sha256: str, _images: Images) -> Features:
    """Features made here and now; loads torch."""
    from ambient.copies.features import encode
    from ui import live

    with live.turn() as look:
        parts = []
        for i in range(0, max(len(_images), 1), TOGETHER):
            look()
            parts.append(encode(_images[i : i + TOGETHER]))
    return unit(np.concatenate(parts))


def asked(run: Run) -> bool:
    """Whether this visitor has asked for features that are not stored."""
    return bool(st.session_state.get(f"encode-{run.path}"))


def offer(run: Run, count: int) -> None:
    """The button that asks for them."""
    if hidden("live"):
        return
    st.button(
        "Compare in the encoder",
        icon=":material/neurology:",
        on_click=lambda: st.session_state.update({f"encode-{run.path}": True}),
        help=f"Loads the encoder; about {max(1, count // PACE)} s for {count:,} pictures",
        key=f"offer-{run.path}",
    )


def real(run: Run) -> Cloud | None:
    """Features of a run's own images; None where they are neither stored nor asked for."""
    both, c = data.sets(run), run.config
    whole = _of(c.corpus, c.corpus_sha256) if c.corpus in BUNDLED else None
    if whole is not None:
        return Cloud(whole[both.train_index], whole[both.heldout_index])
    if not asked(run):
        return None
    every = np.concatenate([both.train, both.heldout])
    features = computed(f"{c.corpus_sha256}-{c.n_train}-{c.split_seed}", every)
    return Cloud(features[: len(both.train)], features[len(both.train) :])


def made(run: Run, images: Images, sha256: str) -> Features | None:
    """Features of a run's samples; None where they are neither stored nor asked for."""
    stored = _of(run.name, sha256)
    return computed(sha256, images) if stored is None and asked(run) else stored


def unseen(run: Run, known: Cloud) -> Features:
    """Similarity of each unseen image to its most similar training image.

    Where fewer than 100 are unseen, training images, each without its own group, as in a report.
    """
    both = data.sets(run)
    if len(known.heldout) < MIN_SAMPLES <= len(known.train):
        return similarities(known.train, known.train, both.groups, both.groups)[0]
    if not len(known.heldout):
        return np.zeros(0, np.float32)
    return similarities(known.heldout, known.train)[0]
