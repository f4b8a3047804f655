"""Bytes that others hand over, read without trust: pictures, JSON, the header of safetensors.

Neither a name nor a declared size nor a suffix is believed. The first bytes tell what a file is,
sizes are checked before memory is taken, nothing is written, and every refusal is one line of
`InputError` that names the file as its owner does, never by its place on this machine.
`ambient.images.zips` does the same for zips and npz.
"""

import io
import json
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageOps
from safetensors import safe_open

from ambient.files import InputError, decode_record

PICTURES = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
HEAD = 200  # bytes that tell what a file is
MAX_PIXELS = 40_000_000  # of one picture
MAX_PICTURE_BYTES = 4 * MAX_PIXELS  # an uncompressed one of that size
MIN_SIDE, MAX_SIDE = 8, 128  # pixels of the images that networks see
KEPT_SIDE = 2 * MAX_SIDE  # of a picture before it is cropped
MAX_TENSOR_HEADER = 1_000_000  # bytes; our own need 10,000
MAX_TEXT = 500  # characters
BITS = (8, 10, 12, 14, 16)  # of a pixel's gray in 16
TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # chunks of a PNG: texts and the color profile

R = TypeVar("R")

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"PK": "a zip archive",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a script",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x93NUMPY": "a numpy array",
    b"\x80": "a Python pickle",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
MARKUP = {
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML or SVG document",
    b"<!doctype": "a web page",
    b"<html": "a web page",
}


