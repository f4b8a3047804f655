"""A network trained elsewhere as a feature space: its weights are downloaded once and checked.

The code is that of timm; nothing that is downloaded is executed.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.client import HTTPException
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ambient.copies.spaces import OFFLINE
from ambient.files import InputError

TIMEOUT = 10.0  # seconds a server may be silent


def to_rgb(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
    """Gray becomes RGB."""
    return repeat(x, "b 1 h w -> b c h w", c=3) if x.shape[1] == 1 else x


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
    ) -> None:
        super().__init__()
        self.network = network
        self.side = side
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """Features of pictures in [-1, 1], c = 1 or 3, by the network's view of [0, 1]."""
        x = (to_rgb(x) + 1) / 2
        x = F.interpolate(x, (self.side, self.side), mode="bicubic", antialias=True).clamp(0, 1)
        return self.network((x - self.mean) / self.std).float()


DINOV2 = "dinov2-vits14"
DINOV2_URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth"
DINOV2_SHA256 = "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9"
PATCH, SIDE = 14, 224  # of DINOv2, in pixels
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cache
def load_dinov2() -> Pretrained:
    """DINOv2 ViT-S/14 (Oquab et al. 2023), its class token: its own weights in timm's network.

    Raises:
        InputError: timm is not installed, or as `fetch_weights`.
    """
    try:
        from timm import create_model
    except ImportError as e:
        raise InputError(
            f"'{DINOV2}' needs the package timm; run `pip install -r requirements-models.txt`, or "
            f"use {OFFLINE}, which need no network."
        ) from e
    state = fetch_weights(DINOV2, DINOV2_URL, DINOV2_SHA256)
    state.pop("mask_token", None)  # of its training alone
    state["pos_embed"] = resized(state["pos_embed"], SIDE // PATCH)
    network = create_model("vit_small_patch14_dinov2", img_size=SIDE, num_classes=0)
    network.load_state_dict(state)
    return Pretrained(network, SIDE, IMAGENET_MEAN, IMAGENET_STD)


def resized(positions: Float[Tensor, "1 n d"], side: int) -> Float[Tensor, "1 m d"]:
    """A class token and a square grid of positions, the grid with `side` positions a side.

    By DINOv2's own interpolation, whose factor has a tenth of a position added against rounding.
    """
    token, grid = positions[:, :1], positions[:, 1:]
    known = math.isqrt(grid.shape[1])
    grid = rearrange(grid, "1 (h w) d -> 1 d h w", h=known)
    grid = F.interpolate(grid, scale_factor=(side + 0.1) / known, mode="bicubic")
    return torch.cat([token, rearrange(grid, "1 d h w -> 1 (h w) d")], dim=1)


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
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
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
