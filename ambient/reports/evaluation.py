"""Reports: sample a run and judge the samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import to_builtins

from ambient.copies.features import load_space
from ambient.copies.judge import Images, ImageSets, judge_images
from ambient.copies.spaces import FEATURES
from ambient.diffusion.samplers import sample
from ambient.diffusion.schedule import SamplerConfig
from ambient.images.corpus import Corpus, Split, to_bytes
from ambient.models.adapters import Model, sampler_for, shape_of
from ambient.runs.folder import Run


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
        features: the space of the similarity rule and of quality (`ambient.copies.features`).

    Yields:
        (samples so far, n, their images, None) after each batch; last (n, n, images, report).

    Raises:
        InputError: an unusable run, corpus, step or feature space.
    """
    load_space(features)  # what cannot be had is said before the samples are drawn
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
    judged.pop("most_similar")
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
        "shape": list(images.shape[1:]),
        "n_samples": len(images),
        "sampler": to_builtins(how),
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
