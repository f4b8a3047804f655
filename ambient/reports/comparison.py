"""Comparing ways of training: two runs on the same noise, and many over seeds.

Two runs are compared sample by sample, each pair from the same noise. Over seeds, a run's path is
its judged stages in the order of training; runs are paired by seed (and split), then a Student t
interval over the differences also holds what training, split and sampling add by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ambient.config import FIELDS, Config
from ambient.copies.intervals import newcombe, student, tango
from ambient.copies.records import Judged, JudgedImage, Report
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Record
from ambient.reports.records import Audit
from ambient.runs.folder import Run


def changed(first: Config, second: Config) -> dict[str, tuple[Any, Any]]:
    """The choices in which two runs differ, by name; the arm and its cutoff are one choice."""
    a, b = msgspec.structs.asdict(first), msgspec.structs.asdict(second)
    differ = {k: (a[k], b[k]) for k, f in FIELDS.items() if f.compared and a[k] != b[k]}
    if differ.pop("corpus_sha256", None):
        differ = {"corpus": (a["corpus"], b["corpus"]), **differ}
    if differ.pop("arm", None) or "cutoff" in differ:
        differ["cutoff"] = (_way(first), _way(second))
    if differ.pop("parent", None):
        differ["parent"] = (a["parent"] or "none", b["parent"] or "none")
    return differ


def _way(c: Config) -> str:
    return f"{c.arm} {c.cutoff:g}" if c.cutoff else c.arm


def sampled(first: Judged, second: Judged) -> dict[str, tuple[Any, Any]]:
    """The choices of sampling in which two reports differ, by name, where both record them.

    Noise levels within 0.1 % are one choice: models know theirs to such a digit. Where sampling
    stops early is none: it follows from the way of training.
    """
    a, b = first.sampler, second.sampler
    if a is None or b is None:
        return {}
    pairs = {name: (getattr(a, name), getattr(b, name)) for name in SamplerConfig.__struct_fields__}
    return {
        name if name == "sampler" else f"sampler_{name}": pair
        for name, pair in pairs.items()
        if name != "stop_at" and not _alike(*pair)
    }


def _alike(a: float | str, b: float | str) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-3)
    return a == b


class Paired(Record, frozen=True, kw_only=True):
    """Verdicts on samples of two models from the same noise.

    Attributes:
        count: pairs.
        both, first, second, neither: pairs in which so many are copies.
        difference: copied share of the second model minus that of the first.
        low, high: its 95 % score interval over pairs (Tango, Statistics in Medicine 17, 1998);
            other training seeds vary more.
    """

    count: int
    both: int
    first: int
    second: int
    neither: int
    difference: float
    low: float
    high: float

    @classmethod
    def of(cls, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Paired:
        """
        Args:
            first, second: (n,) whether each sample is a copy, in the same order; n at least 1.
        """
        lost, gained = int((first & ~second).sum()), int((~first & second).sum())
        n = len(first)
        low, high = tango(lost, gained, n)
        return cls(
            count=n,
            both=int((first & second).sum()),
            first=lost,
            second=gained,
            neither=int((~first & ~second).sum()),
            difference=(gained - lost) / n,
            low=low,
            high=high,
        )


class Unpaired(Record, frozen=True, kw_only=True):
    """Copied shares of two sets of samples that do not pair.

    Attributes:
        difference: of the second set minus that of the first.
        low, high: its 95 % interval, Newcombe's hybrid of two Wilson scores (Statistics in
            Medicine 17, 1998, method 10).
        counts: how many samples each set has.
    """

    difference: float
    low: float
    high: float
    counts: tuple[int, int]

    @classmethod
    def of(cls, hits: tuple[int, int], counts: tuple[int, int]) -> Unpaired:
        """
        Args:
            hits: copies in the first and the second set. counts: samples, at least 1 each.
        """
        p, q = (k / n for k, n in zip(hits, counts, strict=True))
        low, high = newcombe(hits, counts)
        return cls(difference=q - p, low=low, high=high, counts=counts)


def unpaired(first: Judged, second: Judged) -> Unpaired:
    """Two reports with a rate, whatever their samples and training images."""
    copies = [sum(s.copy for s in r.samples) for r in (first, second)]
    counts = [len(r.samples) for r in (first, second)]
    return Unpaired.of((copies[0], copies[1]), (counts[0], counts[1]))


def shaped(report: Report, config: Config) -> Report:
    """A run's report with the `shape` of its images, which reports of old runs leave out."""
    shape = (config.side, config.side, config.channels)
    return msgspec.structs.replace(report, shape=shape)


