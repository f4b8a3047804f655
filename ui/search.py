"""Search by any image: its nearest training, unseen and generated images, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.corpus import to_rows
from ambient.run import Run
from ui import charts, data, embedding, encoded, uploads, words
from ui.encoded import Cloud
from ui.exhibit import Exhibit, Shelf
from ui.pictures import Images, captioned, enlarge, png
from ui.ruling import Ruling

KINDS = {
    "Generated": "generated",
    "Training": "training",
    "Unseen": "unseen",
    "Uploaded": "uploaded",
}
HEADS = {"training": "Training images", "unseen": "Unseen images", "generated": "Generated images"}
WHAT = {
    "generated": "generated",
    "training": "a training image",
    "unseen": "never seen by the model",
    "uploaded": "yours",
}
SHOWN = 6


@dataclass(frozen=True)
class Subject:
    """The image that is searched by, its kind and position among its kind."""

    kind: str
    position: int
    name: str
    image: Images
    features: NDArray[np.float32] | None


def shelves(run: Run, exhibit: Exhibit, known: Cloud | None) -> dict[str, Shelf]:
    both = data.sets(run)
    drawn = tuple(f"seed {r['seed']}" for r in exhibit.rows)
    made = known.samples if known else None
    return {
        "training": Shelf(both.train, both.train_names, known.train if known else None),
        "unseen": Shelf(both.heldout, both.heldout_names, known.heldout if known else None),
        "generated": Shelf(exhibit.images, drawn, made),
    }


@st.cache_resource(max_entries=9, show_spinner=False)
def _rows(key: str, _images: Images) -> NDArray[np.float32]:
    return to_rows(_images)


def _choose(run: Run, exhibit: Exhibit, known: Cloud | None, every: dict[str, Shelf]) -> Subject:
    """Which image; kind and image are in the address."""
    own = uploads.kept(run, known)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kinds = [k for k in KINDS if k != "Uploaded" or own is not None]
        label = st.segmented_control(
            "Search by an image that is",
            kinds,
            default="Generated",
            key="search-in",
            required=True,
            bind="query-params",
        )
        kind = KINDS[label]
        shelf = every[kind] if own is None or kind != "uploaded" else own
        seeds = exhibit.at
        first = int(np.argmin([r["ratio"] for r in exhibit.rows]))  # the worst row
        options: list[int] = list(seeds) if kind == "generated" else list(range(len(shelf.names)))
        at = seeds if kind == "generated" else {i: i for i in options}
        chosen = st.selectbox(
            "Image",
            options,
            format_func=lambda i: (
                shelf.names[at[i]] if kind == "generated" else f"{i}: {shelf.names[i]}"
            ),
            index=first if kind == "generated" else 0,
            key=f"search-{kind}-{run.name}",
            bind="query-params",
            width=340,
            help="Type to find one, or click a point of the map.",
        )
    position = at[chosen]
    features = None if shelf.features is None else shelf.features[position]
    return Subject(kind, position, shelf.names[position], shelf.images[position], features)


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
    every = shelves(run, exhibit, known)
    every = {kind: shelf for kind, shelf in every.items() if len(shelf.images)}
    subject = _choose(run, exhibit, known, every)
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
        embedding.show(
            run, exhibit, ruling, known, every, (subject.kind, subject.position), _clicked
        )
    words.under(
        "search",
        "*d* is the distance over pixels, *s* the similarity in the encoder; the rule above says "
        "by which the images are ordered. The map is flat and the images are not: distances on it "
        "only hint at the true ones, which stand under the pictures.",
        [words.provenance(run, exhibit.verdicts, exhibit.live)],
        lambda: [row for rows in found.values() for row in rows],
        f"python -m ambient evaluate {words.address(run)} --json -",
    )


def _neighbors(
    subject: Subject, every: dict[str, Shelf], found: dict[str, list[dict[str, Any]]]
) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(png(enlarge(subject.image)), width=120, alt=f"Searched by: {subject.name}.")
        st.markdown(f"**{subject.name}**  \n{WHAT[subject.kind]}", width="content")
    for kind, rows in found.items():
        first = rows[0]
        st.caption(f"{HEADS[kind]}, nearest: *{first['name']}*")
        marks = [
            f"d {row['distance']:.1f}"
            + ("" if row["similarity"] is None else f"\ns {row['similarity']:.2f}")
            for row in rows
        ]
        images = every[kind].images[[row["position"] for row in rows]]
        names = "; ".join(f"{r['name']}, distance {r['distance']:.2f}" for r in rows)
        st.image(
            captioned(images, marks, charts.text_color()),
            width="stretch",
            alt=f"{HEADS[kind]} nearest to {subject.name}: {names}.",
        )


def _clicked(run: Run, kind: str, key: int) -> None:
    """Search by what was clicked on the map."""
    st.session_state["search-in"] = kind.capitalize()
    st.session_state[f"search-{kind}-{run.name}"] = key
