"""What is stored of prompts: typed JSON, readable without torch."""

from __future__ import annotations

from ambient.diffusion.records import Count, Interval, Share
from ambient.files import Record


class Fit(Record, frozen=True, kw_only=True):
    """How often a probe finds that a picture shows what was asked for.

    Attributes:
        among: what it chooses from.
        rate, ci95: of the samples.
        ceiling: of the real images of the same captions; None where there are none.
        floor: of the same samples and the prompts dealt out anew.
    """

    among: Count
    rate: Share
    ci95: Interval
    ceiling: Share | None
    floor: Share


class Asked(Record, frozen=True, kw_only=True):
    """Samples of one kind of prompt at one guidance.

    Attributes:
        kind: one of `KINDS` (`ambient.reports.prompts`).
        prompts: different ones.
        copies, copies_ci95: share by the report's rule; `strict` by d1/d2 < 1/3.
        own, own_ci95: share that copies an image trained with this very prompt; None where
            nothing was trained with it.
        kid, kid_noncopies: distance of all, and of those that are no copies, to unseen images.
        precision: R-precision at 1, its own prompt before the others of its kind.
        category: the prompt's category before the other categories.
    """

    kind: str
    guidance: float
    n_samples: Count
    prompts: Count
    copies: Share
    copies_ci95: Interval
    strict: Share | None = None
    own: Share | None = None
    own_ci95: Interval | None = None
    kid: float | None = None
    kid_noncopies: float | None = None
    precision: Fit | None = None
    category: Fit | None = None


class Prompts(Record, frozen=True, kw_only=True):
    """A report's section on prompts.

    Attributes:
        threshold: of the copy rule.
        features: those of the probe and of `kid`.
        n_probe: unseen images, whose captions are not asked for, that the probe was fitted to.
        asked: kind by kind.
    """

    threshold: float
    features: str
    n_probe: Count
    asked: tuple[Asked, ...]


class Signal(Record, frozen=True, kw_only=True):
    """How well a number that needs no training image tells prompts that give copies.

    Attributes:
        auc: probability that a prompt that gives copies scores above an unseen one that does not.
        tpr: share of them above all but 1 % of the others.
        early_auc: with the scores of an early stage, which has learned nothing by heart: apart
            from 0.5, the signal tells kinds of prompts, not copies.
    """

    name: str
    auc: Share
    auc_ci95: Interval
    tpr: Share
    tpr_ci95: Interval
    early_auc: Share | None = None
    early_auc_ci95: Interval | None = None


class ScoredPrompt(Record, frozen=True, kw_only=True):
    """A prompt, how many of its samples are copies, and its scores by signal."""

    text: str
    kind: str
    copies: Count
    scores: dict[str, float]


class Signals(Record, frozen=True, kw_only=True):
    """prompts.json: what a run says of its prompts before anyone looks at a training image.

    Attributes:
        early_step: the stage of the control; None without one.
        seeds: samples a prompt, of which one copy makes a positive.
        positives, negatives: prompts compared; unseen captions that give no copy are negatives.
        signals: () where there are too few of either.
        warnings: why.
    """

    run: str
    step: Count
    early_step: Count | None
    checkpoint_sha256: str
    guidance: float
    seeds: Count
    threshold: float
    positives: Count
    negatives: Count
    signals: tuple[Signal, ...]
    prompts: tuple[ScoredPrompt, ...]
    warnings: tuple[str, ...] = ()
