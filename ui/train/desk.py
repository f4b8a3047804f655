"""What a training is asked for, how long it would take, and its place in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import streamlit as st

from ambient.config import Config, configure, usual_threads
from ambient.files import InputError
from ambient.images.captions import MISSING, captioned, is_installed
from ambient.images.corpus import Corpus
from ambient.runs import launch, queue
from ambient.runs.folder import IMAGES_FILE, OWN, SLOWEST, Run, open_run
from ambient.runs.limits import Limits, is_public
from ui import data, visitor, words
from ui.train import own_pictures, suggestion
from ui.training_form import SCRATCH

MISFIT = "These weights are gone, or of another kind, width or size of images."
RECENT, RECENT_LINES = 3, 20  # runs, and lines of each, that tell how fast this machine is now
Nearness = tuple[bool, bool, bool, int, bool]  # how unlike another run is, the worst first


def images_of(corpus: str, start: str = SCRATCH) -> Corpus | None:
    """Images to train on; of one's own, those dropped here, or those of the run to start from."""
    if corpus != OWN:
        return data.bundled_corpus(corpus)
    if given := own_pictures.kept():
        return given
    run = visitor.runs().get(start.rpartition("@")[0])
    if run is None or run.config.corpus != OWN:
        return None
    return _pictures_of(str(run.path), data.stamp(run.path / IMAGES_FILE))


@st.cache_resource(max_entries=4, show_spinner=False)
def _pictures_of(path: str, changed: int) -> Corpus:
    return open_run(path).corpus()


def starts(images: Corpus | None, width: int, network: str) -> dict[str, tuple[Run, int]]:
    """All stored weights that fit a network of such images, by run@step."""
    if images is None:
        return {}
    shape = (*images.images.shape[2:], width, network)
    known = [(r, r.config) for r in (*visitor.runs().values(), *data.bundled())]
    fit = [
        r
        for r, c in known
        if (c.side, c.channels, c.width, c.network) == shape and not (c.augment or c.text)
    ]
    return {f"{r.name}@{step}": (r, step) for r in fit for step in r.steps[::-1]}


def configured(images: Corpus | None, choices: Mapping[str, Any]) -> Config:
    """The config of these choices.

    Raises:
        InputError: choices that could not be trained, or no pictures yet.
    """
    if images is None:
        raise InputError("there are no pictures to train on yet; drop yours on the last card.")
    chosen = {k: v for k, v in choices.items() if k not in ("corpus", "start")}
    if chosen["arm"] == "standard":
        chosen["cutoff"] = 0.0
    if chosen["text"]:
        images = told(images)
    threads = 1 if is_public() else usual_threads(images.images.shape[1])  # others have pages open
    return configure(images, threads=threads, **chosen)


def told(images: Corpus) -> Corpus:
    """The images with their captions.

    Raises:
        InputError: they have none, or the packages that read words are not here.
    """
    if not is_installed():
        raise InputError(f"{MISSING}.")
    return captioned(images)


def submit(images: Corpus | None, choices: Mapping[str, Any], pair: bool = False) -> list[Run]:
    """Queue a run; as a pair, one without a cutoff before one with it, all else the same.

    Raises:
        InputError: choices that could not be trained, are too much for this server, or a pair for
            whose pictures no cutoff can be suggested.
    """
    config, count = configured(images, choices), 1 + pair
    Limits.here().check(config, data.runs_folder(), visitor.queueing(count), count)
    configs, start = [config], None
    if pair:
        assert images is not None  # it could be configured
        wanted = config.cutoff or suggestion.cutoff(images, config.n_train)
        arms = (("standard", 0.0), ("ambient", wanted))
        configs = [configured(images, {**choices, "arm": a, "cutoff": c}) for a, c in arms]
    if choices["start"] != SCRATCH:
        start = starts(images, config.width, config.network).get(choices["start"])
        if start is None:
            raise InputError(f"{choices['start']}: {MISFIT} Choose what to start from.")
    dtype = _dtype(start[0] if start else None)
    configs = [c.replace(dtype=dtype) for c in configs]
    images = told(images) if images and config.text else images
    return queue.submit_all(configs, data.runs_folder(), visitor.queueing(count), start, images)


def _dtype(parent: Run | None) -> str:
    """The arithmetic that `ambient train` takes on this machine; it is measured once a server."""
    if not parent and (measured := launch.dtype()):
        return measured
    from ambient.diffusion import hardware  # torch, which no page needs until then

    if parent:
        return hardware.inference_dtype(parent.config.dtype)
    return hardware.faster_dtype(hardware.choose_device("auto"))


def seconds(c: Config) -> float | None:
    """How long such a training takes, by the runs most like it; None where there are none.

    Of another width or size of images the speed is scaled by channels and pixels.
    """
    own = [r for r in data.own() if (r.path / "state.json").exists()][:RECENT]
    speeds: dict[Nearness, list[float]] = {}
    for run in (*own, *data.bundled()):
        k, lines = run.config, data.metrics(run)[-RECENT_LINES:]
        pace = median(line["images_per_second"] for line in lines) if lines else 0.0
        if pace >= SLOWEST:
            other = (k.network, k.dtype) != (c.network, c.dtype)
            elsewhere = run not in own
            near = k.side != c.side, elsewhere, other, abs(k.width - c.width), k.threads < c.threads
            speeds.setdefault(near, []).append(pace * k.width * k.side**2)
    if not speeds:
        return None
    return c.steps * c.batch * c.width * c.side**2 / median(speeds[min(speeds)])


def _pace(c: Config) -> float | None:
    """Seconds a step of a run that has not trained yet."""
    whole = seconds(c)
    return whole / c.steps if whole else None


def wait(run: Run | None = None) -> str:
    """How long until a queued run, or a new one, starts; nothing where it starts at once."""
    found = queue.wait_seconds(run, data.runs_folder(), visitor.token(), _pace)
    if found is None:
        return "How long that takes is not known yet."
    return f"It starts in about {words.duration(found)}." if found else ""
