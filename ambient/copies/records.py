"""What is stored of a verdict: typed JSON, readable without torch or faiss."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ambient.copies.asked import Prompts
from ambient.copies.guises import Orbit
from ambient.diffusion.records import Count, Interval, Share
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Record, encode_record, write_atomically

Distance = Annotated[float, Meta(ge=0)]


class Null(Record, frozen=True, kw_only=True):
    """The disjoint-split null: samples called copies of images that their model never saw."""

    n_train: Count
    rate: Share
    ci95: Interval


class Rates(Record, frozen=True, kw_only=True):
    """A threshold, and what a rule finds at it.

    Attributes:
        rate, ci95: copied share of the samples; None where too few images allow a rate.
        heldout_rate, heldout_ci95: its false alarms on images that are no copies.
    """

    threshold: float
    rate: Share | None
    ci95: Interval | None
    heldout_rate: Share | None
    heldout_ci95: Interval | None

    def __post_init__(self) -> None:
        shares = (self.rate, self.ci95, self.heldout_rate, self.heldout_ci95)
        if len({share is None for share in shares}) > 1:
            raise InputError("a rule has some of its rates; expected all of them, or none")


class Rule(Rates, frozen=True, kw_only=True):
    """A copy rule."""

    null: Null | None = None

    @property
    def rated(self) -> RatedRule:
        """The same rule, for who needs its rates.

        Raises:
            InputError: it has none.
        """
        if self.rate is None:
            raise InputError("too few images for a rate; see the report's warnings.")
        return msgspec.convert(self, RatedRule, from_attributes=True)


class OperatingPoint(Rates, frozen=True, kw_only=True):
    """The aligned rule at a share of false alarms.

    Attributes:
        false_alarms: the share of unseen images that it may call copies.
        promised: what calibration on so many unseen images can promise; more where they are few.
    """

    false_alarms: Share
    promised: Share


class Missed(Record, frozen=True, kw_only=True):
    """Plants of one kind (`ambient.copies.missed`) that a rule does not call copies.

    Attributes:
        kind: what was done to training images.
        false_alarms: the operating point of the aligned rule; None: the strict rule.
        n: so many were planted.
        rate, ci95: the share that is missed.
    """

    kind: str
    false_alarms: Share | None
    n: Count
    rate: Share
    ci95: Interval


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


class Agreement(Record, frozen=True, kw_only=True):
    """How many samples both rules, one alone, or neither call a copy."""

    both: Count
    ratio_only: Count
    similarity_only: Count
    neither: Count


class Copies(Record, frozen=True, kw_only=True):
    """The verdicts of all rules.

    Attributes:
        ratio: the aligned ratio at 1 % false alarms, by which `JudgedImage.copy` is set.
        operating: the same at other shares of false alarms.
        missed: what the rules miss of plants; empty where nobody planted any.
        strict: d1/d2 < 1/3 of pixels as they are.
        orbit: moves of the training that count as copies; None: no more than of any copy.
        similarity: the similarity rule.
    """

    ratio: Rule
    operating: tuple[OperatingPoint, ...] = ()
    missed: tuple[Missed, ...] = ()
    strict: Rule | None = None
    orbit: Orbit | None = None
    similarity: SimilarityRule | None = None
    agreement: Agreement | None = None

    @property
    def rate(self) -> float | None:
        """Copied share by the aligned ratio; None where too few images allow a rate."""
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
    """Distances of samples to held-out images, smaller is better; `ambient.copies.quality`.

    With `_train` a field is that of training images drawn again, a perfect copier's; with
    `_heldout` that of other held-out images, a perfect model's.

    Attributes:
        features: the network's; distances of others don't compare.
        n_reference: held-out images that are compared with.
        kid: kernel distance, unbiased whatever the number of images.
        kid_noncopies: that of the samples that are no copies; None of too few.
        frechet: of so many images at a time that it compares; None of fewer.
        fld_gap: how much likelier held-out images are than training images; negative of a copier.
        told_apart: how often a linear reader of texture ranks a sample and an unseen image right:
            0.5 is guessing; None of fewer than 400 images.
    """

    features: str
    n_reference: Count | None = None
    kid: float | None = None
    kid_ci95: Interval | None = None
    kid_noncopies: float | None = None
    kid_noncopies_ci95: Interval | None = None
    kid_train: float | None = None
    kid_heldout: float | None = None
    frechet: float | None = None
    frechet_train: float | None = None
    frechet_heldout: float | None = None
    fld_gap: float | None = None
    fld_gap_heldout: float | None = None
    told_apart: float | None = None
    told_apart_ci95: Interval | None = None


class JudgedImage(Record, frozen=True, kw_only=True):
    """One sample beside the training and held-out images nearest to it.

    Attributes:
        nearest, second: positions of training images by the aligned rule, the second from another
            twin group.
        d1, d2: their L2 distances over pixels in [-1, 1], as they are.
        ratio: the aligned ratio (`ambient.copies.aligned`).
        similarity: the largest cosine similarity of its features to a training image's.
        copy, copy_by_similarity: the verdicts of both rules.
        resembles: no copy, but below the threshold of 5 % false alarms.
        strict: a copy by d1/d2 < 1/3 of pixels as they are, to whichever images are nearest so.
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
    resembles: bool = False
    strict: bool | None = None
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
        heldout_ratios, heldout_nearest: aligned ratios of these, and the training images nearest
            to them.
        samples: in the order they were given.
        most_similar: the training image nearest to each sample in features; None without.
    """

    copies: Copies
    quality: Quality | None
    calibrated_on: str | None
    warnings: tuple[str, ...]
    heldout_ratios: tuple[float, ...]
    heldout_nearest: tuple[int, ...]
    samples: tuple[JudgedImage, ...]
    most_similar: tuple[int, ...] | None


class Rejection(Record, frozen=True, kw_only=True):
    """Samples that were drawn again while they were copies.

    Attributes:
        threshold: below which aligned ratio a sample was one.
        false_alarms: of unseen images, that calibration on so many promises.
        tries: draws of one sample at most.
        draws: of all samples together.
        left: samples that were copies at their last draw too.
    """

    threshold: Distance
    false_alarms: Share
    tries: Count
    draws: Count
    left: Count


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
    prompts: Prompts | None = None  # of a run with text
    rejection: Rejection | None = None
    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """What was judged."""
        return self.run
