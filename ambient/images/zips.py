"""Zips and npz files that others hand over, read without trust.

Sizes, names and links in the directory are checked before a member is unpacked; arrays that are
pickles of Python objects are refused. See `ambient.images.read`.
"""

from __future__ import annotations

import io
import math
import mmap
import re
import stat
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambient.files import InputError
from ambient.images.read import MAX_PICTURE_BYTES, guarded, plain
from ambient.images.squares import Pictures, is_picture

MAX_MEMBERS = 100_000
MAX_PICTURES_BYTES = 8_000_000_000  # of all pictures in a zip, which are read one by one
MAX_RATIO = 200  # deflate reaches 1,032 on zeros; pictures stay below 2, text below 20
SMALL = 10_000_000  # bytes that may unpack from anything


def open_zip(
    source: bytes | Path, label: str, max_bytes: int, form: str = "zip"
) -> zipfile.ZipFile:
    """A zip whose directory holds no trap; its members are to be read with `read_member`.

    Args:
        source: the zip, or its path.
        label: what to call it.
        max_bytes: all members may unpack to.
        form: what it should be, in words.

    Raises:
        InputError: no zip or a damaged one; too many members, too large, or packed too densely;
            members that are encrypted, links, doubled, or would leave their folder.
    """
    label = plain(label)
    damaged = f"'{label}' is not a readable {form} file; make it again."
    with guarded(damaged):
        if _directory_entries(source) > MAX_MEMBERS:
            raise InputError(f"'{label}' has more than {MAX_MEMBERS} files; use fewer.")
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        archive = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    try:
        members = archive.infolist()
        unpacked = sum(m.file_size for m in members)
        if unpacked > max_bytes:
            raise InputError(
                f"'{label}' unpacks to {unpacked // 1_000_000} MB; expected at most "
                f"{max_bytes // 1_000_000} MB."
            )
        if unpacked > max(SMALL, MAX_RATIO * size):
            raise InputError(
                f"'{label}' unpacks to {unpacked // size} times its size, as a zip bomb does; "
                f"expected at most {MAX_RATIO} times."
            )
        if len({_place(m) for m in members}) < len(members):
            raise InputError(f"'{label}' holds two files of one name; pack it again.")
        for member in members:
            _check_member(member, label, size)
    except InputError:
        archive.close()
        raise
    return archive


def _directory_entries(source: bytes | Path) -> int:
    """How many members a zip could have; `zipfile` would make an object of each."""
    entry = re.compile(b"PK\x01\x02")
    if isinstance(source, bytes):
        return sum(1 for _ in entry.finditer(source))
    with source.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return sum(1 for _ in entry.finditer(content))


def _place(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _check_member(member: zipfile.ZipInfo, label: str, size: int) -> None:
    place, stored = _place(member), member.compress_type == zipfile.ZIP_STORED
    faults = {
        "is encrypted": member.flag_bits & 1,
        "is a link": stat.S_ISLNK(member.external_attr >> 16),
        "would leave its folder": place.is_absolute()
        or ".." in place.parts
        or re.match("[A-Za-z]:", member.filename),
        "is packed by a rare method": not stored and member.compress_type != zipfile.ZIP_DEFLATED,
        "has another size than it says": (stored and member.file_size != member.compress_size)
        or member.header_offset + member.compress_size > size,
    }
    for fault, found in faults.items():
        if found:
            name = plain(member.filename)
            raise InputError(f"'{label}': '{name}' {fault}; pack the plain files again.")


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """The content of a member, never more than it declared.

    Raises:
        InputError: more than `max_bytes`, cut short, or not what its checksum says.
    """
    name, size = plain(member.filename), member.file_size
    if size > max_bytes:
        raise InputError(
            f"'{name}' unpacks to {size} bytes; expected at most {max_bytes}. Shrink it."
        )
    damaged = f"'{name}' is damaged: the zip was cut short or changed; pack it again."
    with guarded(damaged), archive.open(member) as content:
        data = content.read(size)
        if len(data) != size:
            raise InputError(damaged)
    return data


def read_npz(
    source: bytes | Path,
    label: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    max_bytes: int = 1_000_000_000,
) -> dict[str, NDArray[Any]]:
    """The arrays of an npz that are asked for; each header is believed only where the size fits.

    Raises:
        InputError: no npz or a damaged one, a `needed` array missing, or one of Python objects.
    """
    label = plain(label)
    with open_zip(source, label, max_bytes, "npz") as archive:
        members = {
            m.filename.removesuffix(".npy"): m
            for m in archive.infolist()
            if m.filename.endswith(".npy")
        }
        for name in needed:
            if name not in members:
                found = plain(", ".join(sorted(members)) or "no arrays")
                raise InputError(f"'{label}' holds {found}; expected an array named '{name}'.")
        wanted = [name for name in (*needed, *optional) if name in members]
        return {name: _read_array(archive, members[name], label) for name in wanted}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, label: str) -> NDArray[Any]:
    damaged = f"'{label}' is not a readable npz file (array '{member.filename}'); save it again."
    with guarded(damaged):
        with archive.open(member) as content:
            version = np.lib.format.read_magic(content)
            headers = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }
            shape, _, dtype = headers[version](content)
            body = member.file_size - content.tell()
        if dtype.hasobject:
            raise InputError(
                f"'{label}' is not a readable npz file: '{member.filename}' is a pickle of Python "
                "objects, which could run code; save plain numbers."
            )
        if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != body:
            raise InputError(damaged)
        with archive.open(member) as content:
            array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    return array


def zip_pictures(archive: zipfile.ZipFile) -> Pictures:
    """The pictures in a zip that `open_zip` opened, by name."""
    members = sorted(archive.infolist(), key=lambda m: m.filename)
    return [
        (m.filename, partial(read_member, archive, m, MAX_PICTURE_BYTES))
        for m in members
        if is_picture(PurePosixPath(m.filename)) and not m.is_dir()
    ]


def holds_arrays(data: bytes, label: str) -> bool:
    """Whether a zip is an npz.

    Raises:
        InputError: no zip, or one with a trap in it.
    """
    with open_zip(data, label, MAX_PICTURES_BYTES) as archive:
        return any(name.endswith(".npy") for name in archive.namelist())
