"""Images to learn from: bundled corpora, folders, zips, npz files, uploads and torchvision sets.

A corpus is plain numpy, so that pages show training images without loading torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ambient.files import ASSETS, InputError, Tell, silent
from ambient.images.read import MAX_SIDE, MIN_SIDE, guarded, kind, plain
from ambient.images.readings import USUAL, Reading
from ambient.images.squares import (
    Pictures,
    See,
    check_count,
    folder_pictures,
    read_squares,
    square,
    stack,
)
from ambient.images.twins import twin_groups
from ambient.images.zips import (
    MAX_PICTURES_BYTES,
    holds_arrays,
    open_zip,
    read_npz,
    zip_pictures,
)

BUNDLED = ("emoji", "digits", "kanji")
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
MAX_IMAGES = 60_000
MAX_ARRAY_BYTES = 1_000_000_000  # of a file on this machine


def digest(images: NDArray[np.uint8]) -> str:
    """Hash of shape and pixels."""
    found = hashlib.sha256(str(images.shape).encode())
    found.update(np.ascontiguousarray(images).tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Corpus:
    """Images of one size, what they show, and which of them are near-duplicates.

    Attributes:
        name: what `load_corpus` was given.
        images: uint8 (N, h, w, c), c = 1 or 3.
        names: a name an image, for captions.
        categories: a category an image; empty strings where none is known.
        groups: int64 (N,), equal for twins (see `twin_groups`).
        license: who made the images and what one may do with them.
        notes: what loading changed (cropped, resized, skipped), one line each.
    """

    name: str
    images: NDArray[np.uint8]
    names: tuple[str, ...]
    categories: tuple[str, ...]
    groups: NDArray[np.int64]
    license: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def sha256(self) -> str:
        """Two corpora with the same hash are the same images."""
        return digest(self.images)


@dataclass(frozen=True)
class Split:
    """Corpus indices of the images a model trains on, and of those it never sees."""

    train: NDArray[np.int64]
    heldout: NDArray[np.int64]


def to_unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (n, h, w, c) to float32 (n, c, h, w) in [-1, 1]: 0 becomes -1, 255 becomes 1."""
    return (
        np.ascontiguousarray(rearrange(images, "n h w c -> n c h w")).astype(np.float32) / 127.5 - 1
    )


def to_rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """uint8 (n, h, w, c) to float32 (n, c*h*w) in [-1, 1]: the space distances are measured in."""
    return rearrange(to_unit(images), "n c h w -> n (c h w)")


