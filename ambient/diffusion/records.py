"""What is stored of noise levels: typed JSON, readable without torch."""

from typing import Annotated

from msgspec import Meta

from ambient.diffusion.schedule import SamplerConfig
from ambient.files import Record

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Error = Annotated[float, Meta(ge=0)]
Sigma = Annotated[float, Meta(gt=0)]
Interval = tuple[float, float]  # the ends of a 95 % interval


class ClosedForms(Record, frozen=True, kw_only=True):
    """What the data alone give away at a noise level, before any training."""

    sigma: Sigma
    loss_ideal: Error  # error an element of the memorizing ideal denoiser on training images
    posterior_max: Share  # mean of the largest posterior weight, 1/n to 1
    coverage: Share  # share of noised unseen images that pass for a noised training image
    leakage: Share  # share of an image's identity that its noisy version gives away
    image_leakage_bound: Error | None = None  # nats about the image in its noisy version, at most


class Level(ClosedForms, frozen=True, kw_only=True):
    """A noise level of a trained network."""

    # loss_train, loss_heldout: mean squared error an element
    loss_train: Error
    loss_heldout: Error
    gap_ratio: Error | None  # their ratio; None where the network makes no error on training images
    loss_train_ci95: Interval | None = None
    loss_heldout_ci95: Interval | None = None
    gap_ratio_ci95: Interval | None = None
    # return_train, return_heldout, return_generated: shares of the images that came back; None at
    # levels below the end of sampling
    return_train: Share | None = None
    return_heldout: Share | None = None
    return_generated: Share | None = None
    return_train_ci95: Interval | None = None
    return_heldout_ci95: Interval | None = None
    return_generated_ci95: Interval | None = None
    # training draws a unit of ln sigma; None where nobody knows them
    train_density: Error | None = None


class Subset(Record, frozen=True, kw_only=True):
    """The images whose errors and returns were measured."""

    # train, heldout: positions in the split, for the errors
    train: tuple[Count, ...]
    heldout: tuple[Count, ...]
    # return_train, return_heldout: positions, for the returns
    return_train: tuple[Count, ...] = ()
    return_heldout: tuple[Count, ...] = ()
    noises: Count  # a noised image's error is a mean over this many
    seed: int = 0


class Curves(Record, frozen=True, kw_only=True):
    """curves.json: one network at every noise level."""

    run: str
    step: Count | None = None
    checkpoint_sha256: str | None = None
    cutoff: Error
    subset: Subset
    return_sampler: SamplerConfig | None = None
    sampler_sigmas: tuple[Sigma, ...] = ()
    levels: tuple[Level, ...]

    @property
    def widest_gap(self) -> Level | None:
        """The level where unseen images cost most more than training images do."""
        known = [(level.gap_ratio, level) for level in self.levels if level.gap_ratio is not None]
        return max(known, key=lambda pair: pair[0])[1] if known else None
