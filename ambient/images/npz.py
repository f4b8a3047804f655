"""Arrays in npy and npz files that others hand over, read without trust.

Headers are believed only where they fit the size of the file; pickles of Python objects are
refused. See `ambient.images.read`.
"""

import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ambient.files import InputError
from ambient.images.arrays import as_images
from ambient.images.read import MAX_SIDE, check_count, guarded, plain
from ambient.images.zips import open_zip

MAX_BYTES = 1_000_000_000  # of an array on this machine
TEXTS = ("names", "categories")
KINDS = {"names": "iuU", "categories": "iuU", "captions": "U", "groups": "iu"}


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, of which only the header was read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    open: Callable[[], IO[bytes]]  # the content of the file
    label: str

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> NDArray[Any]:
        """Raises InputError: damaged."""
        with guarded(f"'{self.label}' is damaged; save it again."), self.open() as content:
            array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
        return array


def stored_array(open: Callable[[], IO[bytes]], size: int, label: str) -> StoredArray:
    """An npy file whose header fits its size in bytes.

    Raises:
        InputError: no npy file or a damaged one, or one of Python objects.
    """
    label = plain(label)
    damaged = f"'{label}' is not a readable array; save it again."
    headers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    with guarded(damaged):
        with open() as content:
            shape, _, dtype = headers[np.lib.format.read_magic(content)](content)
            body = size - content.tell()
        if dtype.hasobject:
            raise InputError(
                f"'{label}' is a pickle of Python objects, which could run code; save plain "
                "numbers."
            )
        if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != body:
            raise InputError(damaged)
    return StoredArray(shape, dtype, open, label)


def arrays_of(archive: zipfile.ZipFile, label: str) -> dict[str, StoredArray]:
    """The arrays of an npz that `open_zip` opened, by name. Raises InputError as `stored_array`."""
    return {
        m.filename.removesuffix(".npy"): stored_array(
            partial(archive.open, m), m.file_size, f"{label}: {m.filename}"
        )
        for m in archive.infolist()
        if m.filename.endswith(".npy")
    }


def read_npz(source: Path, label: str, needed: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays of an npz that are asked for.

    Raises:
        InputError: no npz or a damaged one, an array missing, or one of Python objects.
    """
    with open_zip(source, label, MAX_BYTES, "npz") as archive:
        arrays = arrays_of(archive, label)
        for name in needed:
            if name not in arrays:
                found = plain(", ".join(sorted(arrays)) or "no arrays")
                raise InputError(f"'{label}' holds {found}; expected an array named '{name}'.")
        return {name: arrays[name].read() for name in needed}


def is_npz(archive: zipfile.ZipFile) -> bool:
    """Whether a zip holds arrays."""
    return any(name.endswith(".npy") for name in archive.namelist())


def read_images(
    arrays: Mapping[str, StoredArray], label: str, most: int
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The array `images`, or the only one of images, and what else is said of each image.

    Returns:
        uint8 (n, h, w, c), and what there is of names, categories, captions, groups and license.

    Raises:
        InputError: no such array, too many or too large images, or another number of names.
    """
    alone = [key for key, array in arrays.items() if len(array.shape) in (3, 4)]
    key = "images" if "images" in arrays or len(alone) != 1 else alone[0]
    if key not in arrays:
        found = plain(", ".join(sorted(arrays)) or "no arrays")
        raise InputError(f"'{label}' holds {found}; expected an array named 'images'.")
    most_bytes = min(MAX_BYTES, 8 * most * 3 * MAX_SIDE**2)

    def read(name: str) -> NDArray[Any]:
        array = arrays[name]
        if array.bytes > most_bytes:
            raise InputError(
                f"'{label}' unpacks to {array.bytes // 1_000_000} MB; expected at most "
                f"{most_bytes // 1_000_000} MB."
            )
        return array.read()

    images = as_images(read(key), f"'{label}'")
    check_count(len(images), most)
    fields: dict[str, Any] = {}
    for name, kinds in KINDS.items():
        if name not in arrays or name == key:
            continue
        array = arrays[name]
        if array.shape != (len(images),) or array.dtype.kind not in kinds:
            raise InputError(
                f"'{label}': '{name}' is {array.dtype.name} {plain(array.shape)}; expected one for "
                f"each of {len(images)} images, or leave it out."
            )
        with guarded(f"'{label}' holds letters that do not exist; save it again."):
            values = read(name)
            if name == "captions":
                fields[name] = tuple(values.tolist())  # `ambient.images.captions` tidies them
            else:
                fields[name] = tuple(map(plain, values.tolist())) if name in TEXTS else values
    if "license" in arrays:
        fields["license"] = plain(read("license"), 500)
    return images, fields
