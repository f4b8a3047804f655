"""Search by any image: its nearest training, unseen and generated images."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ambient.copies.aligned import find_neighbors
from ambient.copies.guises import STILL, Orbit, cosines, directions, guises
from ambient.images.corpus import digest, to_unit
from ambient.runs.folder import Run
from ui import charts, data, uploads, words
from ui.evidence import map as plane
from ui.evidence.exhibit import Exhibit
from ui.evidence.subject import Shelf, Subject, choose, shelves
from ui.pictures import Images, captioned, enlarge, png
from ui.teacher import hidden

HEADS = {"training": "Training images", "unseen": "Unseen images", "generated": "Generated images"}
OWN = "yours"
KEY = "own-pictures"
SHOWN = 5


@dataclass(frozen=True)
class Hit:
    """An image that was found: of which kind, where among its kind, and how far it is."""

    kind: str
    position: int
    name: str
    distance: float


def nearest(subject: Subject, kind: str, shelf: Shelf, orbit: Orbit = STILL) -> list[Hit]:
    """The nearest images of one kind, nearest first; the image itself left out.

    Distances are those of the rule, in [0, 2]: mirrored and shifted images are near.
    """
    key = digest(subject.image[None]), digest(shelf.images)
    distance = _distances(key, orbit, subject, shelf)
    order = np.argsort(distance, kind="stable")
    found = [int(i) for i in order if (kind, i) != (subject.kind, subject.position)]
    return [Hit(kind, i, shelf.names[i], float(distance[i])) for i in found[:SHOWN]]


@st.cache_data(max_entries=64, show_spinner=False)
def _distances(
    key: tuple[str, str], orbit: Orbit, _subject: Subject, _shelf: Shelf
) -> NDArray[np.float32]:
    every = np.concatenate(list(guises(to_unit(_subject.image[None]), orbit)))
    rows = directions(to_unit(_shelf.images), orbit.hues)
    alike = cosines(rows, directions(every, orbit.hues)).max(axis=1)
    return np.asarray(np.sqrt(np.maximum(2 - 2 * alike, 0)))


def show_search(exhibit: Exhibit, own: Shelf | None) -> None:
    """The searched image with its nearest ones, and the map that all lie on."""
    every = shelves(exhibit)
    subject = choose(exhibit, every | ({OWN: own} if own else {}))
    found = {
        kind: nearest(subject, kind, every[kind], exhibit.orbit) for kind in HEADS if kind in every
    }
    first, *columns = st.columns([2, *[4] * len(found)], gap="medium")
    with first:
        st.image(png(enlarge(subject.image)), alt=f"Searched by: {subject.name}.", width=150)
        st.caption(f"*{words.unmarked(subject.name)}*")
    for column, (kind, hits) in zip(columns, found.items(), strict=True):
        with column:
            _show(subject, kind, hits, every[kind])
    plane.show_map(exhibit, every, subject)
    words.under(
        "search",
        "The number under a picture is its distance by the rule, 0 for the same picture, mirrored "
        "or shifted ones too. Click a picture of the map to search by it.",
        [words.provenance(exhibit.run, exhibit.report, exhibit.live)],
        lambda: [vars(hit) for hits in found.values() for hit in hits],
        words.evaluates(exhibit.run),
    )


def _show(subject: Subject, kind: str, hits: list[Hit], shelf: Shelf) -> None:
    st.markdown(f"**{HEADS[kind]}**")
    names = "; ".join(f"{hit.name}, distance {hit.distance:.2f}" for hit in hits)
    st.image(
        captioned(
            shelf.images[[hit.position for hit in hits]],
            tuple(f"{hit.distance:.2f}" for hit in hits),
            charts.text_color(),
        ),
        width="stretch",
        alt=f"{HEADS[kind]} nearest to {subject.name}: {names}.",
    )
    st.caption(f"Nearest: *{words.unmarked(hits[0].name)}*")


def own_pictures(exhibit: Exhibit) -> Shelf | None:
    """A place to drop pictures of one's own, a verdict on each; None without any."""
    if hidden("open"):
        return None
    files = uploads.ask(
        "Search by pictures of yours",
        KEY,
        uploads.PICTURES,
        most=uploads.PICTURE_BYTES,
        help=f"PNG, JPEG or WebP, up to {uploads.MAX_PICTURES}. Each is cropped and shrunk as the "
        "training images were, and stays in this server's memory while the page is open.",
    )
    images, names, refused = uploads.squares(files, exhibit.run.config)
    for line in refused:
        words.refuse(line)
    if not len(images):
        return None
    _judge(exhibit, images, names)
    return Shelf(images, names, range(len(names)))


def _judge(exhibit: Exhibit, images: Images, names: tuple[str, ...]) -> None:
    """Which of them are copies of the run's training images, nearest to it first."""
    ratios, originals = _judged(digest(images), exhibit.run, exhibit.orbit, images)
    marks = [exhibit.mark(float(ratio)) for ratio in ratios]
    st.markdown(f"**{words.copies_of([mark == 'copy' for mark in marks]).capitalize()}**")
    rows = [
        {
            "picture": names[i],
            "verdict": marks[i],
            "nearest training image": exhibit.sets.train_names[originals[i]],
            "ratio": round(float(ratios[i]), 3),
        }
        for i in np.argsort(ratios, kind="stable")
    ]
    st.dataframe(rows, hide_index=True, height=min(280, 38 * (len(rows) + 1)))


@st.cache_resource(max_entries=8, show_spinner="Judging your pictures")
def _judged(
    key: str, _run: Run, orbit: Orbit, _images: Images
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    both = data.sets(_run)
    found = find_neighbors(_images, both.train, both.groups, orbit).aligned
    return found.ratio, found.nearest
