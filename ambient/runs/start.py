"""Run folders that are made or made longer: from a config, and from weights of another run."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ambient.config import Config
from ambient.files import InputError, is_full, unwritten, write_atomically
from ambient.images.corpus import Corpus
from ambient.runs.folder import CAPTIONS_FILE, IMAGES_FILE, OWN, START_FILE, Run, open_run


def start_run(
    path: Path,
    config: Config,
    start: tuple[Run, int | None] | None = None,
    images: Corpus | None = None,
    captions: Sequence[str] = (),
) -> Run:
    """Create a run folder for `config`.

    Args:
        start: a run and one of its steps (None: the last), whose weights the new run starts
            from: they are copied, and named as `parent` in the new config.
        images: what a run on `OWN` images keeps in its folder; None: those that `start` keeps.
        captions: of all images of its corpus, which a run with text keeps in its folder; none:
            those that the corpus itself brings.

    Raises:
        InputError: the folder holds something already or cannot be created, or the weights to
            start from are missing or of another shape.
    """
    if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
        raise InputError(f"'{path}' exists already; choose another --out, or --resume it.")
    if start:
        parent, step = start
        weights = parent.checkpoint(step)
        config = _descend(config, parent, int(weights.stem.removeprefix("step-")))
        images = images or (parent.corpus() if config.corpus == OWN else None)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if start:
            shutil.copyfile(weights, path / START_FILE)
        if config.corpus == OWN and images:
            write_atomically(path / IMAGES_FILE, packed(images))
        if config.text and captions:
            write_atomically(path / CAPTIONS_FILE, json.dumps(captions, indent=0) + "\n")
        write_atomically(path / "config.json", config.to_json())
    except OSError as e:
        shutil.rmtree(path, ignore_errors=True)
        if is_full(e):
            raise InputError(unwritten(path.parent, e)) from e
        raise InputError(f"'{path}' cannot be created ({e.strerror}); choose another --out.") from e
    return open_run(path)


def packed(corpus: Corpus) -> bytes:
    """A corpus as npz, which `load_corpus` reads again as it is."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=corpus.images,
        names=np.array(corpus.names),
        categories=np.array(corpus.categories),
        groups=corpus.groups,
        license=np.array(corpus.license),
        allow_pickle=False,
        **({"captions": np.array(corpus.captions)} if corpus.captions else {}),
    )
    return buffer.getvalue()


def lengthen(run: Run, steps: int, every: int | None = None) -> Run:
    """Raise the steps of a run at rest: what it then becomes is a run started with that length.

    Args:
        every: steps from one stored stage to the next from here on; None: as before.

    Raises:
        InputError: not more steps than it has, or nothing stored to go on from.
    """
    if steps <= run.config.steps:
        raise InputError(
            f"steps is {steps}; run '{run.name}' is set to {run.config.steps}: expected more."
        )
    if run.steps and not run.resume_steps:
        raise InputError(
            f"run '{run.name}' has weights but no resume state, so it cannot go on; start a new "
            "run from its weights."
        )
    every = every or run.config.checkpoint_every
    longer = run.config.replace(steps=steps, checkpoint_every=every)
    write_atomically(run.path / "config.json", longer.to_json())
    return replace(run, config=longer)


def _descend(config: Config, parent: Run, step: int) -> Config:
    """The same config with its parent, if the parent's weights fit."""

    def shape(c: Config) -> str:
        more = (", augmented" if c.augment else "") + (", with captions" if c.text else "")
        return (
            f"{c.channels} channels, width {c.width}, patch {c.patch} and network {c.network}{more}"
        )

    if shape(config) != shape(parent.config):
        raise InputError(
            f"run '{parent.name}' has {shape(parent.config)}, the new run {shape(config)}; "
            "weights only start a network of their own shape."
        )
    return config.replace(parent=f"{parent.name}@{step}")
