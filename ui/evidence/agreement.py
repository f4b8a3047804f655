"""Where the two rules agree and where they don't: four counts, an example of each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ambient.copies.records import JudgedImage
from ui import words
from ui.evidence.exhibit import Room
from ui.pictures import row

KINDS = (
    ("both", (True, True), "Both call it a copy"),
    ("ratio_only", (True, False), "Pixels alone"),
    ("similarity_only", (False, True), "The encoder alone"),
    ("neither", (False, False), "Neither"),
)


def sorted_out(rows: Sequence[JudgedImage]) -> dict[str, list[int]]:
    """Positions of the samples of each kind."""
    verdicts = [(row.copy, row.copy_by_similarity) for row in rows]
    return {
        name: [i for i, verdict in enumerate(verdicts) if verdict == kind]
        for name, kind, _ in KINDS
    }


def four_kinds(room: Room) -> None:
    """Two by two, at the rules' own thresholds."""
    run, exhibit = room.run, room.exhibit
    if any(row.copy_by_similarity is None for row in exhibit.rows):
        command = words.evaluates(run, "--store")
        words.missing("These samples were judged by pixels alone.", command)
        return
    st.markdown(
        "Pixels miss a copy that is mirrored, shifted or recolored. The encoder was trained to "
        "see through that, and may find two different images alike. Each rule is at its own "
        "threshold here. Where they differ, look.",
        width=760,
    )
    kinds = sorted_out(exhibit.rows)
    for pair in (KINDS[:2], KINDS[2:]):
        for column, (name, _, title) in zip(st.columns(2, gap="large"), pair, strict=True):
            with column:
                _example(room, title, kinds[name])
    words.under(
        "agreement",
        "The first sample of each kind: generated, its nearest training image by pixels"
        + (", and by the encoder." if room.made is not None else "."),
        [words.provenance(run, exhibit.verdicts, exhibit.live)],
        lambda: [{"seed": exhibit.seeds[i], "kind": name} for name in kinds for i in kinds[name]],
        words.evaluates(run),
    )


def _example(room: Room, title: str, positions: list[int]) -> None:
    exhibit, both = room.exhibit, room.sets
    st.subheader(f"{title}: {len(positions)}", anchor=False)
    if not positions:
        st.caption(f"None of {len(exhibit.rows):,} samples.")
        return
    first = positions[0]
    verdict = exhibit.rows[first]
    nearest = [verdict.nearest]
    if seen := room.seen("similarity"):
        nearest.append(int((seen[0].train @ seen[1][first]).argmax()))
    names = [both.train_names[i] for i in nearest]
    st.image(
        row((exhibit.images[first], *both.train[nearest])),
        width="stretch",
        alt=f"{title}: the sample of {exhibit.names[first]}, nearest training images "
        f"{' and '.join(names)}.",
    )
    share = words.percent(len(positions) / len(exhibit.rows))
    pixel, *by_encoder = map(words.unmarked, names)
    st.caption(
        f"{share} of {len(exhibit.rows):,} samples · {exhibit.names[first]} · ratio "
        f"{verdict.ratio:.2f} to *{pixel}* · similarity {verdict.similarity:.3f}"
        + "".join(f" to *{name}*" for name in by_encoder)
    )
