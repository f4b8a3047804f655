"""The one door for what visitors hand over: how much this server takes, and under which names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ambient.config import Config
from ambient.files import InputError
from ambient.images.corpus import MAX_IMAGES, archive_among, read_uploads
from ambient.images.read import plain, read_croppable
from ambient.images.readings import crop
from ambient.runs.limits import Limits
from ui import words
from ui.pictures import Images

# What sets of pictures come in.
SETS = ["png", "jpg", "jpeg", "jfif", "webp", "bmp", "gif", "tif", "tiff", "zip", "npz"]
PICTURES = ["png", "jpg", "jpeg", "webp"]  # what single ones come in
FORMATS = ("PNG", "JPEG", "WEBP")  # the same, by content
PICTURE_BYTES = 10 * 2**20
SET_BYTES = 1e9  # that a browser may hand over at once to a server of one's own
MAX_PICTURES = 300  # single ones that are read at once
GLANCED = 30e6  # bytes of a set that is looked at as it arrives
SHOWN = 8  # pictures of it that are shown


def ask(
    label: str,
    key: str,
    types: Sequence[str] = SETS,
    *,
    several: bool = True,
    most: float = SET_BYTES,
    help: str | None = None,
) -> list[UploadedFile]:
    """What was dropped on an uploader, files of at most so many bytes each.

    More than this server takes is refused at once.
    """
    limit = Limits.here().upload
    found = st.file_uploader(
        label,
        list(types),
        several,
        key,
        help=help,
        max_upload_size=max(1, int(min(most, limit) / 1e6)),
    )
    files = found if isinstance(found, list) else [found] if found else []
    size = sum(file.size for file in files)
    if size <= limit:
        return files
    words.refuse(
        f"{label}: {size / 1e6:.0f} MB; this server takes at most {limit / 1e6:.0f} MB. Use fewer "
        "or smaller files, or run Ambient Explorer on a machine of yours."
    )
    return []


def file_name(name: str) -> str:
    """What a visitor's file is called here: harmless as text and as the name of a file."""
    return re.sub(r'[\\/:*?"|]', "_", plain(name, 60)).strip("._ ") or "picture"


def square(data: bytes, config: Config, label: str = "your picture") -> Images:
    """One picture as a run would see it: (side, side, channels), cropped and resized.

    Raises:
        InputError: too large, not a picture of `FORMATS`, or too small.
    """
    if len(data) > PICTURE_BYTES:
        raise InputError(
            f"'{label}' has {len(data) / 2**20:.0f} MB; expected a picture of at most "
            f"{PICTURE_BYTES / 2**20:.0f} MB. Shrink it."
        )
    found = crop(read_croppable(data, label, FORMATS), config.side)
    return np.atleast_3d(np.asarray(found.convert("L" if config.channels == 1 else "RGB")))


def squares(
    files: Sequence[UploadedFile], config: Config
) -> tuple[Images, tuple[str, ...], tuple[str, ...]]:
    """All readable pictures as `square`, their names, and a line for each that was refused."""
    c = config
    return _squares(tuple(file.file_id for file in files), (c.side, c.channels), files, config)


@st.cache_data(max_entries=12, show_spinner="Reading your pictures")
def _squares(
    ids: tuple[str, ...], form: tuple[int, int], _files: Sequence[UploadedFile], _config: Config
) -> tuple[Images, tuple[str, ...], tuple[str, ...]]:
    images, names, refused = [], [], []
    if len(_files) > MAX_PICTURES:
        refused.append(f"{len(_files)} files; the first {MAX_PICTURES} were read.")
    for file in _files[:MAX_PICTURES]:
        name = file_name(file.name)
        try:
            images.append(square(file.getvalue(), _config, name))
        except InputError as e:
            refused.append(str(e))
        else:
            names.append(name)
    none = np.zeros((0, form[0], *form), np.uint8)
    return np.stack(images) if images else none, tuple(names), tuple(refused)


@dataclass(frozen=True)
class Glance:
    """What arrived: in words, and the first pictures of it."""

    said: str
    first: list[Images]


def glance(files: Sequence[UploadedFile], label: str) -> Glance:
    """A look at a set as it arrives; of one too large for that, at its first file alone.

    Raises:
        InputError: it cannot be used, by the name that the visitor's file has.
    """
    if sum(file.size for file in files) > GLANCED:
        archive_among([(file.name, file.getvalue()) for file in files])
        return Glance(f"{files[0].name}: {files[0].size / 1e6:.0f} MB, looked at later.", [])
    return _glance(tuple(file.file_id for file in files), label, files)


@st.cache_resource(max_entries=12, show_spinner="Looking at them")
def _glance(ids: tuple[str, ...], label: str, _files: Sequence[UploadedFile]) -> Glance:
    given = [(file_name(file.name), file.getvalue()) for file in _files]
    try:
        name = given[0][0] if len(given) == 1 else label
        found = read_uploads(given, name, most=int(min(Limits.here().pictures, MAX_IMAGES)))
    except InputError as e:
        raise InputError(f"{label}: {e}") from e
    size = "x".join(map(str, found.images.shape[1:3]))
    said = " ".join([f"{len(found):,} pictures of {size} pixels.", *found.notes])
    return Glance(said, list(found.images[:SHOWN]))


def store(folder: Path, which: str, files: Sequence[Any]) -> Path:
    """Write a set to a new folder: the zip or npz that it is, or a folder of its pictures.

    Args:
        which: what to call the set where it is refused.

    Raises:
        InputError: a zip among pictures.
    """
    given = [(file_name(file.name), file.getvalue()) for file in files]
    try:
        archive = archive_among(given)
    except InputError as e:
        raise InputError(f"{which}: {e}") from e
    if archive:
        folder.mkdir(parents=True)
        name, data = archive
        path = folder / name
        path.write_bytes(data)
        return path
    path = folder / (f"{len(files):,} pictures" if len(files) > 1 else given[0][0])
    path.mkdir(parents=True)
    for number, (name, data) in enumerate(given):
        to = path / name
        (path / f"{number}-{name}" if to.exists() else to).write_bytes(data)
    return path
