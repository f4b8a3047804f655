"""Feature spaces by name: what turns a picture into the numbers that are compared.

Cosine similarity of features finds copies that pixel distances miss. The default is a small bundled
network whose 64 numbers survive mirroring and small shifts: `scripts/train_encoder.py` makes its
weights, `assets/encoder/report.json` says how well they work. DINOv2 is downloaded when first asked
for. Features of bundled pictures are stored (assets/features).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ambient.copies.pretrained import DINOV2, load_dinov2, reason, to_rgb
from ambient.copies.spaces import FEATURES, find_space
from ambient.files import ASSETS, InputError, Tell
from ambient.images.corpus import BUNDLED, load_corpus, to_unit
from ambient.images.read import MIN_SIDE

FOLDER = ASSETS / "features"  # `python -m scripts.build_stored`
DIM = 64  # a covariance of 64 features has full rank from 65 images on, so 400 samples will do
WEIGHTS = ASSETS / "encoder" / "encoder.safetensors"
BATCH = 64  # stays in cache; a third faster than 256
AT_ONCE = 128  # pictures between two words on how far it is

SIDE = 32  # every picture is seen at this size
REACH = 2  # pixels of 32
MOVES = ((-REACH, 0), (REACH, 0), (0, -REACH), (0, REACH))
GROUP = 16  # channels in one GroupNorm group

Rows = Float[np.ndarray, "n d"]
N = TypeVar("N", bound=nn.Module)
Known = dict[bytes, Float[np.ndarray, " d"]]  # features by a picture's bytes


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
    x = to_rgb(x)
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    return x.contiguous(memory_format=torch.channels_last)


def views(x: Float[Tensor, "b 3 32 32"]) -> Iterator[Float[Tensor, "b 3 32 32"]]:
    """The picture moved in each direction, and its mirror image likewise."""
    for picture in (x, x.flip(-1)):
        padded = F.pad(picture, (REACH,) * 4, mode="replicate")
        for dy, dx in MOVES:
            yield padded[:, :, REACH + dy : REACH + dy + SIDE, REACH + dx : REACH + dx + SIDE]


@cache
def load_encoder() -> Encoder:
    """The bundled encoder, frozen, in eval mode and float32.

    Raises:
        InputError: its file is missing or damaged.
    """
    return read_encoder(WEIGHTS)


def read_encoder(path: Path) -> Encoder:
    """An encoder from a safetensors file (see `load_encoder`)."""
    return filled(Encoder(), path, "the encoder's weights", "python -m scripts.train_encoder")


def filled(network: N, path: Path, what: str, command: str) -> N:
    """The network with the weights of a safetensors file, frozen, in eval mode and float32.

    Raises:
        InputError: the file is missing or damaged; it says what it should hold, and which command
            builds it.
    """
    try:
        network.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    except (SafetensorError, OSError, RuntimeError) as e:
        raise InputError(
            f"'{path}' does not hold {what} ({reason(e)}); restore the file or rebuild it with "
            f"`{command}`."
        ) from e
    return network.requires_grad_(False).eval()


def flatten_pixels(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
    """The picture itself, in the order of `ambient.images.corpus.to_rows`."""
    return rearrange(x, "b c h w -> b (c h w)")


LOADERS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    FEATURES: load_encoder,
    "pixels": lambda: flatten_pixels,
    DINOV2: load_dinov2,
}


def load_space(name: str) -> Callable[[Tensor], Tensor]:
    """The map from float32 (b, c, h, w) in [-1, 1], c = 1 or 3, to float32 (b, d).

    Raises:
        InputError: no such space, or its weights can't be had.
    """
    return LOADERS[find_space(name).name]()


def encode(
    images: UInt8[np.ndarray, "n h w c"], features: str = FEATURES
) -> Float[np.ndarray, "n d"]:
    """Features of pictures.

    Args:
        images: uint8 (n, h, w, c), c = 1 or 3, sides of at least 8 pixels.
        features: a name in `SPACES`; DINOv2 downloads its weights on first use.

    Returns:
        float32 (n, d). A picture's features don't depend on what else is in the batch.

    Raises:
        InputError: another type or shape, an unknown name, or weights that can't be had.
    """
    space = find_space(features)
    check_pictures(images)
    h, w = images.shape[1:3]
    if min(h, w) < MIN_SIDE:
        raise InputError(
            f"images are {h}x{w} pixels; expected sides of at least {MIN_SIDE}. Use larger ones."
        )
    return looked_at(images, load_space(features), space.dim_of(images.shape))


def check_pictures(images: NDArray[Any]) -> None:
    """Raises InputError where these are no bytes (n, h, w, c), c = 1 or 3."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise InputError(
            f"images are {images.dtype} {images.shape}; expected uint8 (n, h, w, 1) or "
            "(n, h, w, 3). Convert [-1, 1] pictures with ambient.images.corpus.to_bytes."
        )