def to_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The inverse of `to_unit`, clipped and rounded to the nearest of 256 levels."""
    levels = np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(rearrange(levels, "n c h w -> n h w c"))


def split_corpus(
    corpus: Corpus, n_train: int, split_seed: int, *, one_per_group: bool = True
) -> Split:
    """Draw `n_train` images to train on; everything that has no twin among them is held out.

    The order of the groups depends on `split_seed` alone, so the training sets of one seed are
    nested: n = 100 is the first third of n = 300.

    Args:
        n_train: number of training images.
        split_seed: which split.
        one_per_group: take one image a twin group (on both sides), so that images are distinct.

    Raises:
        InputError: fewer than 2 training images, or fewer than that many distinct ones.
    """
    if n_train < 2:
        raise InputError(f"n_train is {n_train}; at least 2 training images are needed.")
    rng = np.random.default_rng([split_seed, 0x5EED])
    labels, group = np.unique(corpus.groups, return_inverse=True)
    rank = rng.permutation(len(labels))[group]
    order = np.lexsort((rng.random(len(corpus)), rank))  # by group, shuffled within each
    if one_per_group:
        order = order[np.unique(rank[order], return_index=True)[1]]
    if n_train > len(order):
        raise InputError(
            f"n_train is {n_train}, but corpus '{corpus.name}' has only {len(order)} distinct "
            f"images; choose n_train <= {len(order)}."
        )
    train = order[:n_train]
    held = order[~np.isin(corpus.groups[order], corpus.groups[train])]
    return Split(train=train.astype(np.int64), heldout=held.astype(np.int64))


def load_corpus(
    spec: str | Path,
    *,
    side: int | None = None,
    tell: Tell = silent,
    reading: Reading = USUAL,
    see: See | None = None,
) -> Corpus:
    """Load images by name or path.

    Args:
        spec: `emoji`, `digits`, `kanji`; `mnist`, `fashion-mnist`, `cifar10` (downloaded by
            torchvision on first use); a folder or zip of pictures; or an npz with `images` uint8
            (n, h, w[, c]).
        side: crop pictures to a square and resize to this many pixels. Default: keep the size when
            all pictures share one that the network accepts, else 32. Bundled images and those of
            an npz are never resized: another `side` than theirs is refused.
        tell: progress in pictures.
        reading: how files are read that are transparent or no squares.
        see: is shown each of these files as a picture, before it is read so.

    Raises:
        InputError: nothing there, not images, too small, or no network for a first download.
    """
    if side is not None and (not MIN_SIDE <= side <= MAX_SIDE or side % 4):
        raise InputError(
            f"side is {side}; expected {MIN_SIDE} to {MAX_SIDE} pixels, a multiple of 4."
        )
    name = str(spec)
    unknown = (
        f"'{plain(name)}' is no corpus: expected one of {', '.join([*BUNDLED, *TORCHVISION])}, or "
        "an existing folder, .zip or .npz of images."
    )
    if name in BUNDLED:
        return _from_npz(ASSETS / "corpora" / f"{name}.npz", name, side)
    if name in TORCHVISION:
        return _from_torchvision(name, side)
    with guarded(unknown):
        path = Path(spec).expanduser().resolve()  # a run must find it from any working folder
        suffix = "folder" if path.is_dir() else path.suffix.lower() if path.is_file() else ""
    if suffix == "folder":
        found = folder_pictures(path)
        return _from_pictures(str(path), found, side, MAX_IMAGES, tell, reading, see)
    if suffix == ".zip":
        with open_zip(path, path.name, MAX_PICTURES_BYTES) as archive:
            found = zip_pictures(archive)
            return _from_pictures(str(path), found, side, MAX_IMAGES, tell, reading, see)
    if suffix == ".npz":
        return _from_npz(path, str(path), side)
    raise InputError(unknown)


def read_uploads(
    files: Sequence[tuple[str, bytes]],
    name: str,
    *,
    side: int | None = None,
    most: int = MAX_IMAGES,
    tell: Tell = silent,
) -> Corpus:
    """Images that were handed over: pictures, or one zip of pictures, or one npz.

    The content decides what a file is; its name is for captions.

    Args:
        files: the name and the bytes of each.
        name: of the corpus.
        side: as `load_corpus`.
        most: pictures that are looked at.
        tell: progress in pictures.

    Raises:
        InputError: nothing to use, too much, or what `load_corpus` would refuse.
    """
    archive = archive_among(files)
    if archive is None:
        pictures: Pictures = [(label, partial(bytes, data)) for label, data in sorted(files)]
        return _from_pictures(name, pictures, side, most, tell)
    label, data = archive
    if holds_arrays(data, label):
        corpus = _from_npz(data, name, side, label, 2 * most * 3 * MAX_SIDE**2)
        check_count(len(corpus), most)
        return corpus
    with open_zip(data, label, MAX_PICTURES_BYTES) as opened:
        return _from_pictures(name, zip_pictures(opened), side, most, tell)


def archive_among(files: Sequence[tuple[str, bytes]]) -> tuple[str, bytes] | None:
    """The zip or npz that was handed over, None among pictures.

    Raises:
        InputError: other files beside it.
    """
    archives = [(label, data) for label, data in files if kind(data) == "a zip archive"]
    if archives and len(files) > 1:
        raise InputError(
            f"'{plain(archives[0][0])}' is a zip or npz among {len(files)} files; upload it alone, "
            "or pictures only."
        )
    return archives[0] if archives else None


def _from_npz(
    source: bytes | Path,
    name: str,
    side: int | None,
    label: str = "",
    max_bytes: int = MAX_ARRAY_BYTES,
) -> Corpus:
    label = plain(label or Path(name).name)
    optional = ["names", "categories", "groups", "license"]
    fields = read_npz(source, label, ["images"], optional, max_bytes)
    images = fields["images"]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"'{label}': 'images' is {fields['images'].dtype.name} "
            f"{plain(fields['images'].shape)}; expected uint8 (n, h, w), (n, h, w, 1) or "
            "(n, h, w, 3)."
        )
    _check_shape(label, images)
    height, width = images.shape[1:3]
    if side not in (None, height):
        raise InputError(
            f"'{label}' has {height}x{width} images where {side}x{side} are wanted; only a folder "
            "or zip of pictures is resized."
        )
    names = _texts(label, fields, "names", [str(i) for i in range(len(images))])
    categories = _texts(label, fields, "categories", [""] * len(images))
    groups = fields.get("groups")
    if groups is None:
        groups = twin_groups(images)
    _check_field(label, "groups", groups, "iu", len(images))
    return Corpus(
        name=name,
        images=np.ascontiguousarray(images),
        names=names,
        categories=categories,
        groups=groups.astype(np.int64),
        license=plain(fields.get("license", "yours"), 500),
    )


def _texts(
    label: str, fields: dict[str, NDArray[Any]], field: str, default: list[str]
) -> tuple[str, ...]:
    """One harmless text for each image."""
    if field not in fields:
        return tuple(default)
    _check_field(label, field, fields[field], "iuU", len(default))
    with guarded(f"'{label}' holds letters that do not exist; save it again."):
        return tuple(map(plain, fields[field].tolist()))


def _check_field(label: str, field: str, found: NDArray[Any], kinds: str, n: int) -> None:
    if found.shape != (n,) or found.dtype.kind not in kinds:
        raise InputError(
            f"'{label}': '{field}' is {found.dtype.name} {plain(found.shape)}; expected one for "
            f"each of {n} images, or leave it out."
        )


def _check_shape(label: str, images: NDArray[np.uint8]) -> None:
    n, h, w, _ = images.shape
    if n < 4:
        raise InputError(f"'{label}' has {n} images; at least 4 are needed.")
    if n > MAX_IMAGES:
        raise InputError(f"'{label}' has {n} images; at most {MAX_IMAGES} are read at once.")
    if min(h, w) < MIN_SIDE or max(h, w) > MAX_SIDE or h % 4 or w % 4:
        raise InputError(
            f"'{label}' has {h}x{w} images; expected sides from {MIN_SIDE} to {MAX_SIDE} pixels, "
            "multiples of 4. Pass a folder or zip to have them resized."
        )


def _from_pictures(
    name: str,
    pictures: Pictures,
    side: int | None,
    most: int,
    tell: Tell,
    reading: Reading = USUAL,
    see: See | None = None,
) -> Corpus:
    squares = read_squares(Path(name).name, pictures, side, most, tell, reading, see)
    return _labeled(name, *squares)


def _labeled(
    name: str, images: NDArray[np.uint8], places: Sequence[str], notes: tuple[str, ...] = ()
) -> Corpus:
    """A corpus of pictures by their places; the folder of each is its category."""
    _check_shape(plain(Path(name).name), images)
    folders = [str(Path(place).parent) for place in places]
    return Corpus(
        name=name,
        images=images,
        names=tuple(map(plain, places)),
        categories=tuple("" if f == "." else plain(f) for f in folders),
        groups=twin_groups(images),
        license="yours",
        notes=notes,
    )


def _from_torchvision(name: str, side: int | None) -> Corpus:
    from torchvision import datasets

    root = Path.home() / ".cache" / "ambient"
    try:
        data = getattr(datasets, TORCHVISION[name])(root=str(root), train=True, download=True)
    except (OSError, RuntimeError) as e:
        raise InputError(
            f"corpus '{name}' is not in {root} and could not be downloaded ({type(e).__name__}); "
            f"connect to the network once, or use one of {', '.join(BUNDLED)}, which are bundled."
        ) from e
    classes = [data.classes[int(t)] for t in data.targets]
    pictures = [Image.fromarray(np.asarray(x)) for x in data.data]
    labels = [f"{c} {i}" for i, c in enumerate(classes)]
    if pictures[0].size == (28, 28):  # two halvings need a multiple of 4 behind the unshuffle
        side = side or 32
        pictures = [ImageOps.expand(p, border=2) for p in pictures] if side == 32 else pictures
    return _labeled(name, stack([square(p, side) for p in pictures]), labels)
