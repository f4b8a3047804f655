"""What needs torch: sampling and judging. Imported only when a visitor asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import streamlit as st
import torch

from ambient.copies.guises import orbit_of
from ambient.copies.judge import judge_images
from ambient.copies.records import CorpusFacts, Report
from ambient.copies.sets import ImageSets
from ambient.diffusion.denoiser import EDM, Denoiser, splice
from ambient.diffusion.levels import CutoffReport, cutoff_report
from ambient.diffusion.samplers import trajectory
from ambient.files import InputError, Tell, encode_record, write_atomically
from ambient.images.corpus import Corpus, to_bytes
from ambient.reports import keeping
from ambient.reports.curves import noise_level_curves
from ambient.reports.evaluate import draw_and_judge, report_of
from ambient.runs.folder import Run, open_run
from ui import data
from ui.frame import settle_again
from ui.pictures import Images

PATIENCE = 120.0  # seconds a visitor waits for another one's samples
LOOK = 0.25  # seconds between looks whether the visitor is still there


@st.cache_resource
def _line() -> tuple[list[int], threading.Condition]:
    """Threads that sample in the order they came, one at a time: two would each take twice as long
    and twice the memory. The first one has its turn until it leaves."""
    settle_again()
    return [], threading.Condition()


@contextmanager
def turn() -> Iterator[Callable[[], object]]:
    """Wait for one's turn and hold it; within one of the same visitor, that goes on.

    Yields:
        A call to make every second or so: Streamlit stops the script there if the visitor left.

    Raises:
        InputError: another visitor's work takes too long.
    """
    torch.set_num_threads(1)  # it is per thread, and training needs the other core
    (line, changed), me, place = _line(), threading.get_ident(), st.empty()
    if me in line:
        yield place.empty
        return
    deadline = time.monotonic() + PATIENCE
    line.append(me)
    try:
        while ahead := line.index(me):
            if time.monotonic() > deadline:
                raise InputError("another visitor is sampling; try again in a minute.")
            others = "Another visitor is" if ahead == 1 else f"{ahead} other visitors are"
            # Streamlit stops the script here if the visitor left.
            place.caption(f"{others} sampling; yours comes next.")
            with changed:
                changed.wait_for(lambda: line[0] == me, LOOK)
        place.empty()
        yield place.empty
    finally:
        with changed:
            line.remove(me)
            changed.notify_all()


def network(run: Run, step: int | None = None) -> EDM:
    """A run's network, as trained up to its last stored step or another one."""
    return _denoiser(str(run.path), run.checkpoint_sha256(step), step)


@st.cache_resource(max_entries=3, show_spinner="Loading the network")
def _denoiser(path: str, sha256: str, step: int | None) -> EDM:
    return open_run(path).denoiser(step)


def sampled(
    run: Run,
    seeds: tuple[int, ...],
    sampler: str,
    steps: int,
    above: tuple[Run, float] | None = None,
    trained: int | None = None,
) -> Iterator[tuple[float, Images]]:
    """Sample now: the finished share and the denoised images so far; the last are the samples.

    Args:
        above: another run, which does the work above a noise level.
        trained: the step of training whose weights to sample, by default the last stored.

    Raises:
        InputError: no weights, unusable choices, or another visitor's sampling takes too long.
    """
    how = run.sampler(sampler, steps)
    denoiser: Denoiser = network(run, trained)
    if above:
        other, switch = above
        denoiser = splice(network(other), denoiser, switch)
    with turn():
        batches = [seeds[i : i + 16] for i in range(0, len(seeds), 16)]
        finished: list[Images] = []
        for i, batch in enumerate(batches):
            for moment in trajectory(denoiser, batch, run.shape, how):
                share = (i + (moment.index + 1) / how.steps) / len(batches)
                last = to_bytes(moment.denoised.numpy())
                yield min(share, 1.0), np.concatenate([*finished, last])
            finished.append(to_bytes(moment.x.numpy()))
        yield 1.0, np.concatenate(finished)


def judged(run: Run, images: Images, seeds: tuple[int, ...], trained: int | None = None) -> Report:
    """The pixel verdict on fresh samples; features of all images would take a visitor's minute.

    Raises:
        InputError: another visitor's work takes too long; within the turn of sampling, none does.
    """
    both, c = data.sets(run), run.config
    with turn():
        found = judge_images(
            ImageSets(images, both.train, both.heldout, both.groups, both.heldout_groups),
            orbit=orbit_of(c),
        )
    corpus = CorpusFacts(
        name=c.corpus,
        n_train=len(both.train),
        n_heldout=len(both.heldout),
        sha256=c.corpus_sha256,
    )
    return report_of(run, corpus, found, seeds, trained, None)


def judged_anew(run: Run, n: int, tell: Tell, keep: bool) -> tuple[Images, Report]:
    """Samples of a run and their whole report.

    Args:
        tell: hears how far the work is.
        keep: store both in the run's folder.

    Raises:
        InputError: no weights or images, or another visitor's work takes too long.
    """
    with turn() as look:
        images, report = draw_and_judge(run, n, tell=_looking(look, tell))
    if keep:
        keeping.keep(run, images, report)
    return images, report


def measure(run: Run, tell: Tell) -> None:
    """Measure a run by noise level, and store that in its folder.

    Args:
        tell: hears how far the work is.

    Raises:
        InputError: no weights or images, or another visitor's work takes too long.
    """
    with turn() as look:
        curves = noise_level_curves(run, tell=_looking(look, tell))
    write_atomically(run.path / "curves.json", encode_record(curves))


def _looking(look: Callable[[], object], tell: Tell) -> Tell:
    """Tell, and look whether the visitor is still there."""

    def heard(part: str, done: int, total: int) -> None:
        look()
        tell(part, done, total)

    return heard


def suggestion(images: Corpus, n_train: int, tell: Tell) -> CutoffReport:
    """The cutoff for these images.

    Args:
        tell: hears how far the work is.

    Raises:
        InputError: a split that cannot be made, or another visitor's work takes too long.
    """
    with turn():
        return cutoff_report(images, n_train, tell=tell)
