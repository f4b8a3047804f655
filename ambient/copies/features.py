"""Feature spaces by name: what turns a picture into the numbers that are compared.

Cosine similarity of features finds copies that pixel distances miss, and quality is measured
between clouds of them. The default is a small bundled network whose 64 numbers survive mirroring
and small shifts: `scripts/train_encoder.py` makes its weights, `assets/encoder/report.json` says
how well they work. Networks trained elsewhere are downloaded when first asked for.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import socket
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ambient.errors import InputError
from ambient.images.corpus import ASSETS, to_unit
from ambient.images.read import MIN_SIDE

DEFAULT = "encoder-64"  # names are written into reports; new weights need a new name
FEATURES = DEFAULT
DIM = 64  # a covariance of 64 features has full rank from 65 images on, so 400 samples will do
WEIGHTS = ASSETS / "encoder" / "encoder.safetensors"
BATCH = 64  # stays in cache; a third faster than 256
TIMEOUT = 10.0  # seconds a server may be silent

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
    x = to_rgb(x)
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
    return x.contiguous(memory_format=torch.channels_last)


def to_rgb(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
    """Gray becomes RGB."""
    return repeat(x, "b 1 h w -> b c h w", c=3) if x.shape[1] == 1 else x


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
            "it with `python -m scripts.train_encoder`."
        ) from e
    return encoder.requires_grad_(False).eval()


class Pretrained(nn.Module):
    """A network trained elsewhere, behind the size and normalization it was trained with.

    The whole picture is resized to a square: cropping, as for classifying, would hide its edges.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        side: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        mode: str = "bilinear",
    ) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.mode = mode
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Features of pictures in [-1, 1], c = 1 or 3, by the network's view of [0, 1]."""
        x = (to_rgb(x) + 1) / 2
        x = F.interpolate(x, (self.side, self.side), mode=self.mode, antialias=True).clamp(0, 1)
        return self.network((x - self.mean) / self.std).float()


@dataclass(frozen=True)
class Backbone:
    """A torchvision classifier of ImageNet, to be used without its last layer.

    Attributes:
        weights: their full name; torchvision's `DEFAULT` may move, a feature space must not.
        last: the layer that is taken off.
        dim: how many numbers go into it.
        options: what the network's builder must be told to fit the weights.
    """

    weights: str
    last: str
    dim: int
    options: Mapping[str, Any] = field(default_factory=dict)


BACKBONES = {
    "resnet18": Backbone("ResNet18_Weights.IMAGENET1K_V1", "fc", 512),
    "resnet50": Backbone("ResNet50_Weights.IMAGENET1K_V2", "fc", 2048),
    "convnext-tiny": Backbone("ConvNeXt_Tiny_Weights.IMAGENET1K_V1", "classifier.2", 768),
    "inception-v3": Backbone(
        "Inception_V3_Weights.IMAGENET1K_V1",
        "fc",
        2048,
        {"transform_input": True, "init_weights": False},
    ),
}


@cache
def load_backbone(name: str) -> Pretrained:
    """A network of `BACKBONES`, its weights downloaded on first use.

    The weights of `inception-v3` are torchvision's, not the TensorFlow ones behind published FID
    numbers: distances between its features don't compare with those of papers.

    Raises:
        InputError: the weights can't be fetched, or their file is not the right one.
    """
    from torchvision import models

    backbone = BACKBONES[name]
    weights = models.get_weight(backbone.weights)
    sha256 = Path(weights.url).stem.rsplit("-", 1)[1]  # torchvision's files carry its beginning
    state = fetch_weights(name, weights.url, sha256)
    network = models.get_model(name.replace("-", "_"), weights=None, **backbone.options)
    network.load_state_dict(state)
    network.set_submodule(backbone.last, nn.Identity())
    seen = weights.transforms()
    return Pretrained(network, seen.crop_size[0], tuple(seen.mean), tuple(seen.std))


