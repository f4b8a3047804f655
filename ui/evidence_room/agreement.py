"""Where the two rules agree and where they don't: four counts, an example of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from ambient.runs.folder import Run
from ui import data, words
from ui.evidence_room.encoded import Cloud
from ui.evidence_room.exhibit import Exhibit
from ui.pictures import Images, row

KINDS = (
    ("both", (True, True), "Both call it a copy"),
    ("ratio_only", (True, False), "Pixels alone"),
    ("similarity_only", (False, True), "The encoder alone"),
    ("neither", (False, False), "Neither"),
)


def sorted_out(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Positions of the samples of each kind, by seed."""
    order = sorted(range(len(rows)), key=lambda i: rows[i]["seed"])
    verdicts = [(rows[i]["copy"], rows[i].get("copy_by_similarity")) for i in order]
    return {
        name: [i for i, verdict in zip(order, verdicts, strict=True) if verdict == kind]
        for name, kind, _ in KINDS
    }


def show(run: Run, exhibit: Exhibit, known: Cloud | None) -> None:
    """Two by two, at the rules' own thresholds."""
    if any(r.get("copy_by_similarity") is None for r in exhibit.rows):
        words.missing(
            "These samples were judged by pixels alone.",
            f"python -m ambient evaluate {words.address(run)} --store",
        )
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
                _cell(run, exhibit, known, title, kinds[name])
    words.under(
        "agreement",
        "Of each kind the sample of the lowest seed: generated, its nearest training image by "
        "pixels" + (", and by the encoder." if known and known.samples is not None else "."),
        [words.provenance(run, exhibit.verdicts, exhibit.live)],
        lambda: [
            {"seed": exhibit.rows[i]["seed"], "kind": name} for name in kinds for i in kinds[name]
        ],
        f"python -m ambient evaluate {words.address(run)} --json -",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _strip(images: Images) -> bytes:
    return row(list(images))


def _cell(
    run: Run, exhibit: Exhibit, known: Cloud | None, title: str, positions: list[int]
) -> None:
    share = words.percent(len(positions) / len(exhibit.rows))
    st.subheader(f"{title}: {len(positions)}", anchor=False)
    if not positions:
        st.caption(f"None of {len(exhibit.rows):,} samples.")
        return
    first, both = positions[0], data.sets(run)
    verdict = exhibit.rows[first]
    pixels = verdict["nearest"]
    pictures, names = [exhibit.images[first], both.train[pixels]], [both.train_names[pixels]]
    if known is not None and known.samples is not None:
        encoder = int((known.train @ known.samples[first]).argmax())
        pictures.append(both.train[encoder])
        names.append(both.train_names[encoder])
    st.image(
        _strip(np.stack(pictures)),
        width="stretch",
        alt=f"{title}: the sample of seed {verdict['seed']}, nearest training images "
        f"{' and '.join(names)}.",
    )
    pixel, *by_encoder = map(words.unmarked, names)
    st.caption(
        f"{share} of {len(exhibit.rows):,} samples · seed {verdict['seed']} · ratio "
        f"{verdict['ratio']:.2f} to *{pixel}* · similarity {verdict['similarity']:.3f}"
        + "".join(f" to *{name}*" for name in by_encoder)
    )
