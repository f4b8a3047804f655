"""Reports: sample a run and judge the samples, or judge the images of any generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ambient.adapters import Model, sampler_for, shape_of
from ambient.corpus import Corpus, Split, load_corpus, to_bytes, twin_groups
from ambient.errors import InputError
from ambient.features import FEATURES, find_space
from ambient.run import Run
from ambient.sampler import SamplerConfig, sample
from ambient.untrusted import plain
from ambient.verdicts import Images, ImageSets, judge_images


def draw(
    run: Run | Model,
    seeds: range,
    how: SamplerConfig | None = None,
    step: int | None = None,
) -> Iterator[Images]:
    """Samples of a run as uint8 batches (at most 64, h, w, c), in the order of `seeds`."""
    for batch in sample(run.denoiser(step), seeds, shape_of(run), how or sampler_for(run)):
        yield to_bytes(batch.numpy())


def evaluate(
    run: Run | Model,
    n: int = 1000,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
    features: str = FEATURES,
) -> Iterator[tuple[int, int, Images, dict[str, Any] | None]]:
    """Sample a run, or any model beside its images, and judge the samples.

    Args:
        features: the space of the similarity rule and of quality (`ambient.features`).

    Yields:
        (samples so far, n, their images, None) after each batch; last (n, n, images, report).

    Raises:
        InputError: an unusable run, corpus, step or feature space.
    """
    find_space(features).load()  # what cannot be had is said before the samples are drawn
    corpus = run.corpus()
    split = run.split(corpus)
    how = how or sampler_for(run)
    step = run.last_step if step is None else step  # a run in training may go on meanwhile
    drawn: list[Images] = []
    for batch in draw(run, range(seed, seed + n), how, step):
        drawn.append(batch)
        yield sum(map(len, drawn)), n, np.concatenate(drawn), None
    images = np.concatenate(drawn)
    yield n, n, images, report_of(run, corpus, split, images, seed, step, how, features)


def report_of(
    run: Run | Model,
    corpus: Corpus,
    split: Split,
    images: Images,
    seed: int,
    step: int | None,
    how: SamplerConfig,
    features: str = FEATURES,
) -> dict[str, Any]:
    """The report of `images`, sampled from `run` with seeds seed, seed + 1, ..."""
    judged = judge_images(sets_of(corpus, split, images), features, seed)
    records = [{"seed": seed + i, **s} for i, s in enumerate(judged.pop("samples"))]
    return {
        "run": run.name,
        "step": run.last_step if step is None else step,
        "checkpoint_sha256": run.checkpoint_sha256(step),
        "corpus": {
            "name": corpus.name,
            "n_train": len(split.train),
            "n_heldout": len(split.heldout),
            "sha256": corpus.sha256,
        },
        "n_samples": len(images),
        "sampler": asdict(how),
        "seed": seed,
        **judged,
        "samples": records,
    }


def sets_of(corpus: Corpus, split: Split, samples: Images) -> ImageSets:
    """Samples beside the training and held-out images of a split."""
    return ImageSets(
        samples,
        corpus.images[split.train],
        corpus.images[split.heldout],
        corpus.groups[split.train],
        corpus.groups[split.heldout],
    )


def audit(
    generated: str | Path,
    train: str | Path,
    heldout: str | Path | None = None,
    *,
    side: int | None = None,
    features: str = FEATURES,
    seed: int = 0,
) -> dict[str, Any]:
    """Are generated images copies of training images? The report of `evaluate`, for any images.

    Args:
        generated, train, heldout: each what `load_corpus` reads: a folder, zip or npz of images,
            or the name of a corpus. Held-out images are real ones the generator never saw; those
            that are twins of a training image are left out. With fewer than 100 of them, training
            images take their place, each judged against the others.
        side: read every picture at this size; default: the size of the training images.
        features: the space of the similarity rule and of quality.
        seed: of what the quality measures draw.

    Returns:
        A report (docs/reports.md), `run` and `checkpoint_sha256` None.

    Raises:
        InputError: a set that cannot be read, or sets of different sizes or channels.
    """
    find_space(features).load()
    known = _read("train", train, side)
    made = _read("generated", generated, side, known)
    unseen = _read("heldout", heldout, side, known) if heldout else None
    given = {"train": known, "generated": made, "heldout": unseen}
    notes = [f"{which}: {note}" for which, c in given.items() if c for note in c.notes]
    sets, removed = sets_to_audit(made, known, unseen)
    if removed:
        notes.append(f"{removed} held-out images are twins of training images and were left out.")
    if doubled := len(known) - len(set(sets.groups.tolist())):
        notes.append(f"{doubled} of {len(known)} training images are near-duplicates of others.")
    judged = judge_images(sets, features, seed)
    records = [
        {"file": name, **record}
        for name, record in zip(made.names, judged.pop("samples"), strict=True)
    ]
    return {
        "run": None,
        "checkpoint_sha256": None,
        "corpus": {
            "name": known.name,
            "n_train": len(known),
            "n_heldout": len(sets.heldout),
            "sha256": known.sha256,
        },
        "n_samples": len(made),
        "sampler": None,
        "seed": seed,
        **judged,
        "warnings": notes + judged["warnings"],
        "samples": records,
    }


def _read(which: str, spec: str | Path, side: int | None, like: Corpus | None = None) -> Corpus:
    """One of the sets of an audit, in the form of another; what is wrong with it names it."""
    try:
        found = load_corpus(spec, side=side or (like.images.shape[1] if like else None))
    except InputError as e:
        raise InputError(f"{which}: {e}") from e
    if like and found.images.shape[3] != like.images.shape[3]:
        color = {1: "gray", 3: "in color"}
        raise InputError(
            f"{which}: '{plain(Path(spec).name)}' is {color[found.images.shape[3]]} and the "
            f"training images are {color[like.images.shape[3]]}; convert one of them."
        )
    return found


def sets_to_audit(made: Corpus, known: Corpus, unseen: Corpus | None) -> tuple[ImageSets, int]:
    """The sets to compare, and how many held-out images were twins of training images."""
    if unseen is None:
        none = known.images[:0]
        return ImageSets(made.images, known.images, none, known.groups, known.groups[:0]), 0
    if unseen.images.shape[1:] != known.images.shape[1:]:
        raise InputError(
            f"the held-out images are {unseen.images.shape[1:]} and the training images "
            f"{known.images.shape[1:]} (height, width, channels); give both in one form."
        )
    n = len(known)
    groups = twin_groups(np.concatenate([known.images, unseen.images]))
    apart = ~np.isin(groups[n:], groups[:n])
    sets = ImageSets(made.images, known.images, unseen.images[apart], groups[:n], groups[n:][apart])
    return sets, int((~apart).sum())