DINOV2 = "facebookresearch/dinov2"
DINOV2_COMMIT = "e1277af2ba9496fbadf7aec6eba56e8d882d1e35"
DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth"
DINOV2_SHA256 = "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@lru_cache(maxsize=1)
def load_dinov2() -> Pretrained:
    """DINOv2 ViT-S/14 (Oquab et al. 2023), its class token, downloaded on first use.

    This alone of all feature spaces runs code from the network: that of the repository
    github.com/facebookresearch/dinov2 at one fixed commit, by torch.hub.

    Raises:
        InputError: code or weights can't be fetched, or are not the right ones.
    """
    name = "dinov2-vits14"
    state = fetch_weights(name, DINOV2_URL, DINOV2_SHA256)
    try:
        with short_timeout(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts that speed up training
            network = torch.hub.load(
                f"{DINOV2}:{DINOV2_COMMIT}",
                "dinov2_vits14",
                pretrained=False,  # it would unpickle anything
                trust_repo=True,
                skip_validation=True,  # knows the newest commits of branches only
                verbose=False,
            )
        network.load_state_dict(state)
    except Exception as e:  # someone else's code raises whatever it likes
        folder = dinov2_code()
        address = f"https://github.com/{DINOV2}/archive/{DINOV2_COMMIT}.zip"
        raise InputError(
            f"the code of '{name}' could not be fetched or run ({reason(e)}); connect to the "
            f"network once, unpack {address} as {folder}, or use {OFFLINE}, which need no network."
        ) from e
    return Pretrained(network, 224, IMAGENET_MEAN, IMAGENET_STD, mode="bicubic")


def dinov2_code() -> Path:
    """Where torch.hub keeps the repository at that commit."""
    return Path(torch.hub.get_dir()) / f"{DINOV2.replace('/', '_')}_{DINOV2_COMMIT}"


def weights_file(url: str) -> Path:
    """Where torch.hub keeps what it downloads from there."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def fetch_weights(name: str, url: str, sha256: str) -> dict[str, Tensor]:
    """The tensors in a file of torch.hub's cache folder, downloaded if it isn't there.

    Args:
        name: of the feature space, for messages.
        url: where the file is; its last part is the file's name.
        sha256: how the file's hash begins. It is checked every time: features under one name
            come from one file, whoever put it there.

    Raises:
        InputError: no network, a download that broke off, or another file under that name.
    """
    path = weights_file(url)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with short_timeout():
                torch.hub.download_url_to_file(
                    url, str(path), hash_prefix=sha256, progress=sys.stderr.isatty()
                )
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, HTTPException, RuntimeError) as e:
        raise InputError(
            f"the weights of '{name}' could not be fetched from {url} ({reason(e)}); connect to "
            f"the network once, put that file into {path.parent}, or use {OFFLINE}, which need no "
            "network."
        ) from e
    if not found.startswith(sha256):
        raise InputError(
            f"'{path}' does not hold the weights of '{name}' (its sha256 begins with {found[:8]}, "
            f"expected {sha256[:8]}); delete it, and it is downloaded again from {url}."
        )
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as e:
        raise InputError(
            f"'{path}' holds more or less than plain weights ({reason(e)}); delete it, and it is "
            f"downloaded again from {url}."
        ) from e
    return state


@contextmanager
def short_timeout() -> Iterator[None]:
    """A silent server is given up after `TIMEOUT`; torch.hub by itself would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def reason(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def flatten_pixels(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
    """The picture itself, in the order of `ambient.images.corpus.to_rows`."""
    return rearrange(x, "b c h w -> b (c h w)")


@dataclass(frozen=True)
class FeatureSpace:
    """A named way from pictures to features.

    Attributes:
        name: as given to `encode` and written into reports.
        dim: how many numbers a picture gets; None where each of its values is one.
        load: the map from float32 (b, c, h, w) in [-1, 1], c = 1 or 3, to float32 (b, d); raises
            InputError where its weights can't be had.
        offline: it needs no download.
    """

    name: str
    dim: int | None
    load: Callable[[], Callable[[Tensor], Tensor]]
    offline: bool = False

    def dim_of(self, shape: tuple[int, ...]) -> int:
        """How many numbers each of the images (n, h, w, c) gets."""
        return int(np.prod(shape[1:])) if self.dim is None else self.dim


SPACES = {
    space.name: space
    for space in (
        FeatureSpace(DEFAULT, DIM, load_encoder, offline=True),
        FeatureSpace("pixels", None, lambda: flatten_pixels, offline=True),
        FeatureSpace("dinov2-vits14", 384, load_dinov2),
        *(FeatureSpace(k, b.dim, partial(load_backbone, k)) for k, b in BACKBONES.items()),
    )
}
OFFLINE = " or ".join(name for name, space in SPACES.items() if space.offline)


def available() -> list[str]:
    """Names in `SPACES` that need no network here and now: bundled ones, and those fetched before.

    A network that is there and damaged counts; its `load` says so.
    """
    from torchvision import models

    files = {name: weights_file(models.get_weight(b.weights).url) for name, b in BACKBONES.items()}
    there = {name for name, file in files.items() if file.exists()}
    if weights_file(DINOV2_URL).exists() and dinov2_code().is_dir():
        there.add("dinov2-vits14")
    return [name for name, space in SPACES.items() if space.offline or name in there]


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


def encode(
    images: UInt8[np.ndarray, "n h w c"], features: str = DEFAULT
) -> Float[np.ndarray, "n d"]:
    """Features of pictures.

    Args:
        images: uint8 (n, h, w, c), c = 1 or 3, sides of at least 8 pixels.
        features: a name in `SPACES`. All but encoder-64 and pixels download weights on first use,
            and dinov2-vits14 runs downloaded code (see `load_dinov2`).

    Returns:
        float32 (n, d). A picture's features don't depend on what else is in the batch.

    Raises:
        InputError: another type or shape, an unknown name, or weights that can't be had.
    """
    space = find_space(features)
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(
            f"images are {images.dtype} {shape}; expected uint8 (n, h, w, 1) or (n, h, w, 3). "
            "Convert [-1, 1] pictures with ambient.images.corpus.to_bytes."
        )
    if min(shape[1:3]) < MIN_SIDE:
        raise InputError(
            f"images are {shape[1]}x{shape[2]} pixels; expected sides of at least {MIN_SIDE}. "
            "Use larger ones."
        )
    look = space.load()
    with torch.inference_mode():
        parts = [
            look(torch.from_numpy(to_unit(images[i : i + BATCH]))).numpy()
            for i in range(0, shape[0], BATCH)
        ]
    return np.concatenate([np.zeros((0, space.dim_of(shape)), np.float32), *parts])
