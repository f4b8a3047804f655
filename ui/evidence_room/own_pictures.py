"""A visitor's own pictures, judged against the training images of a run. Nothing is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import streamlit as st

from ambient.copies.records import JudgedImage, Verdicts
from ambient.copies.rules import MIN_SAMPLES
from ambient.runs.folder import Run
from ui import data, uploads, words
from ui.evidence_room import encoded, evidence, ruling
from ui.evidence_room.encoded import Cloud
from ui.evidence_room.exhibit import Exhibit, Shelf
from ui.evidence_room.ruling import Ruling
from ui.pictures import Images, arm_color, gallery
from ui.teacher import hidden

IN_ROWS, IN_GALLERY = 6, 36
KEY = "own-pictures"


class OwnPicture(JudgedImage, frozen=True, kw_only=True):
    """A visitor's picture by the name of its file, judged."""

    name: str


def kept(run: Run, known: Cloud | None) -> Shelf | None:
    """The visitor's pictures as the run would see them, to search by; None if there are none."""
    files = st.session_state.get(KEY) or []
    images, names, _ = uploads.squares(files, run.config)
    if not len(images):
        return None
    features = encoded.computed(encoded.digest(images), images) if known else None
    return Shelf(images, names, features)


@st.cache_resource(max_entries=8, show_spinner="Judging your pictures")
def _judged(key: tuple[object, ...], _run: Run, _images: Images) -> Verdicts:
    from ambient.copies.judge import ImageSets, judge_images
    from ui import live

    both = data.sets(_run)
    with live.turn():
        return judge_images(
            ImageSets(_images, both.train, both.heldout, both.groups, both.heldout_groups)
        )


def judged(run: Run, images: Images, names: Sequence[str]) -> Exhibit:
    """The pictures with their verdicts, by pixels."""
    c = run.config
    found = _judged((c.corpus_sha256, c.n_train, c.split_seed, encoded.digest(images)), run, images)
    rows = zip(names, found.samples, strict=True)
    own = tuple(OwnPicture(name=name, **msgspec.structs.asdict(row)) for name, row in rows)
    return Exhibit(images, msgspec.structs.replace(found, samples=own), True)


def show(run: Run, like: Ruling, known: Cloud | None) -> None:
    """Drop pictures, see each beside its nearest training images.

    Args:
        like: the rule on the page, whose threshold holds here too.
    """
    c = run.config
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
        _verdicts(run, judged(run, images, names), like, known)


def _verdicts(run: Run, exhibit: Exhibit, like: Ruling, known: Cloud | None) -> None:
    if known is not None:
        known = replace(known, samples=encoded.computed(exhibit.sha256, exhibit.images))
    found = ruling.applied(run, exhibit, known, like)
    if found is None:
        found = ruling.applied(run, exhibit, None, replace(like, rule="ratio"))
    assert found is not None  # pixels are always known
    copies = [found.is_copy(float(s)) for s in found.samples]
    st.subheader(words.copies_of(copies).capitalize(), anchor=False)
    ruling.rates(run, exhibit, found, "pictures")
    order = np.argsort(found.closeness, kind="stable").tolist()
    for position in order[:IN_ROWS]:
        evidence.show_row(run, exhibit, found, known, position)
    if len(order) > IN_ROWS:
        _rest(run, exhibit, found, known, copies, order)
    words.under(
        "own-pictures",
        "Nearest to being copies first. From left to right: yours · nearest training image · "
        "second nearest · nearest unseen image · difference to the nearest.",
        [words.provenance(run, exhibit.verdicts, live=True), *found.sources],
        lambda: exhibit.rows,
        f"python -m ambient audit --generated YOUR_FOLDER --train {run.images} --json -",
    )


def _rest(
    run: Run,
    exhibit: Exhibit,
    found: Ruling,
    known: Cloud | None,
    copies: Sequence[bool],
    order: Sequence[int],
) -> None:
    """What comes after the rows in one picture, and every picture in a table."""
    both, some = data.sets(run), list(order[IN_ROWS:IN_GALLERY])
    nearest = evidence.originals(exhibit, found, known)
    st.image(
        gallery(
            exhibit.images[some],
            both.train[nearest[some]],
            [copies[i] for i in some],
            arm_color(run.config.arm),
        ),
        width="stretch",
        alt=f"{len(some)} more of your pictures above their nearest training images; "
        f"{words.copies_of([copies[i] for i in some])}.",
    )
    st.dataframe(
        [
            {
                "picture": exhibit.rows[i]["name"],
                "nearest training image": both.train_names[nearest[i]],
                "d1": exhibit.rows[i]["d1"],
                "d2": exhibit.rows[i]["d2"],
                found.word: round(float(found.samples[i]), 4),
                "copy": copies[i],
            }
            for i in order
        ],
        hide_index=True,
        height=280,
    )
