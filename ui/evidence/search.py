"""Search by any image: its nearest training, unseen and generated images, and where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.images.corpus import to_rows
from ui import charts, words
from ui.evidence import embedding, encoded, own_pictures
from ui.evidence.exhibit import Room, Shelf
from ui.evidence.ruling import Ruling
from ui.evidence.subject import Subject, choose, look_for
from ui.pictures import Images, captioned, enlarge, png

HEADS = {"training": "Training images", "unseen": "Unseen images", "generated": "Generated images"}
WHAT = {
    "generated": "generated",
    "training": "a training image",
    "unseen": "never seen by the model",
    "uploaded": "yours",
}
SHOWN = 6


def shelves(room: Room) -> dict[str, Shelf]:
    """The images that can be searched among, by kind."""
    both, real, exhibit = room.sets, room.real, room.exhibit
    every = {
        "generated": Shelf(exhibit.images, exhibit.names, room.made),
        "training": Shelf(both.train, both.train_names, real.train if real else None),
        "unseen": Shelf(both.heldout, both.heldout_names, real.heldout if real else None),
    }
    return {kind: shelf for kind, shelf in every.items() if len(shelf.images)}


@st.cache_resource(max_entries=9, show_spinner=False)
def _rows(key: str, _images: Images) -> NDArray[np.float32]:
    return to_rows(_images)


def nearest(
    subject: Subject, kind: str, shelf: Shelf, rows: NDArray[np.float32], rule: str
) -> list[dict[str, Any]]:
    """The nearest images of one kind, by the measure of the rule; the subject itself left out."""
    distance = np.linalg.norm(rows - to_rows(subject.image[None]), axis=1)
    similar = None
    if subject.features is not None and shelf.features is not None:
        similar = shelf.features @ subject.features
    order = np.argsort(distance if rule == "ratio" or similar is None else -similar, kind="stable")
    found = [int(i) for i in order if not (kind == subject.kind and i == subject.position)]
    return [
        {
            "of": kind,
            "position": i,
            "name": shelf.names[i],
            "distance": round(float(distance[i]), 3),
            "similarity": None if similar is None else round(float(similar[i]), 4),
        }
        for i in found[:SHOWN]
    ]


def _key(room: Room, kind: str) -> str:
    c = room.run.config
    split = f"{c.corpus_sha256}-{c.n_train}-{c.split_seed}"
    return room.exhibit.sha256 if kind == "generated" else f"{kind}-{split}"


def search_by_image(room: Room, ruling: Ruling) -> None:
    """The searched image with its nearest ones, and the map it lies on."""
    every, own = shelves(room), own_pictures.kept(room)
    subject = choose(room, every | ({"uploaded": own} if own is not None else {}))
    found = {
        kind: nearest(subject, kind, shelf, _rows(_key(room, kind), shelf.images), ruling.rule)
        for kind, shelf in every.items()
    }
    left, right = st.columns([5, 6], gap="large")
    with left:
        _neighbors(subject, every, found)
        if room.made is None:
            encoded.offer(room.run, sum(len(s.images) for s in every.values()))
    with right:
        embedding.show_map(room, ruling, every, (subject.kind, subject.position), look_for)
    words.under(
        "search",
        "*d* is the distance over pixels, *s* the similarity in the encoder; the rule above says "
        "by which the images are ordered. The map is flat and the images are not: distances on it "
        "only hint at the true ones, which stand under the pictures.",
        [words.provenance(room.run, room.exhibit.verdicts, room.exhibit.live)],
        lambda: [row for rows in found.values() for row in rows],
        words.evaluates(room.run),
    )


def _neighbors(
    subject: Subject, every: dict[str, Shelf], found: dict[str, list[dict[str, Any]]]
) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(png(enlarge(subject.image, 128)), alt=f"Searched by: {subject.name}.")
        st.markdown(f"**{words.unmarked(subject.name)}**  \n{WHAT[subject.kind]}", width="content")
    for kind in HEADS:
        rows = found.get(kind)
        if not rows:
            continue
        first = rows[0]
        st.caption(f"{HEADS[kind]}, nearest: *{words.unmarked(first['name'])}*")
        marks = [
            f"d {row['distance']:.1f}"
            + ("" if row["similarity"] is None else f"\ns {row['similarity']:.2f}")
            for row in rows
        ]
        images = every[kind].images[[row["position"] for row in rows]]
        names = "; ".join(f"{r['name']}, distance {r['distance']:.2f}" for r in rows)
        st.image(
            captioned(images, tuple(marks), charts.text_color()),
            width="stretch",
            alt=f"{HEADS[kind]} nearest to {subject.name}: {names}.",
        )
