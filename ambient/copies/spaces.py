"""Feature spaces by name, without torch: what they are, and how many numbers a picture gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ambient.files import InputError

FEATURES = "encoder-64"  # names are written into reports; new weights need a new name
QUALITY = "efficientnet-lite0-96"  # what quality is measured in (`ambient.copies.imagenet`)


@dataclass(frozen=True)
class FeatureSpace:
    """A named way from pictures to features.

    Attributes:
        name: as given to `encode` and written into reports.
        about: in a few words, for a list to choose from.
        dim: how many numbers a picture gets; None where each of its values is one.
        offline: it needs no download.
    """

    name: str
    about: str
    dim: int | None
    offline: bool = False

    def dim_of(self, shape: tuple[int, ...]) -> int:
        """How many numbers each of the images (n, h, w, c) gets."""
        return math.prod(shape[1:]) if self.dim is None else self.dim


SPACES = {
    space.name: space
    for space in (
        FeatureSpace(FEATURES, "the bundled encoder", 64, offline=True),
        FeatureSpace("pixels", "pixels again", None, offline=True),
        FeatureSpace("dinov2-vits14", "DINOv2 (downloaded)", 384),
    )
}
OFFLINE = " or ".join(name for name, space in SPACES.items() if space.offline)


def find_space(name: str) -> FeatureSpace:
    """The feature space of that name.

    Raises:
        InputError: there is none.
    """
    if name not in SPACES:
        raise InputError(
            f"'{name}' is no feature space; expected one of {', '.join(SPACES)}. Choose one."
        )
    return SPACES[name]
