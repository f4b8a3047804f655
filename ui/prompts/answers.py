"""What runs make of a prompt: stored for some prompts, drawn now for others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from ambient.copies.records import Report
from ambient.files import ASSETS, InputError, read_record
from ambient.reports.records import Signals
from ambient.runs import folder as store
from ambient.runs.folder import SIGNALS_FILE, Run
from ui import data
from ui.pictures import Images

PACKS = ASSETS / "words"  # `python -m scripts.build_stored`


@dataclass(frozen=True)
class Pack:
    """What is stored of a run."""

    drawn: Mapping[str, Images]  # by prompt, uint8 (guidances, seeds, h, w, c)
    kinds: Mapping[str, str]  # the kind of each prompt, as `reports.prompts` names it


def pack(run: Run) -> Pack | None:
    """The stored answers of a run, if they are of the network that it holds now."""
    path = PACKS / f"{run.name}.npz"
    found = _pack(str(path), data.stamp(path)) if path.exists() else None
    return found[0] if found and found[1] == run.checkpoint_sha256() else None


@st.cache_resource(max_entries=8)
def _pack(path: str, changed: int) -> tuple[Pack, str]:
    with np.load(path, allow_pickle=False) as f:
        stored = {name: f[name] for name in f.files}
    prompts = stored["prompts"].tolist()
    drawn = dict(zip(prompts, stored["images"], strict=True))
    found = Pack(drawn, dict(zip(prompts, stored["kinds"].tolist(), strict=True)))
    return found, str(stored["checkpoint_sha256"])


@data.of_run(SIGNALS_FILE)
def signals(run: Run) -> Signals | None:
    """How well the scores tell the prompts apart that give copies, where that is stored."""
    found = read_record(run.path / SIGNALS_FILE, Signals)
    return found if found and found.checkpoint_sha256 == run.checkpoint_sha256() else None


@data.of_run("config.json")
def captions(run: Run) -> tuple[str, ...]:
    """The captions of the run's training images, in their order."""
    corpus = run.corpus()
    return tuple(corpus.captions[i] for i in run.split(corpus).train)


def drawn(run: Run, prompt: str) -> Images:
    """What is stored of a prompt, else what the run draws now.

    Raises:
        InputError: no known word, no packages that read words, unusable weights, or another
            visitor's work takes too long.
    """
    known = pack(run)
    if known and prompt in known.drawn:
        return known.drawn[prompt]
    if not run.steps:
        raise InputError(f"the weights of '{run.name}' are not stored; choose a listed prompt.")
    return _asked(str(run.path), data.weights(run), prompt)


@st.cache_resource(max_entries=64, show_spinner="The networks draw your words")
def _asked(path: str, weights: str, prompt: str) -> Images:
    from ui import live
    from ui.prompts import asking

    run = store.open_run(path)
    network = live.network(run)
    with live.turn():
        loud = asking.ask(network, run, prompt)
    return np.concatenate([_unheard(path, weights)[None], loud])


@st.cache_resource(max_entries=16, show_spinner=False)
def _unheard(path: str, weights: str) -> Images:
    """What a run draws from the same noise without words, which no prompt changes."""
    from ui import live
    from ui.prompts import asking

    run = store.open_run(path)
    if known := pack(run):
        return next(iter(known.drawn.values()))[0]
    with live.turn():
        return asking.unheard(live.network(run), run)


def judged(run: Run) -> Report | None:
    """The run's report, where it holds a verdict on prompts."""
    found = data.report(run)
    return found if found and found.prompts else None
