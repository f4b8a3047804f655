"""Samples as a file: npz with their seeds, or one picture of them all."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from einops import rearrange, repeat
from PIL import Image

from ambient.files import InputError
from ambient.runs.folder import as_picture


def check_samples_path(path: Path) -> Path:
    """Refuse a name that `write_samples` could not write, before any work is done.

    Raises:
        InputError: neither .npz nor .png, or a folder that is not there.
    """
    if path.suffix not in (".npz", ".png"):
        raise InputError(f"--out is '{path}'; expected a name ending in .npz or .png.")
    if not path.parent.is_dir():
        raise InputError(f"'{path.parent}' is no folder; create it or choose another --out.")
    return path


def write_samples(path: Path, images: np.ndarray, seeds: np.ndarray) -> None:
    """`images` uint8 (n, h, w, c) and `seeds` int64 (n,) as npz, or the images as one PNG grid."""
    scratch = path.with_name(f".{path.stem}.part{path.suffix}")
    if check_samples_path(path).suffix == ".npz":
        np.savez_compressed(scratch, images=images, seeds=seeds.astype(np.int64))
    else:
        _grid(images).save(scratch)
    scratch.replace(path)


def _grid(images: np.ndarray) -> Image.Image:
    """Pictures in a near-square grid, each about 64 pixels high, pixels kept sharp."""
    factor = max(1, 64 // images.shape[1])
    tiles = repeat(images, "n h w c -> n (h i) (w j) c", i=factor, j=factor)
    tiles = np.pad(tiles, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    columns = math.isqrt(len(tiles) - 1) + 1
    missing = -len(tiles) % columns
    tiles = np.pad(tiles, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    return as_picture(rearrange(tiles, "(a b) h w c -> (a h) (b w) c", b=columns))
