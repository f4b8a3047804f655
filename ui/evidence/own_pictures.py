"""A visitor's own pictures, judged against the training images of a run. Nothing is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from ambient.copies.records import Verdicts
from ambient.copies.rules import MIN_SAMPLES
from ambient.images.corpus import digest
from ambient.runs.folder import Run
from ui import data, galleries, uploads, words
from ui.data import Shown
from ui.evidence import encoded, evidence, ruling
from ui.evidence.exhibit import Exhibit, Room, Shelf
from ui.evidence.ruling import Ruling
from ui.pictures import Images
from ui.teacher import hidden

IN_ROWS, IN_GALLERY = 6, 36
KEY = "own-pictures"


def kept(room: Room) -> Shelf | None:
    """The visitor's pictures as the run would see them, to search by; None if there are none."""
    images, names, _ = uploads.squares(st.session_state.get(KEY) or [], room.run.config)
    if not len(images):
        return None
    features = encoded.computed(digest(images), images) if room.real else None
    return Shelf(images, names, features)


@st.cache_resource(max_entries=8, show_spinner="Judging your pictures")
def _judged(key: tuple[object, ...], _run: Run, _images: Images) -> Verdicts:
    from ambient.copies.guises import orbit_of
    from ambient.copies.judge import judge_images
    from ambient.copies.sets import ImageSets
    from ui import live

    both = data.sets(_run)
    with live.turn():
        return judge_images(
            ImageSets(_images, both.train, both.heldout, both.groups, both.heldout_groups),
            orbit=orbit_of(_run.config),
        )


def judged(run: Run, images: Images, names: Sequence[str]) -> Exhibit:
    """The pictures with their verdicts, by pixels."""
    c = run.config
    key = (c.corpus_sha256, c.n_train, c.split_seed, digest(images))
    return Exhibit(images, _judged(key, run, images), tuple(names), live=True)


def show_own(room: Room, like: Ruling) -> None:
    """Drop pictures, see each beside its nearest training images.

    Args:
        like: the rule on the page, whose threshold holds here too.
    """
    run, c = room.run, room.run.config
    if hidden("open"):
        st.caption("This link leaves out pictures of one's own.")
        return
    st.markdown(
        f"Are your pictures copies of these {c.n_train} training images? Each is cropped to a "
        f"square and shrunk to {c.side}×{c.side} pixels, as the training images were. They stay in "
        "this server's memory while the page is open.",
        width=760,
    )
    files = uploads.ask(
        "Your pictures",
        KEY,
        uploads.PICTURES,
        most=uploads.PICTURE_BYTES,
        help=f"PNG, JPEG or WebP, up to {uploads.MAX_PICTURES} pictures of "
        f"{uploads.PICTURE_BYTES / 2**20:.0f} MB. With {MIN_SAMPLES} or more there is a rate too.",
    )
    if not files:
        return
    images, names, refused = uploads.squares(files, run.config)
    for line in refused:
        words.refuse(line)
    if len(images):
        exhibit = judged(run, images, names)
        made = encoded.computed(exhibit.sha256, images) if room.real else None
        _verdicts(replace(room, exhibit=exhibit, made=made), like)


def _verdicts(room: Room, like: Ruling) -> None:
    run, exhibit = room.run, room.exhibit
    found = ruling.applied(room, like.rule, like.limit) or ruling.applied(room, "ratio", like.limit)
    assert found is not None  # pixels are always known
    st.subheader(words.copies_of(found.copies.tolist()).capitalize(), anchor=False)
    ruling.rates(room, found, "pictures")
    order = np.argsort(found.closeness, kind="stable").tolist()
    for position in order[:IN_ROWS]:
        evidence.show_row(room, found, position)
    if len(order) > IN_ROWS:
        _rest(room, found, order)
    words.under(
        "own-pictures",
        "Nearest to being copies first. From left to right: yours · nearest training image · "
        "second nearest · nearest unseen image · difference to the nearest.",
        [words.provenance(run, exhibit.verdicts, live=True), *found.sources],
        exhibit.table,
        f"python -m ambient audit --generated YOUR_FOLDER --train {run.images} --json -",
    )


def _rest(room: Room, found: Ruling, order: Sequence[int]) -> None:
    """What comes after the rows in one picture, and every picture in a table."""
    exhibit, both, copies = room.exhibit, room.sets, found.copies.tolist()
    nearest, some = evidence.originals(room, found.rule), list(order[IN_ROWS:IN_GALLERY])
    galleries.draw(
        Shown(
            exhibit.images[some],
            both.train[nearest[some]],
            tuple(both.train_names[i] for i in nearest[some]),
            tuple(copies[i] for i in some),
        ),
        room.run.config.arm,
        f"{len(some)} more of your pictures",
    )
    st.dataframe(
        [
            {
                "picture": exhibit.names[i],
                "nearest training image": both.train_names[nearest[i]],
                "d1": exhibit.rows[i].d1,
                "d2": exhibit.rows[i].d2,
                found.word: round(float(found.samples[i]), 4),
                "copy": copies[i],
            }
            for i in order
        ],
        hide_index=True,
        height=280,
    )
