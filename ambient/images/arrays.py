"""Pictures that are in memory already, in whatever form other libraries hold them, as bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image

from ambient.files import InputError
from ambient.images.read import MIN_SIDE, guarded, plain, read_opened

Given = Any  # an array or tensor of pictures, or a list of PIL images, arrays or tensors
CHANNELS = (1, 3)
OVERSHOOT = 0.5  # beyond [-1, 1], of networks and of resizing: clipped
NO_NEGATIVES = -0.25  # floats above this are in [0, 1], but for what resizing overshoots
FORMS = "expected (n, h, w), (n, h, w, c) or (n, c, h, w) with 1 or 3 channels"


def as_images(given: Given, label: str) -> NDArray[np.uint8]:
    """Pictures of any library as uint8 (n, h, w, c).

    Args:
        given: bytes from 0 to 255, or floats in [-1, 1], or in [0, 1] where none is negative, as
            (n, h, w), (n, h, w, c) or (n, c, h, w), in an array or a tensor on any device; or a
            list of pictures of one size: PIL images (read as their files are: upright,
            transparency on white, deep gray scaled), arrays or tensors.
        label: what to call them.

    Raises:
        InputError: another shape or range, NaN or infinity, or sizes that differ.
    """
    images = _read(given, plain(label))
    if images.dtype != np.uint8:
        images = np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(images)


def as_unit(given: Given, label: str) -> NDArray[np.float32]:
    """Pictures as `as_images`, as float32 (n, c, h, w) in [-1, 1]: floats are not rounded."""
    images = _read(given, plain(label))
    if images.dtype == np.uint8:
        images = images.astype(np.float32) / 127.5 - 1
    return np.ascontiguousarray(rearrange(images, "n h w c -> n c h w"), np.float32)


def _read(given: Given, label: str) -> NDArray[Any]:
    """(n, h, w, c) of bytes, or of floats in [-1, 1]."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        array = _stacked([_array(picture, label) for picture in given], label)
    else:
        array = _array(given, label)
    return _in_range(_channels_last(array, label), label)


def _array(given: Any, label: str) -> NDArray[Any]:
    """An array of numbers, whatever holds them."""
    if isinstance(given, Image.Image):
        with guarded(f"{label}: a {given.mode} picture cannot be read; {FORMS}."):
            given = read_opened(given)
    elif hasattr(given, "detach"):  # a tensor, whose library is not loaded for the question
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    with guarded(f"{label}: {type(given).__name__} is no picture; {FORMS}."):
        array = np.asarray(given)
    if array.dtype.kind not in "buif":
        what = array.dtype.name if isinstance(given, np.ndarray) else type(given).__name__
        raise InputError(f"{label}: {plain(what)} is no number; {FORMS}.")
    return array


def _stacked(arrays: Sequence[NDArray[Any]], label: str) -> NDArray[Any]:
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise InputError(
            f"{label}: pictures of {shapes[0]} and {shapes[-1]} in one list; give all of one size."
        )
    if not arrays:
        raise InputError(f"{label}: no pictures; {FORMS}.")
    return np.stack(arrays)


def _channels_last(array: NDArray[Any], label: str) -> NDArray[Any]:
    """(n, h, w, c), wherever the channels were."""
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS:
        array = rearrange(array, "n c h w -> n h w c")
    if array.ndim != 4 or array.shape[3] not in CHANNELS:
        raise InputError(f"{label}: the shape {plain(shape)}; {FORMS}.")
    if min(array.shape[1:3]) < MIN_SIDE:
        raise InputError(
            f"{label}: the shape {shape}; {FORMS}, and sides of at least {MIN_SIDE} pixels."
        )
    return array


def _in_range(images: NDArray[Any], label: str) -> NDArray[Any]:
    if images.dtype == np.uint8 or not len(images):
        return images.astype(np.uint8)
    if images.dtype == bool:
        return images.astype(np.uint8) * np.uint8(255)
    whole = images.dtype.kind in "ui"
    if not whole and not (finite := np.isfinite(images).all(axis=(1, 2, 3))).all():
        raise InputError(
            f"{label}: {int((~finite).sum())} of {len(images)} hold NaN or infinity, first number "
            f"{int(finite.argmin())}; leave them out."
        )
    low, high = float(images.min()), float(images.max())
    if whole and low >= 0 and high <= 255:
        return images.astype(np.uint8)
    if whole or low < -1 - OVERSHOOT or high > 1 + OVERSHOOT:
        raise InputError(
            f"{label}: values from {low:g} to {high:g}; expected bytes from 0 to 255, or "
            "floats in [-1, 1] or [0, 1]."
        )
    return images * 2 - 1 if low >= NO_NEGATIVES else images
