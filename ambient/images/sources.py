"""Which files of a folder, a zip or an upload are pictures: their content decides, not their names.

Whatever is left out is counted, so that nobody takes some of the pictures for all of them.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from ambient.files import InputError, Tell
from ambient.images.read import HEAD, MAX_PICTURE_BYTES, PICTURES, check_count, guarded, kind, plain
from ambient.images.zips import read_head, read_member

SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
# What systems and their viewers leave beside pictures, in lower case.
DROPPINGS = {"@eadir", "__macosx", "thumbnails", "$recycle.bin", "#recycle", "thumbs.db"}


@dataclass(frozen=True)
class Source:
    """A file that may hold a picture: its name, and what reads at most so many bytes of it."""

    name: str
    read: Callable[[int], bytes]

    @property
    def is_hidden(self) -> bool:
        """Whether a part of its path is hidden, or is no part of what its owner keeps there."""
        parts = PurePosixPath(self.name.replace("\\", "/")).parts
        return any(part.startswith(".") or part.lower() in DROPPINGS for part in parts)

    @property
    def is_picture(self) -> bool:
        """Whether it is one by its content; or by its name alone, and then it must say why not."""
        named = PurePosixPath(self.name).suffix.lower() in SUFFIXES
        if named != self.is_hidden:
            return named
        try:
            return kind(self.read(HEAD)) in PICTURES
        except InputError:
            return False


@dataclass
class Choice:
    """The pictures among files, and what else was met."""

    pictures: list[Source] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)  # files that are no pictures, by suffix
    hidden: list[str] = field(default_factory=list)  # names of pictures that are hidden
    inner: list[str] = field(default_factory=list)  # folders that belong to another set

    @classmethod
    def among(cls, sources: Iterable[Source], most: int, tell: Tell) -> Choice:
        """Look at each file. Raises InputError: more than `most` pictures."""
        found = cls()
        for count, source in enumerate(sources):
            tell("looking at files", count, 0)
            if not source.is_picture:
                if not source.is_hidden:
                    found.others[PurePosixPath(source.name).suffix.lower()] += 1
            elif source.is_hidden:
                found.hidden.append(source.name)
            else:
                found.pictures.append(source)
                check_count(len(found.pictures), most)
        return found

    def notes(self) -> Iterator[str]:
        """A line each on what was left out."""
        if self.hidden:
            first = plain(min(self.hidden))
            count = len(self.hidden)
            yield f"{count} hidden picture{'s' * (count > 1)} left out, the first '{first}'."
        for name in self.inner:
            yield f"the pictures below '{plain(name)}' are another set and were left out."
        if self.others:
            suffixes = ", ".join(plain(s or "no suffix", 12) for s, _ in self.others.most_common(4))
            count = self.others.total()
            what = "files that are no pictures" if count > 1 else "file that is no picture"
            yield f"{count} {what} left out ({suffixes})."


def folder_sources(folder: Path, without: Sequence[Path] = ()) -> Iterator[Source]:
    """The files in a folder and below it, by name, but for those in the folders `without`.

    Links are followed, each folder once.
    """
    met: set[tuple[int, int]] = set()
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        here = Path(parent).stat()
        if (here.st_dev, here.st_ino) in met:  # a link back, or a second way here
            folders.clear()
            continue
        met.add((here.st_dev, here.st_ino))
        folders[:] = sorted(f for f in folders if Path(parent, f).resolve() not in without)
        found += (path for name in files if (path := Path(parent, name)).is_file())
    for path in sorted(found):
        yield Source(path.relative_to(folder).as_posix(), partial(_file_bytes, path))


def _file_bytes(path: Path, most: int) -> bytes:
    closed = f"'{plain(path.name)}' cannot be read. Remove it, or allow reading."
    with guarded(closed), path.open("rb") as f:
        return f.read(most)


def zip_sources(archive: zipfile.ZipFile) -> Iterator[Source]:
    """The files in a zip that `open_zip` opened, by name."""
    for member in sorted(archive.infolist(), key=lambda m: m.filename):
        if not member.is_dir():
            yield Source(member.filename, partial(_member_bytes, archive, member))


def _member_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    if most <= HEAD:
        return read_head(archive, member, most)
    return read_member(archive, member, MAX_PICTURE_BYTES)


def upload_sources(files: Sequence[tuple[str, bytes]]) -> Iterator[Source]:
    """Files that were handed over, by name."""
    for name, data in sorted(files):
        yield Source(name, partial(_first_bytes, data))


def _first_bytes(data: bytes, most: int) -> bytes:
    return data[:most]