def by_seed(report: Judged) -> Mapping[int, JudgedImage]:
    """The samples by their seeds; empty where nobody knows how the images were drawn."""
    if isinstance(report, Report):
        return {s.seed: s for s in report.samples}
    return dict(enumerate(report.samples, report.seed)) if report.sampler else {}


def apart(first: Judged, second: Judged) -> str:
    """Why two reports have no samples from the same noise; '' where they have.

    A seed is the same noise for runs and for any other models (`trajectory` draws it), if they
    make images of one shape and begin at one noise level. Samplers may differ: then it is the
    noise they begin with.

    Args:
        first, second: reports; those of runs as `shaped` gives them.
    """
    a, b = by_seed(first), by_seed(second)
    if not (a and b):
        return "nobody knows from which noise the images of one side began"
    if first.corpus.sha256 != second.corpus.sha256:  # else they have one shape
        if None in (first.shape, second.shape):
            return "the report of one side does not say how large its images are"
        if first.shape != second.shape:
            return "these two make images of different sizes"
    tops = [report.sampler.sigma_max for report in (first, second) if report.sampler]
    if tops and not _alike(tops[0], tops[-1]):
        return "these two begin at different noise levels"
    if not a.keys() & b.keys():
        return "no seed was judged on both sides; judge both from the same seed on"
    return ""


def on_same_noise(first: Judged, second: Judged) -> Paired | None:
    """Two reports on the seeds that both judged, by the rule of pixels; None without any.

    It means something where nothing keeps them `apart`.
    """
    a, b = by_seed(first), by_seed(second)
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    return Paired.of(*(np.array([side[s].copy for s in seeds]) for side in (a, b)))


class Comparison(Record, frozen=True, kw_only=True):
    """Two sides, and how their copies differ.

    Attributes:
        runs: what the sides are called.
        changed: choices of training and sampling in which they differ, by name.
        paired: over samples from the same noise; None where there are none.
        unpaired: over all samples, as of two independent sets.
        why: why there are no pairs; '' where there are.
    """

    runs: tuple[str, str]
    changed: dict[str, tuple[Any, Any]]
    paired: Paired | None
    unpaired: Unpaired
    why: str = ""


def compare(first: Run | Report | Audit, second: Run | Report | Audit) -> Comparison:
    """Two judged runs, or reports of any models or images.

    Raises:
        InputError: a run without a verdict.
    """
    configs = [side.config for side in (first, second) if isinstance(side, Run)]
    a, b = (_judged(side) for side in (first, second))
    why = apart(a, b)
    return Comparison(
        runs=(first.name, second.name),
        changed={**(changed(*configs) if len(configs) == 2 else {}), **sampled(a, b)},
        paired=None if why else on_same_noise(a, b),
        unpaired=unpaired(a, b),
        why=why,
    )


def _judged(side: Run | Report | Audit) -> Judged:
    if not isinstance(side, Run):
        return side
    report = side.report()
    if report is None or report.copies.rate is None:
        raise InputError(
            f"run '{side.name}' has no verdict to compare; run `python -m ambient evaluate "
            f"{side.path} --store` first."
        )
    return shaped(report, side.config)


@dataclass(frozen=True)
class Mean:
    """A mean over runs and its 95 % Student t interval.

    Attributes:
        low, high: infinite for a single value, which says nothing of others.
        count: how many values there are.
    """

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean | None:
        """The mean of the values; None without any."""
        n = len(values)
        return cls(math.fsum(values) / n, *student(values), n) if n else None
