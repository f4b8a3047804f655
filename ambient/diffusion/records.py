"""What is stored of noise levels: typed JSON, readable without torch."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ambient.files import Record

Share = Annotated[float, Meta(ge=0, le=1)]
Error = Annotated[float, Meta(ge=0)]
Sigma = Annotated[float, Meta(gt=0)]


class ClosedForms(Record, frozen=True, kw_only=True):
    """What the data alone give away at a noise level, before any training.

    Attributes:
        loss_ideal: error an element of the memorizing ideal denoiser on training images.
        posterior_max: mean of the largest posterior weight, 1/n to 1.
        coverage: share of noised unseen images that pass for a noised training image.
        leakage: share of an image's identity that its noisy version gives away.
        image_leakage_bound: nats about the image in its noisy version, at most.
    """

    sigma: Sigma
    loss_ideal: Error
    posterior_max: Share
    coverage: Share
    leakage: Share
    image_leakage_bound: Error | None = None