def kind(data: bytes) -> str:
    """What the first bytes say: one of `PICTURES`, another kind in words, or ''."""
    if not data:
        return "an empty file"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "BMP"
    words = data[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    binary = (name for magic, name in MAGIC.items() if data.startswith(magic))
    markup = (name for magic, name in MARKUP.items() if words.startswith(magic))
    return next(binary, next(markup, ""))


def plain(value: object, most: int = 120) -> str:
    """Any text as one harmless line of at most `most` characters; a long one loses its start."""
    text = str(value)
    text = text if len(text) <= most else "..." + text[3 - most :]
    return "".join(c if c.isprintable() and c not in "<>`" else "_" for c in text)


@contextmanager
def guarded(complaint: str) -> Iterator[None]:
    """Turn whatever a decoder raises on foreign bytes into an `InputError` that says `complaint`.

    No decoder lists its errors: on damaged bytes they raise struct, zlib and index errors,
    overflow, recursion and memory errors beside OSError and ValueError.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as e:
        raise InputError(complaint) from e


# Pictures


def check_count(count: int, most: int) -> None:
    """Refuse more than `most` pictures."""
    if count > most:
        raise InputError(f"more than {most} pictures were given; use fewer.")


def read_picture(data: bytes, label: str, formats: Sequence[str] = PICTURES) -> Image.Image:
    """A picture, as `open_picture`, transparency on white, as RGB or gray (L)."""
    return _eight_bits(flatten(open_picture(data, label, formats)))


def read_opened(picture: Image.Image) -> Image.Image:
    """A picture that Pillow has opened, as `read_picture` of its file."""
    return _eight_bits(flatten(_levels(ImageOps.exif_transpose(picture))))


def open_picture(data: bytes, label: str, formats: Sequence[str] = PICTURES) -> Image.Image:
    """One picture, upright, perhaps transparent; of many frames, the first.

    Gray of more than 8 bits is of mode F, with fractions of 255 (see `gain`).

    Raises:
        InputError: too large in bytes or pixels (before anything is decoded), not one of
            `formats` by its content, or damaged.
    """
    label, found = plain(label), kind(data)
    if len(data) > MAX_PICTURE_BYTES:
        raise InputError(
            f"'{label}' has {len(data) // 1_000_000} MB; expected a picture of at most "
            f"{MAX_PICTURE_BYTES // 1_000_000} MB. Shrink it."
        )
    if found not in formats:
        other = f" but {found}" if found else ""
        names = " or ".join(filter(None, (", ".join(formats[:-1]), formats[-1])))
        names = names.replace("WEBP", "WebP")
        raise InputError(
            f"'{label}' is not a readable picture{other}; expected {names}. Remove or replace it."
        )
    with guarded(f"'{label}' is not a readable picture: a damaged or cut {found}. Replace it."):
        try:
            return _decoded(data, found, label)
        except InputError:
            raise
        except Exception:
            if found != "PNG":
                raise
            return _decoded(_without_texts(data), found, label)  # too long for Pillow, perhaps


def _decoded(data: bytes, found: str, label: str) -> Image.Image:
    try:
        opened = Image.open(io.BytesIO(data), formats=[found])
    except Image.DecompressionBombError as e:
        raise InputError(_too_many(label, "far too many")) from e
    with opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise InputError(_too_many(label, f"{opened.width}x{opened.height}"))
        ImageOps.exif_transpose(opened, in_place=True)
        return _levels(opened)


def _too_many(label: str, size: str) -> str:
    return (
        f"'{label}' is a picture of {size} pixels; expected at most "
        f"{MAX_PIXELS // 1_000_000} million. Shrink it."
    )


def _without_texts(data: bytes) -> bytes:
    """A PNG of pixels alone: what is not unpacked can be as long as it likes."""
    parts, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in TEXTS:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def _levels(picture: Image.Image) -> Image.Image:
    """Gray of more than 8 bits as fractions of 255: Pillow would clip it where it should scale."""
    if picture.mode[0] not in "IF":
        return picture
    values = np.asarray(picture, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("NaN or infinity")
    if picture.mode != "F" or values.max() > 255:
        values = values / np.float32(257)
    elif values.max() <= 1:
        values = values * np.float32(255)
    return Image.fromarray(values.clip(0, 255))


def gain(deepest: float) -> float:
    """What brings pictures of fewer bits than 16 to 255, by the largest of their levels."""
    bits = next(b for b in BITS if deepest * 257 < 2**b)
    return (2**16 - 1) / (2**bits - 1) if deepest else 1.0


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A picture of mode F as gray (L)."""
    if picture.mode != "F":
        return picture
    levels = np.asarray(picture)
    levels = levels * gain(float(levels.max()))
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def flatten(picture: Image.Image, clear: str = "white") -> Image.Image:
    """A picture in RGB or gray (L, F); where it is transparent a color shows, or what it `kept`."""
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.mode == "F":
        return picture
    if not picture.has_transparency_data:
        return picture.convert(mode)
    over = picture.convert("RGBA")
    if clear == "kept":
        return over.convert("RGB").convert(mode)
    return Image.alpha_composite(Image.new("RGBA", over.size, clear), over).convert(mode)


def read_croppable(data: bytes, label: str, formats: Sequence[str] = PICTURES) -> Image.Image:
    """A picture, as `read_picture`, that a square can be cropped from (see `check_croppable`)."""
    return _eight_bits(flatten(check_croppable(open_picture(data, label, formats), label)))


def check_croppable(picture: Image.Image, label: str) -> Image.Image:
    """The same picture. Raises InputError: a side under 8 pixels, or a mere strip."""
    short, long = sorted(picture.size)
    size = f"'{plain(label)}' is {picture.width}x{picture.height} pixels"
    if short < MIN_SIDE:
        raise InputError(
            f"{size}; expected at least {MIN_SIDE}x{MIN_SIDE}. Remove it or use a larger version."
        )
    if short * KEPT_SIDE < long * MIN_SIDE:
        raise InputError(
            f"{size}; expected at most {KEPT_SIDE // MIN_SIDE} times as long as wide, for a square "
            "is cut out of it."
        )
    return picture


# JSON


def read_json(data: bytes, kind: type[R], label: str) -> R:
    """A record from JSON of finite numbers below 2**63 and of short, plain texts: no markup.

    Raises:
        InputError: anything else, or as `ambient.files.decode_record`.
    """
    label = plain(label)
    with guarded(f"'{label}' is not readable JSON."):
        for leaf in _leaves(json.loads(data.decode("utf-8"))):
            if isinstance(leaf, str):
                harmless = leaf.isprintable() and not re.search(r"[<>\[\]`]|://", leaf)
                if len(leaf) > MAX_TEXT or not harmless:
                    raise InputError(
                        f"'{label}' holds the text '{plain(leaf, 40)}'; expected at most "
                        f"{MAX_TEXT} characters without markup or links."
                    )
            elif isinstance(leaf, (int, float)) and not abs(leaf) < 2**63:  # nor is NaN below
                raise InputError(
                    f"'{label}' holds the number {plain(leaf, 40)}; expected finite ones, below "
                    "2**63."
                )
    return decode_record(data, kind, label)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


# Weights


def tensor_shapes(path: Path, label: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names of a safetensors file's tensors with dtype and shape, from its header alone.

    Raises:
        InputError: no safetensors file, or its header and its size do not agree.
    """
    complaint = (
        f"'{plain(label)}' is not a whole safetensors file; copy, download or export it again."
    )
    with guarded(complaint):
        with path.open("rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
        if length > MAX_TENSOR_HEADER:
            raise InputError(complaint)
        with safe_open(path, "numpy") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            return {n: (s.get_dtype(), tuple(s.get_shape())) for n, s in slices.items()}
