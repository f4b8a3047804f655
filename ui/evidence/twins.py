"""Near-duplicates of a corpus, and how the rule for copies treats them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from ambient.images.twins import TWIN_RMS
from ambient.runs.folder import Run
from ui import data, words
from ui.pictures import Images, arm_color, clusters

SHOWN = 60  # groups drawn; the rest are in the CSV


@dataclass(frozen=True)
class Group:
    """Twins: their images and names, and which of them the model was trained on."""

    images: Images
    names: tuple[str, ...]
    trained: tuple[bool, ...]


@dataclass(frozen=True)
class Twins:
    """The groups of two and more in a corpus, those of training images first, then by size."""

    groups: tuple[Group, ...]
    distinct: int
    total: int


@data.of_run("config.json", entries=6)
def of(run: Run) -> Twins:
    """The near-duplicates of a run's corpus."""
    whole = run.corpus()
    trained = np.isin(np.arange(len(whole)), run.split(whole).train)
    labels, sizes = np.unique(whole.groups, return_counts=True)
    groups = []
    for label in labels[sizes > 1]:
        at = np.flatnonzero(whole.groups == label)
        names = tuple(whole.names[i] for i in at)
        groups.append(Group(whole.images[at], names, tuple(trained[at].tolist())))
    groups.sort(key=lambda g: (not any(g.trained), -len(g.images)))
    return Twins(tuple(groups), len(labels), len(whole))


@st.cache_data(max_entries=8, show_spinner=False)
def _sheet(key: tuple[str, int, int, str], _groups: tuple[Group, ...]) -> bytes:
    return clusters([g.images for g in _groups], [g.trained for g in _groups], arm_color(key[3]))


def show_twins(run: Run) -> None:
    """The groups as small galleries, training images framed."""
    twins, c = of(run), run.config
    name = words.unmarked(Path(c.corpus).name)
    st.markdown(
        f"**{len(twins.groups)} groups of near-duplicates** among the {twins.total:,} images of "
        f"*{name}*, which leaves {twins.distinct:,} distinct ones. Two images are twins when "
        f"they, or one and the other mirrored, differ by less than {TWIN_RMS} (root mean square, "
        "pixels from −1 to 1), or by less than a quarter of what two images of the set differ by "
        "on average; twins of twins belong to the same group.",
        width=760,
    )
    touched = [g for g in twins.groups if any(g.trained)]
    st.markdown(
        f"Of this model's {c.n_train} training images {len(touched)} have twins. A split takes one "
        "image a group, so no twin of a training image was trained on, and none counts as unseen. "
        "The rule minds groups as well: the second nearest image must be of another group than "
        "the nearest. With both twins to compare to, a perfect copy would have d1/d2 = 1 and pass "
        "as new.",
        width=760,
    )
    if not twins.groups:
        return
    shown = twins.groups[:SHOWN]
    st.image(
        _sheet((c.corpus_sha256, c.n_train, c.split_seed, c.arm), shown),
        width="stretch",
        alt=f"{len(shown)} groups of near-duplicate images; framed are the training images: "
        + ", ".join(n for g in touched for n, t in zip(g.names, g.trained, strict=True) if t)
        + ".",
    )
    words.under(
        "twins",
        f"{words.tinted('Framed', c.arm)}: training images of this model, their groups first. "
        f"{len(shown)} of {len(twins.groups)} groups are drawn.",
        [words.provenance(run, None)],
        lambda: [
            {"group": i, "name": name, "trained": trained}
            for i, g in enumerate(twins.groups)
            for name, trained in zip(g.names, g.trained, strict=True)
        ],
        "python -m ambient corpora --json -",
    )
