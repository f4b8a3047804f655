"""A small network that turns a picture into 64 numbers which survive mirroring and small shifts.

Cosine similarity of these features finds copies that pixel distances miss, and quality is measured
between clouds of them. `scripts/train_encoder.py` makes the weights; `assets/encoder/report.json`
says how well they work.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce, repeat
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ambient.corpus import ASSETS, MIN_SIDE, to_unit
from ambient.errors import InputError

FEATURES = "encoder-64"  # the name written into reports; new weights need a new name
DIM = 64  # a covariance of 64 features has full rank from 65 images on, so 400 samples will do
WEIGHTS = ASSETS / "encoder" / "encoder.safetensors"
BATCH = 64  # stays in cache; a third faster than 256

SIDE = 32  # every picture is seen at this size
REACH = 2  # pixels of 32
MOVES = ((-REACH, 0), (REACH, 0), (0, -REACH), (0, REACH))
GROUP = 16  # channels in one GroupNorm group


def conv3(c_in: int, c_out: int) -> nn.Conv2d:
    """A 3x3 convolution that continues the edge outward: zeros would mark where the frame is."""
    return nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode="replicate")


class ConvBlock(nn.Module):
    """Two 3x3 convolutions with GroupNorm around a skip."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = conv3(c_in, c_out)
        self.norm1 = nn.GroupNorm(c_out // GROUP, c_out)
        self.conv2 = conv3(c_out, c_out)
        self.norm2 = nn.GroupNorm(c_out // GROUP, c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k h w"]:
        h = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.skip(x) + self.norm2(self.conv2(h)))


class Encoder(nn.Module):
    """Gray or RGB pictures of any size to 64 features.

    They are averaged over eight views, so that a mirrored picture has the very same features and
    one shifted by a pixel or two nearly the same: whatever depends on how the picture falls on the
    grid of the three halvings averages out.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = conv3(3, width)
        widths = (width, width, 2 * width, 4 * width)
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.blocks = nn.ModuleList(ConvBlock(a, b) for a, b in pairs)
        self.head = nn.Linear(widths[-1], DIM)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 64"]:
        """Features of pictures in [-1, 1], c = 1 or 3, sides of at least 8 pixels."""
        x = standardize(x)
        return sum((self.look(view) for view in views(x)), x.new_zeros(())) / (2 * len(MOVES))

    def look(self, x: Float[Tensor, "b 3 32 32"]) -> Float[Tensor, "b 64"]:
        """Features of one view, as trained."""
        h = F.relu(self.stem(x))
        for block in self.blocks:
            h = block(F.avg_pool2d(h, 2))
        return self.head(reduce(h, "b c h w -> b c", "mean")).float()


def standardize(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 32 32"]:
    """Gray becomes RGB, and any size 32x32, by antialiased bilinear interpolation."""
    if x.shape[1] == 1:
        x = repeat(x, "b 1 h w -> b c h w", c=3)
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    return x.contiguous(memory_format=torch.channels_last)


def views(x: Float[Tensor, "b 3 32 32"]) -> Iterator[Float[Tensor, "b 3 32 32"]]:
    """The picture moved in each direction, and its mirror image likewise."""
    for picture in (x, x.flip(-1)):
        padded = F.pad(picture, (REACH,) * 4, mode="replicate")
        for dy, dx in MOVES:
            yield padded[:, :, REACH + dy : REACH + dy + SIDE, REACH + dx : REACH + dx + SIDE]


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """The bundled encoder, frozen, in eval mode and float32.

    Raises:
        InputError: its file is missing or damaged.
    """
    return read_encoder(WEIGHTS)


def read_encoder(path: Path) -> Encoder:
    """An encoder from a safetensors file (see `load_encoder`)."""
    encoder = Encoder()
    try:
        encoder.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    except (SafetensorError, OSError, RuntimeError) as e:
        reason = str(e).splitlines()[0]
        raise InputError(
            f"'{path}' does not hold the encoder's weights ({reason}); restore the file or rebuild "
            "it with `python scripts/train_encoder.py`."
        ) from e
    return encoder.requires_grad_(False).eval()


def encode(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 64"]:
    """Features of pictures by the bundled encoder.

    Args:
        images: uint8 (n, h, w, c), c = 1 or 3, sides of at least 8 pixels.

    Returns:
        float32 (n, 64). A picture's features don't depend on what else is in the batch.

    Raises:
        InputError: another type or shape.
    """
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(
            f"images are {images.dtype} {shape}; expected uint8 (n, h, w, 1) or (n, h, w, 3). "
            "Convert [-1, 1] pictures with ambient.corpus.to_bytes."
        )
    if min(shape[1:3]) < MIN_SIDE:
        raise InputError(
            f"images are {shape[1]}x{shape[2]} pixels; expected sides of at least {MIN_SIDE}. "
            "Use larger ones."
        )
    encoder = load_encoder()
    with torch.inference_mode():
        parts = [_encode_batch(encoder, images[i : i + BATCH]) for i in range(0, shape[0], BATCH)]
    return np.concatenate([np.zeros((0, DIM), np.float32), *parts])


def _encode_batch(encoder: Encoder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return encoder(torch.from_numpy(to_unit(images))).numpy()
