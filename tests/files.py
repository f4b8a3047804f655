"""Pictures and zips as bytes, as somebody would hand them over."""

import io
import warnings
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

Member = tuple[str | zipfile.ZipInfo, bytes]


def encoded(image: np.ndarray | Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """A picture, or (h, w, c), as a file."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(
    seed: int = 0, size: tuple[int, int] = (16, 16), mode: str = "RGB", form: str = "PNG"
) -> bytes:
    """A file of noise, so that no two are twins."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise).convert(mode), form)


def pictures(count: int) -> list[tuple[str, bytes]]:
    """So many of them, by name."""
    return [(f"{i:03}.png", picture(i)) for i in range(count)]


def zipped(members: Iterable[Member], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", how) as archive:
        warnings.simplefilter("ignore")  # of doubled names
        for name, data in members:
            archive.writestr(name, data, how)
    return buffer.getvalue()


def altered(data: bytes, parts: dict[str, bytes | None]) -> bytes:
    """A zip with some parts replaced, added or (None) left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | parts
    kept = ((name, part) for name, part in members.items() if part is not None)
    return zipped(kept, zipfile.ZIP_STORED)


def saved(**arrays: Any) -> bytes:
    """Arrays as npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
