"""Reports on models: sample a run, or any model beside its images, and judge the samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
import torch
from msgspec.structs import replace

from ambient.config import check
from ambient.copies.features import load_space
from ambient.copies.guises import STILL, Orbit, Pictures, orbit_of
from ambient.copies.judge import judge_images
from ambient.copies.missed import RETURNS, chosen, missed, worn
from ambient.copies.records import CorpusFacts, Report, Sample, Verdicts
from ambient.copies.sets import Images, ImageSets, sets_of
from ambient.copies.spaces import FEATURES
from ambient.diffusion.noise import SeededNoise
from ambient.diffusion.samplers import sample
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Tell, silent, whole
from ambient.images.captions import MISSING, is_installed
from ambient.images.corpus import to_bytes, to_unit
from ambient.images.read import plain
from ambient.models.subject import Subject, as_run, as_subject
from ambient.reports.prompts import EACH, PROMPTS, judge_prompts
from ambient.reports.rejecting import Filter, Redrawn, about, draw_again
from ambient.runs.folder import Run


def draw(
    run: Subject,
    seeds: Sequence[int],
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
    reject: bool = False,
) -> Report:
    """Sample a run, or any model beside its images, and judge the samples.

    Args:
        n, seed: the samples are those of seed, seed + 1, ..., seed + n - 1.
        step: a stored step of the run; None: the last.
        how: the sampler; None: the model's usual one.
        features: the space of the similarity rule (`ambient.copies.features`).
        tell: hears how many samples are drawn; may raise to end the work.
        reject: draw a sample again while it is a copy (`ambient.reports.rejecting`).

    Raises:
        InputError: an unusable run, corpus, step or feature space; too few held-out images to
            reject by.
    """
    return draw_and_judge(run, n, seed, step, how, features, tell, reject)[1]


def draw_and_judge(
    run: Subject,
    n: int,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
    features: str = FEATURES,
    tell: Tell = silent,
    reject: bool = False,
) -> tuple[Images, Report]:
    """The samples, uint8 (n, h, w, c), and their report: see `evaluate`."""
    load_space(features)  # what cannot be had is said before the samples are drawn
    run, n, seed = as_subject(run), whole(n, "n"), check("seed", seed)
    if not isinstance(how, SamplerConfig | None):
        raise InputError(f"how is {plain(how, 40)}; expected such as run.sampler('heun', 18).")
    corpus = run.corpus()
    split = run.split(corpus)
    how = how or run.sampler()
    step = run.last_step if step is None else step  # a run in training may go on meanwhile
    seeds: Sequence[int] = range(seed, seed + n)
    rejection = None
    if reject:
        found = redraw(run, seeds, how, step, tell)
        images, seeds, rejection = found.images, found.seeds.tolist(), found.rejection
    else:
        images = _together(draw(run, seeds, how, step), n, tell)
    judged = judge_samples(run, sets_of(corpus, split, images), step, features, tell)
    facts = CorpusFacts(
        name=corpus.name,
        n_train=len(split.train),
        n_heldout=len(split.heldout),
        sha256=corpus.sha256,
    )
    report = report_of(run, facts, judged, seeds, step, how)
    if rejection:
        warnings = (about(rejection, n), *report.warnings)
        report = replace(report, rejection=rejection, warnings=warnings)
    known = as_run(run)
    if known and known.config.text:
        report = _with_prompts(report, known, n, tell)
    return images, report


def _with_prompts(report: Report, run: Run, n: int, tell: Tell) -> Report:
    """The report of a run with text: its samples of no prompt, and a section on prompts."""
    if not is_installed():
        return replace(report, warnings=(*report.warnings, f"no prompts were judged: {MISSING}."))
    found = judge_prompts(
        run, report.seed, report.step, report.sampler, min(PROMPTS, max(2, n // EACH)), tell=tell
    )
    return replace(report, prompts=found)


def _together(batches: Iterable[Images], n: int, tell: Tell = silent) -> Images:
    drawn: list[Images] = []
    tell("sampling", 0, n)
    for batch in batches:
        drawn.append(batch)
        tell("sampling", sum(map(len, drawn)), n)
    return np.concatenate(drawn)


def redraw(
    run: Subject,
    seeds: Sequence[int],
    how: SamplerConfig | None = None,
    step: int | None = None,
    tell: Tell = silent,
) -> Redrawn:
    """Samples that were drawn again while they were copies of the run's training images.

    Raises:
        InputError: no images to compare with, or too few held-out ones to calibrate on.
    """
    corpus = run.corpus()
    none = np.zeros((0, *corpus.images.shape[1:]), np.uint8)
    rule = Filter.of(sets_of(corpus, run.split(corpus), none), _orbit(run))

    def drawn(some: Sequence[int]) -> Images:
        return _together(draw(run, some, how, step), len(some))

    return draw_again(drawn, seeds, rule, tell)


def judge_samples(
    run: Subject,
    sets: ImageSets,
    step: int | None = None,
    features: str = FEATURES,
    tell: Tell = silent,
) -> Verdicts:
    """The verdicts on samples of a run, over the moves of its training, with what they miss."""
    orbit = _orbit(run)
    found = judge_images(sets, features, orbit=orbit, tell=tell)
    points = found.copies.operating
    if not points:
        return found
    of = chosen(len(sets.train))
    plants = [*_returns(run, sets.train[of], step), *worn(to_unit(sets.train[of]))]
    lost = missed(plants, of, sets.train, sets.groups, points, orbit)
    return replace(found, copies=replace(found.copies, missed=lost))


def _returns(run: Subject, images: Images, step: int | None) -> Iterator[tuple[str, Pictures]]:
    """What the network makes of training images under noise, in one step; () without weights."""
    known = as_run(run)
    if known and step is not None and step not in known.steps:
        return
    denoiser, low, high = run.denoiser(step), *run.levels
    clean = torch.from_numpy(to_unit(images))
    noise = SeededNoise(range(len(clean))).draw(clean.shape[1:])
    for sigma in RETURNS:
        if low <= sigma <= high:
            with torch.inference_mode():
                back = denoiser(clean + sigma * noise, torch.full((len(clean),), sigma))
            yield f"denoised from {sigma:g}", back.cpu().numpy()


def _orbit(run: Subject) -> Orbit:
    known = as_run(run)
    return orbit_of(known.config) if known else STILL


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
