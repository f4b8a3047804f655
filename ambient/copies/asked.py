"""What is stored of prompts: typed JSON, readable without torch."""

from __future__ import annotations

from ambient.diffusion.records import Count, Interval, Share
from ambient.files import Record


class Asked(Record, frozen=True, kw_only=True):
    """Samples of one kind of prompt at one guidance.

    Attributes:
        kind: one of `KINDS` (`ambient.reports.prompts`).
        prompts: different ones.
        copies, copies_ci95: share by the report's rule; `strict` by d1/d2 < 1/3.
        own, own_ci95: share that copies an image trained with this very prompt; None where
            nothing was trained with it.
        kid, kid_noncopies: distance of all, and of those that are no copies, to unseen images.
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


class Prompts(Record, frozen=True, kw_only=True):
    """A report's section on prompts.

    Attributes:
        threshold: of the copy rule.
        features: those of `kid`.
        n_reference: unseen images, whose captions are not asked for, that `kid` compares with.
        asked: kind by kind.
    """

    threshold: float
    features: str
    n_reference: Count = 0
    asked: tuple[Asked, ...]
