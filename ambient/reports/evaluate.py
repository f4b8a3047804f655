"""Reports on models: sample a run, or any model beside its images, and judge the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from ambient.copies.features import load_space
from ambient.copies.guises import STILL, orbit_of
from ambient.copies.judge import judge_images
from ambient.copies.records import CorpusFacts, Report, Sample, Verdicts
from ambient.copies.sets import Images, ImageSets
from ambient.copies.spaces import FEATURES
from ambient.diffusion.samplers import sample
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import Tell, silent
from ambient.images.corpus import Corpus, Split, to_bytes
from ambient.models.subject import Subject, as_run


def draw(
    run: Subject,
    seeds: range,
    how: SamplerConfig | None = None,
    step: int | None = None,
) -> Iterator[Images]:
    """Samples of a run as uint8 batches (at most 64, h, w, c), in the order of `seeds`."""
    for batch in sample(run.denoiser(step), seeds, run.shape, how or run.sampler()):
        yield to_bytes(batch.numpy())


def evaluate(
    run: Subject,
    n: int = 1000,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
    features: str = FEATURES,
    tell: Tell = silent,
) -> Report:
    """Sample a run, or any model beside its images, and judge the samples.

    Args:
        n, seed: the samples are those of seed, seed + 1, ..., seed + n - 1.
        step: a stored step of the run; None: the last.
        how: the sampler; None: the model's usual one.
        features: the space of the similarity rule and of quality (`ambient.copies.features`).
        tell: hears how many samples are drawn; may raise to end the work.

    Raises:
        InputError: an unusable run, corpus, step or feature space.
    """
    return draw_and_judge(run, n, seed, step, how, features, tell)[1]


def draw_and_judge(
    run: Subject,
    n: int,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
    features: str = FEATURES,
    tell: Tell = silent,
) -> tuple[Images, Report]:
    """The samples, uint8 (n, h, w, c), and their report: see `evaluate`."""
    load_space(features)  # what cannot be had is said before the samples are drawn
    corpus = run.corpus()
    split = run.split(corpus)
    how = how or run.sampler()
    step = run.last_step if step is None else step  # a run in training may go on meanwhile
    drawn: list[Images] = []
    tell("sampling", 0, n)
    for batch in draw(run, range(seed, seed + n), how, step):
        drawn.append(batch)
        tell("sampling", sum(map(len, drawn)), n)
    images = np.concatenate(drawn)
    sets = sets_of(corpus, split, images)
    known = as_run(run)
    orbit = orbit_of(known.config) if known else STILL
    found = judge_images(sets, features, seed, orbit=orbit)
    facts = CorpusFacts(
        name=corpus.name,
        n_train=len(split.train),
        n_heldout=len(split.heldout),
        sha256=corpus.sha256,
    )
    return images, report_of(run, facts, found, range(seed, seed + n), step, how)


def report_of(
    run: Subject,
    corpus: CorpusFacts,
    found: Verdicts,
    seeds: Sequence[int],
    step: int | None,
    how: SamplerConfig | None,
) -> Report:
    """The report of what `judge_images` found on samples of `run`, one a seed."""
    c, h, w = run.shape
    return Report(
        run=run.name,
        step=run.last_step if step is None else step,
        checkpoint_sha256=run.checkpoint_sha256(step),
        corpus=corpus,
        shape=(h, w, c),
        n_samples=len(found.samples),
        sampler=how,
        seed=seeds[0],
        copies=found.copies,
        quality=found.quality,
        calibrated_on=found.calibrated_on,
        warnings=found.warnings,
        heldout_ratios=found.heldout_ratios,
        samples=tuple(
            Sample(seed=seed, **msgspec.structs.asdict(image))
            for seed, image in zip(seeds, found.samples, strict=True)
        ),
    )


def sets_of(corpus: Corpus, split: Split, samples: Images) -> ImageSets:
    """Samples beside the training and held-out images of a split."""
    return ImageSets(
        samples,
        corpus.images[split.train],
        corpus.images[split.heldout],
        corpus.groups[split.train],
        corpus.groups[split.heldout],
    )
