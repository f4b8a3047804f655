"""Augmentation that leaks neither into samples nor through the cutoff.

Every move is an orthogonal map of the pixels. A moved frozen copy is therefore clean image plus
white noise as before, and says nothing new about its image; a copy redrawn for the moved image
would, and k of them weaken the cutoff to cutoff / sqrt(k). The network is told each move and, when
it samples, told of none (Karras et al. 2022, appendix F.2).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

PROBABILITY = 0.5  # of each kind of move
REACH = 4  # pixels that a picture is shifted by at most, along each axis

GRAY = 1 / math.sqrt(3)  # each part of the unit vector along the gray axis
# v -> gray x v: with it, turns about the gray axis are I + sin K + (1 - cos) K^2 (Rodrigues).
TURN = ((0.0, -GRAY, GRAY), (GRAY, 0.0, -GRAY), (-GRAY, GRAY, 0.0))


@dataclass(frozen=True)
class Moves:
    """How each image of a batch is moved."""

    mirrored: Bool[Tensor, " b"]  # left and right exchanged
    # down, right: pixels of a circular shift
    down: Int[Tensor, " b"]
    right: Int[Tensor, " b"]
    # radians of a turn of colors about the gray axis; read for images of three channels
    hue: Float[Tensor, " b"]

    def apply(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The moved images; those that do not move stay as they are, to the bit."""
        mirrored = self.mirrored.to(images.device)[:, None, None, None]
        images = torch.where(mirrored, images.flip(-1), images)
        images = shifted(shifted(images, self.down, 2), self.right, 3)
        return turned(images, self.hue) if images.shape[1] == 3 else images

    def numbers(self, side: int, channels: int) -> Float[Tensor, "b 7"]:
        """What the network is told: zeros where nothing moves.

        Mirrored or not; then cos - 1 and sin of three angles: of both shifts, for which the
        whole `side` is one turn, and of the hue.
        """
        hue = self.hue if channels == 3 else torch.zeros_like(self.hue)
        angles = torch.stack([self.down, self.right], 1) * (2 * math.pi / side)
        angles = torch.cat([angles, hue[:, None]], dim=1)
        parts = torch.stack([angles.cos() - 1, angles.sin()], dim=2).flatten(1)
        return torch.cat([self.mirrored[:, None].float(), parts], dim=1)


def draw_moves(b: int, generator: torch.Generator) -> Moves:
    """Moves for b images, each kind with probability 1/2 and uniform in size."""

    def some() -> Tensor:
        return torch.rand(b, generator=generator) < PROBABILITY

    mirrored, shift, turn = some(), some(), some()
    down, right = torch.randint(-REACH, REACH + 1, (2, b), generator=generator) * shift
    hue = (2 * torch.rand(b, generator=generator) - 1) * math.pi * turn
    return Moves(mirrored, down, right, hue)


def shifted(
    images: Float[Tensor, "b c h w"], by: Int[Tensor, " b"], dim: int
) -> Float[Tensor, "b c h w"]:
    """Each image rolled by its own number of pixels along `dim` (2 or 3), like `torch.roll`."""
    side = images.shape[dim]
    source = (torch.arange(side) - by[:, None]).remainder(side).to(images.device)
    source = source[:, None, :, None] if dim == 2 else source[:, None, None, :]
    return images.gather(dim, source.expand(images.shape))


def turned(
    images: Float[Tensor, "b 3 h w"], angle: Float[Tensor, " b"]
) -> Float[Tensor, "b 3 h w"]:
    """Each image with its colors turned about the gray axis: grays stay, lengths stay."""
    turn = torch.tensor(TURN)
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    matrices = (torch.eye(3) + sin * turn + (1 - cos) * (turn @ turn)).to(images.device)
    return torch.einsum("bij,bjhw->bihw", matrices, images)