def looked_at(
    images: UInt8[np.ndarray, "n h w c"], look: Callable[[Tensor], Tensor], dim: int
) -> Rows:
    """The numbers, float32 (n, dim), that a network sees in pictures, a few at a time."""
    with torch.inference_mode():
        parts = [
            look(torch.from_numpy(to_unit(images[i : i + BATCH]))).numpy()
            for i in range(0, len(images), BATCH)
        ]
    return np.concatenate([np.zeros((0, dim), np.float32), *parts])


def features_of(
    images: UInt8[np.ndarray, "n h w c"], features: str = FEATURES
) -> Float[np.ndarray, "n d"]:
    """What `encode` returns, and as it raises; bundled pictures are looked up."""
    known = _stored(images.shape[1:]) if features == FEATURES else {}
    return looked_up(images, known, partial(encode, features=features))


def in_turn(
    sets: Sequence[UInt8[np.ndarray, "_ h w c"]],
    read: Callable[[NDArray[np.uint8]], Rows],
    part: str,
    tell: Tell,
) -> Iterator[Rows]:
    """Features of each set, a few pictures between two words on how far `part` is."""
    done, total = 0, sum(map(len, sets))
    for images in sets:
        rows = []
        for start in range(0, max(len(images), 1), AT_ONCE):
            rows.append(read(images[start : start + AT_ONCE]))
            done += len(rows[-1])
            tell(part, done, total)
        yield np.concatenate(rows)


def looked_up(
    images: UInt8[np.ndarray, "n h w c"], known: Known, compute: Callable[..., Rows]
) -> Float[np.ndarray, "n d"]:
    """Features of pictures by their bytes, those that are not known computed."""
    rows = {i: known[key] for i, key in enumerate(map(bytes, images)) if key in known}
    if not rows:
        return compute(images)
    others = np.setdiff1d(np.arange(len(images)), list(rows))
    found = np.empty((len(images), len(next(iter(rows.values())))), np.float32)
    found[list(rows)] = list(rows.values())
    if len(others):
        found[others] = compute(images[others])
    return found


def stored(
    ending: str, weights: Path, key: str, shape: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.uint8], Mapping[str, NDArray[Any]]]]:
    """Bundled pictures (n, h, w, c) of a shape (h, w, c), and what is stored of their features;
    nothing that other weights made.

    Args:
        ending: of the files' names, after that of the corpus.
        key: under which they name the hash of the weights.
    """
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    for name in BUNDLED:
        corpus, file = load_corpus(name), FOLDER / f"{name}{ending}.npz"
        if corpus.images.shape[1:] != shape or not file.exists():
            continue
        with np.load(file, allow_pickle=False) as found:
            if str(found[key]) == sha256:
                yield corpus.images, found


@cache
def _stored(shape: tuple[int, ...]) -> Known:
    """Features of bundled pictures (h, w, c) by their bytes."""
    found: Known = {}
    for images, file in stored("", WEIGHTS, "encoder_sha256", shape):
        found |= zip(map(bytes, images), file["features"], strict=True)
    return found
