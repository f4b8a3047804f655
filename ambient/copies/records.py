"""What is stored of a verdict: typed JSON, readable without torch or faiss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ambient.diffusion.records import Count, Interval, Share
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Record, encode_record, write_atomically

Distance = Annotated[float, Meta(ge=0)]


class Null(Record, frozen=True, kw_only=True):
    """The disjoint-split null: samples called copies of images that their model never saw."""

    n_train: Count
    rate: Share
    ci95: Interval


class Rule(Record, frozen=True, kw_only=True):
    """A copy rule, its threshold and what it found.

    Attributes:
        rate, ci95: copied share of the samples; None where too few images allow a rate.
        heldout_rate, heldout_ci95: its false alarms on images that are no copies.
    """

    threshold: float
    rate: Share | None
    ci95: Interval | None
    heldout_rate: Share | None
    heldout_ci95: Interval | None
    null: Null | None = None

    def __post_init__(self) -> None:
        shares = (self.rate, self.ci95, self.heldout_rate, self.heldout_ci95)
        if len({share is None for share in shares}) > 1:
            raise InputError("a rule has some of its rates; expected all of them, or none")

    @property
    def rated(self) -> RatedRule:
        """The same rule, for who needs its rates.

        Raises:
            InputError: it has none.
        """
        if self.rate is None:
            raise InputError("too few images for a rate; see the report's warnings.")
        return msgspec.convert(self, RatedRule, from_attributes=True)


class SimilarityRule(Rule, frozen=True, kw_only=True):
    """The rule of cosine similarity in a feature space."""

    features: str


class RatedRule(Rule, frozen=True, kw_only=True):
    """A rule that reached rates; `features` is '' for the rule of pixels."""

    rate: Share
    ci95: Interval
    heldout_rate: Share
    heldout_ci95: Interval
    features: str = ""

    @property
    def shows_copies(self) -> bool:
        """Whether the interval of the copied share lies above that of false alarms."""
        return self.ci95[0] > self.heldout_ci95[1]


class Agreement(Record, frozen=True, kw_only=True):
    """How many samples both rules, one alone, or neither call a copy."""

    both: Count
    ratio_only: Count
    similarity_only: Count
    neither: Count


class Copies(Record, frozen=True, kw_only=True):
    """The verdicts of all rules. `others`: the similarity rule in further feature spaces."""

    ratio: Rule
    similarity: SimilarityRule | None = None
    agreement: Agreement | None = None
    others: tuple[SimilarityRule, ...] = ()

    @property
    def rate(self) -> float | None:
        """Copied share by the rule of pixels; None where too few images allow a rate."""
        return self.ratio.rate

    @property
    def low(self) -> float | None:
        """The lower end of the 95 % interval of `rate`."""
        return self.ratio.ci95[0] if self.ratio.ci95 else None

    @property
    def high(self) -> float | None:
        """The upper end of the 95 % interval of `rate`."""
        return self.ratio.ci95[1] if self.ratio.ci95 else None


class Quality(Record, frozen=True, kw_only=True):
    """Distances of samples to held-out images, in a feature space.

    Attributes:
        n_reference: held-out images that are compared with.
        frechet, kid, density, coverage, swd: of the samples; with `_train`, of training images
            drawn with replacement; with `_heldout`, of other held-out images. Frechet distances
            are None where a set has no more images than features.
    """

    features: str
    n_reference: Count | None = None
    frechet: float | None = None
    kid: float | None = None
    density: float | None = None
    coverage: float | None = None
    swd: float | None = None
    frechet_ci95: Interval | None = None
    kid_ci95: Interval | None = None
    frechet_train: float | None = None
    kid_train: float | None = None
    density_train: float | None = None
    coverage_train: float | None = None
    swd_train: float | None = None
    frechet_heldout: float | None = None
    kid_heldout: float | None = None
    density_heldout: float | None = None
    coverage_heldout: float | None = None
    swd_heldout: float | None = None


class JudgedImage(Record, frozen=True, kw_only=True):
    """One sample beside the training and held-out images nearest to it.

    Attributes:
        nearest, second: positions of training images, the second from another twin group.
        d1, d2, ratio: their L2 distances over pixels in [-1, 1], and d1/d2.
        similarity: the largest cosine similarity of its features to a training image's.
        copy, copy_by_similarity: the verdicts of both rules.
        nearest_heldout, d_heldout: position and distance of the nearest held-out image.
    """

    nearest: Count
    second: Count
    d1: Distance
    d2: Distance
    ratio: Distance
    similarity: float | None = None
    copy: bool
    copy_by_similarity: bool | None = None
    nearest_heldout: Count | None
    d_heldout: Distance | None


class Sample(JudgedImage, frozen=True, kw_only=True):
    """A judged image of a model, from the noise of its seed."""

    seed: Count


class CorpusFacts(Record, frozen=True, kw_only=True):
    """The images that a verdict compares with."""

    name: str
    n_train: Count
    n_heldout: Count
    sha256: str


class Verdicts(Record, frozen=True, kw_only=True):
    """What `judge_images` finds.

    Attributes:
        calibrated_on: the images that no rule may call copies; None without enough of them.
        heldout_ratios: d1/d2 of these.
        samples: in the order they were given.
        most_similar: the training image nearest to each sample in features; None without.
    """

    copies: Copies
    quality: Quality | None
    calibrated_on: str | None
    warnings: tuple[str, ...]
    heldout_ratios: tuple[float, ...]
    samples: tuple[JudgedImage, ...]
    most_similar: tuple[int, ...] | None


class Judged(Record, frozen=True, kw_only=True):
    """What the reports of models and of files have in common."""

    checkpoint_sha256: str | None
    corpus: CorpusFacts
    shape: tuple[Count, Count, Count] | None = None
    n_samples: Count
    sampler: SamplerConfig | None = None
    seed: Count
    copies: Copies
    quality: Quality | None = None
    calibrated_on: str | None = None
    warnings: tuple[str, ...]
    heldout_ratios: tuple[float, ...]
    samples: tuple[JudgedImage, ...]

    def save(self, path: str | Path) -> None:
        """Write the report as JSON, in one move."""
        write_atomically(Path(path), encode_record(self))


class Report(Judged, frozen=True, kw_only=True):
    """report.json: the verdict on a run's samples, or on those of another model (`step` None)."""

    run: str
    step: Count | None = None
    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """What was judged."""
        return self.run
