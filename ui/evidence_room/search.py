"""Search by any image: its nearest training, unseen and generated images, and where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.images.corpus import to_rows
from ambient.runs.folder import Run
from ui import charts, data, words
from ui.evidence_room import embedding, encoded, own_pictures
from ui.evidence_room.encoded import Cloud
from ui.evidence_room.exhibit import Exhibit, Shelf
from ui.evidence_room.ruling import Ruling
from ui.evidence_room.subject import Subject, choose, look_for
from ui.pictures import Images, captioned, enlarge, png

HEADS = {"training": "Training images", "unseen": "Unseen images", "generated": "Generated images"}
WHAT = {
    "generated": "generated",
    "training": "a training image",
    "unseen": "never seen by the model",
    "uploaded": "yours",
}
SHOWN = 6


def shelves(run: Run, exhibit: Exhibit, known: Cloud | None) -> dict[str, Shelf]:
    both = data.sets(run)
    drawn = tuple(f"seed {r['seed']}" for r in exhibit.rows)
    made = known.samples if known else None
    return {
        "generated": Shelf(exhibit.images, drawn, made),
        "training": Shelf(both.train, both.train_names, known.train if known else None),
        "unseen": Shelf(both.heldout, both.heldout_names, known.heldout if known else None),
    }


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


def _key(run: Run, kind: str, exhibit: Exhibit) -> str:
    c = run.config
    split = f"{c.corpus_sha256}-{c.n_train}-{c.split_seed}"
    return exhibit.sha256 if kind == "generated" else f"{kind}-{split}"


def show(run: Run, exhibit: Exhibit, ruling: Ruling, known: Cloud | None) -> None:
    """The searched image with its nearest ones, and the map it lies on."""
    every = {k: shelf for k, shelf in shelves(run, exhibit, known).items() if len(shelf.images)}
    own = own_pictures.kept(run, known)
    subject = choose(run, exhibit, every | ({"uploaded": own} if own is not None else {}))
    found = {
        kind: nearest(subject, kind, shelf, _rows(_key(run, kind, exhibit), shelf.images),
                      ruling.rule)
        for kind, shelf in every.items()
    }  # fmt: skip
    left, right = st.columns([5, 6], gap="large")
    with left:
        _neighbors(subject, every, found)
        if known is None or known.samples is None:
            encoded.offer(run, sum(len(s.images) for s in every.values()))
    with right:
        chosen = (subject.kind, subject.position)
        embedding.show(run, exhibit, ruling, known, every, chosen, look_for)
    words.under(
        "search",
        "*d* is the distance over pixels, *s* the similarity in the encoder; the rule above says "
        "by which the images are ordered. The map is flat and the images are not: distances on it "
        "only hint at the true ones, which stand under the pictures.",
        [words.provenance(run, exhibit.verdicts, exhibit.live)],
        lambda: [row for rows in found.values() for row in rows],
        f"python -m ambient evaluate {words.address(run)} --json -",
    )


@st.cache_data(max_entries=128, show_spinner=False)
def _strip(images: Images, marks: tuple[str, ...], color: str) -> bytes:
    return captioned(images, marks, color)


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
            _strip(images, tuple(marks), charts.text_color()),
            width="stretch",
            alt=f"{HEADS[kind]} nearest to {subject.name}: {names}.",
        )
