"""Zips that others hand over, read without trust (see `ambient.images.read`).

Sizes, names and links in the directory are checked before a member is unpacked.
"""

import io
import mmap
import re
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ambient.files import InputError
from ambient.images.read import guarded, plain

MAX_MEMBERS = 100_000
MAX_PICTURES_BYTES = 8_000_000_000  # of all pictures in a zip, which are read one by one
MAX_RATIO = 200  # deflate reaches 1,032 on zeros; pictures stay below 2, text below 20
SPARSE = 1_000_000_000  # bytes that may unpack from anything: blank pictures are no bomb


def open_zip(
    source: bytes | Path, label: str, max_bytes: int, form: str = "zip"
) -> zipfile.ZipFile:
    """A zip whose directory holds no trap; its members are to be read with `read_member`.

    All members may unpack to `max_bytes`; `form` is what it should be, in words.

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
        if unpacked > max(SPARSE, MAX_RATIO * size):
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


def read_head(archive: zipfile.ZipFile, member: zipfile.ZipInfo, count: int) -> bytes:
    """The first bytes of a member. Raises InputError where they are damaged."""
    with guarded(f"'{plain(member.filename)}' is damaged."), archive.open(member) as content:
        return content.read(min(count, member.file_size))


def zipped(root: Path, files: Iterable[Path]) -> bytes:
    """Files as a zip, under their places in `root`, as they are: most are packed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in files:
            if file.is_file():
                archive.write(file, file.relative_to(root))
    return buffer.getvalue()
