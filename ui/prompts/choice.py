"""Which runs are asked, and for what."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from ambient.images.captions import MISSING, is_installed, recombined
from ambient.runs.folder import Run
from ui import data, stages, visitor
from ui.controls import pick
from ui.prompts.answers import captions, pack
from ui.prompts.film import farthest
from ui.stages import Runs
from ui.teacher import control, hidden

OWN = "own"
KINDS = {
    "training": "They learned",
    "held-out": "They never saw",
    "recombined": "Two joined",
    OWN: "Your own",
}
LISTED = 3  # prompts of each kind
LONGEST = 3  # words of a prompt that is listed
CHARACTERS = 100  # of a visitor's own


def sets() -> dict[str, Runs]:
    """Runs that learned from captions: bundled ones by what they learned from, and one's own."""
    own = visitor.runs(st.query_params.get("set"))
    told = {name: {r.config.arm: r} for name, r in own.items() if r.config.text and r.steps}
    return {**stages.told(), **told}


@data.of_run("config.json")
def by_lot(run: Run) -> dict[str, list[str]]:
    """Short prompts of each kind, drawn once from the captions of a run's images."""
    corpus = run.corpus()
    split = run.split(corpus)
    learned = set(captions(run))
    unseen = {corpus.captions[i] for i in split.heldout} - learned
    rng = np.random.default_rng(run.config.split_seed)
    joined = recombined(_short(learned), LISTED, run.config.split_seed)
    return {
        "training": _some(_short(learned), rng),
        "held-out": _some(_short(unseen), rng),
        "recombined": joined,
    }


def _short(captions: set[str]) -> list[str]:
    def is_short(caption: str) -> bool:
        return len(caption.split()) <= LONGEST and caption.replace(" ", "").isalpha()

    return sorted(filter(is_short, captions))


def _some(captions: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [captions[i] for i in sorted(rng.permutation(len(captions))[:LISTED])]


def choose_kind() -> str:
    """What kind of prompt, as reports name it."""
    kinds = [kind for kind in KINDS if kind != OWN or not hidden("live")]
    return pick("settings", "Captions", kinds, key="kind", name=KINDS.__getitem__)


def choose_prompt(runs: Runs, kind: str) -> str:
    """A listed prompt of a kind, or a visitor's words; '' where there are none, and why is said."""
    if kind == OWN:
        if not is_installed():
            st.info(f"To ask for your own {MISSING}.", width=760)
            return ""
        asked = st.text_input(
            "Your words",
            max_chars=CHARACTERS,
            placeholder="red heart",
            key="ask",
            bind="query-params",
            width=340,
        )
        if not (asked or "").strip():
            st.info("Write what to draw: words of letters, such as *red heart*.", width=760)
        return " ".join((asked or "").split())
    run = next(iter(runs.values()))
    stored = pack(run)
    listed = [p for p, k in stored.kinds.items() if k == kind] if stored else by_lot(run)[kind]
    if not listed:
        st.caption("There are no such captions.")
        return ""
    with control("settings"):
        return st.pills(
            "Ask for",
            listed,
            default=farthest(runs, listed),
            required=True,
            key=f"ask-{kind}",
            bind="query-params",
            label_visibility="collapsed",  # a phone's first screen ends with the slider
        )
