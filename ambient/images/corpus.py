"""Images to learn from: bundled corpora, folders, zips, npz files, uploads, arrays in memory.

A corpus is plain numpy, so that pages show training images without loading torch.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image

from ambient.files import ASSETS, InputError, Tell, silent
from ambient.images.arrays import Given, as_images
from ambient.images.npz import arrays_of, is_npz, read_images, stored_array
from ambient.images.read import HEAD, MAX_SIDE, MIN_SIDE, guarded, kind, plain
from ambient.images.readings import USUAL, Reading
from ambient.images.sources import Choice, folder_sources, upload_sources, zip_sources
from ambient.images.squares import See, Squares, accepted, read_squares
from ambient.images.twins import twin_groups
from ambient.images.zips import MAX_PICTURES_BYTES, open_zip

BUNDLED = ("emoji", "digits", "kanji")
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
MAX_IMAGES = 60_000
Notes = tuple[str, ...]
MEMORY = "own images"  # the name of a corpus that was in memory


def digest(images: NDArray[np.uint8]) -> str:
    """Hash of shape and pixels."""
    found = hashlib.sha256(str(images.shape).encode())
    found.update(np.ascontiguousarray(images).tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Corpus:
    """Images of one size, what they show, and which of them are near-duplicates."""

    name: str  # what `load_corpus` was given
    images: NDArray[np.uint8]  # uint8 (N, h, w, c), c = 1 or 3
    names: tuple[str, ...]  # a name an image, for captions
    categories: tuple[str, ...]  # a category an image; empty strings where none is known
    groups: NDArray[np.int64]  # int64 (N,), equal for twins (see `twin_groups`)
    license: str  # who made the images and what one may do with them
    notes: tuple[str, ...] = ()  # what loading changed (cropped, resized, skipped), one line each
    # a text an image, or none at all (see `ambient.images.captions`)
    captions: tuple[str, ...] = ()

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


def split_corpus(corpus: Corpus, n_train: int, split_seed: int) -> Split:
    """Draw `n_train` images to train on, and hold out the others: one image a twin group.

    The order of the groups depends on `split_seed` alone, so the training sets of one seed are
    nested: n = 100 is the first third of n = 300.

    Raises:
        InputError: fewer than 2 training images, or fewer than that many distinct ones.
    """
    if n_train < 2:
        raise InputError(f"n_train is {n_train}; at least 2 training images are needed.")
    rng = np.random.default_rng([split_seed, 0x5EED])
    labels, group = np.unique(corpus.groups, return_inverse=True)
    rank = rng.permutation(len(labels))[group]
    order = np.lexsort((rng.random(len(corpus)), rank))  # by group, shuffled within each
    order = order[np.unique(rank[order], return_index=True)[1]]
    if n_train > len(order):
        raise InputError(
            f"n_train is {n_train}, but corpus '{corpus.name}' has only {len(order)} distinct "
            f"images; choose n_train <= {len(order)}."
        )
    return Split(train=order[:n_train], heldout=order[n_train:])


Source = str | Path | Corpus | Given  # what images are read from


def load_corpus(
    spec: Source,
    *,
    side: int | None = None,
    tell: Tell = silent,
    reading: Reading = USUAL,
    see: See | None = None,
    without: Sequence[Path] = (),
) -> Corpus:
    """Load images by name or path, or take those that are in memory.

    Args:
        spec: `emoji`, `digits`, `kanji`; `mnist`, `fashion-mnist`, `cifar10` (downloaded by
            torchvision on first use); a folder or zip of pictures; an npz with `images`, or with
            one array of images alone; or images in memory (`ambient.images.arrays.as_images`).
        side: crop images to a square and resize to this many pixels. Default: keep the size when
            all share one that the network accepts, else 32.
        tell: progress in pictures.
        reading: how files are read that are transparent or no squares.
        see: is shown each of these files as a picture, before it is read so.
        without: folders below a folder that are left out.

    Raises:
        InputError: nothing there, not images, too small, or no network for a first download.
    """
    if side is not None and not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"side is {side}; expected {MIN_SIDE} to {MAX_SIDE} pixels.")
    squares = Squares(side, reading, see)
    if isinstance(spec, Corpus):
        images, notes = _fitted(spec.images, squares)
        return replace(spec, images=images, notes=(*spec.notes, *notes))
    if not isinstance(spec, (str, Path)):
        return _of_images(MEMORY, MEMORY, as_images(spec, MEMORY), {}, squares)
    path = located(spec)
    if path is None:
        return _named(str(spec), squares)
    if path.is_dir():
        inner = [place for place in without if path in place.parents]
        choice = Choice.among(folder_sources(path, inner), MAX_IMAGES, tell)
        choice.inner = [place.relative_to(path).as_posix() for place in inner]
        return _from_choice(str(path), choice, squares, tell)
    return _from_file(path, path.name, str(path), squares, MAX_IMAGES, tell)


def located(spec: str | Path) -> Path | None:
    """Where the images lie that a path names; None for the name of a corpus.

    Raises:
        InputError: it is neither.
    """
    known = (*BUNDLED, *TORCHVISION)
    if str(spec) in known:
        return None
    unknown = (
        f"'{plain(spec)}' is no corpus: expected one of {', '.join(known)}, or an existing folder, "
        ".zip or .npz of images."
    )
    with guarded(unknown):
        path = Path(spec).expanduser().resolve()  # a run must find it from any working folder
        if not path.exists():
            raise InputError(unknown)
    return path


def read_uploads(
    files: Sequence[tuple[str, bytes]],
    name: str,
    *,
    side: int | None = None,
    most: int = MAX_IMAGES,
    tell: Tell = silent,
) -> Corpus:
    """Images that were handed over, by name and bytes: pictures, or one zip of them, or one npz.

    Args:
        side: as `load_corpus`.
        most: pictures that are looked at.

    Raises:
        InputError: nothing to use, too much, or what `load_corpus` would refuse.
    """
    squares = Squares(side)
    if archive := archive_among(files):
        return _from_file(archive[1], archive[0], name, squares, most, tell)
    return _from_choice(name, Choice.among(upload_sources(files), most, tell), squares, tell)


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


def _named(name: str, squares: Squares) -> Corpus:
    """A corpus that everybody knows; a folder of that name is told apart from it."""
    if name in TORCHVISION:
        found = _from_torchvision(name, squares)
    else:
        found = _from_file(ASSETS / "corpora" / f"{name}.npz", name, name, squares)
    if not Path(name).is_dir():
        return found
    note = f"'{name}' is the corpus of that name; for the folder '{name}' here write ./{name}."
    return replace(found, notes=(note, *found.notes))


def _from_file(
    source: bytes | Path,
    label: str,
    name: str,
    squares: Squares,
    most: int = MAX_IMAGES,
    tell: Tell = silent,
) -> Corpus:
    """A zip, an npz or one array, by its content."""
    label = plain(label)

    def opened() -> IO[bytes]:
        return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")

    with guarded(f"'{label}' cannot be read; allow reading it."), opened() as content:
        found = kind(content.read(HEAD))
        size = content.seek(0, io.SEEK_END)
    if found == "a numpy array":
        arrays = {"images": stored_array(opened, size, label)}
        return _of_images(name, label, *read_images(arrays, label, most), squares)
    form = "npz" if label.lower().endswith(".npz") else "zip"
    with open_zip(source, label, MAX_PICTURES_BYTES, form) as archive:
        if is_npz(archive):
            arrays = arrays_of(archive, label)
            return _of_images(name, label, *read_images(arrays, label, most), squares)
        return _from_choice(name, Choice.among(zip_sources(archive), most, tell), squares, tell)


def _from_choice(name: str, choice: Choice, squares: Squares, tell: Tell) -> Corpus:
    """The pictures among files; the folder of each is its category."""
    label = plain(Path(name).name)
    images = read_squares(choice, squares, label, tell)
    folders = [str(Path(place).parent) for place in squares.names]
    fields = {
        "names": tuple(map(plain, squares.names)),
        "categories": tuple("" if f == "." else plain(f) for f in folders),
        "notes": (*squares.notes(images.shape[1]), *choice.notes()),
    }
    return _of_images(name, label, images, fields, squares)


def _of_images(
    name: str, label: str, images: NDArray[np.uint8], fields: Mapping[str, Any], squares: Squares
) -> Corpus:
    """Images with what is said of each."""
    n = len(images)
    if n < 4:
        raise InputError(f"'{label}' has {n} image{'s' * (n != 1)}; at least 4 are needed.")
    images, notes = _fitted(images, squares)
    usual = {"names": tuple(map(str, range(n))), "categories": ("",) * n, "license": "yours"}
    found = {**usual, "notes": notes, **fields}
    groups = found.pop("groups", None)
    groups = twin_groups(images) if groups is None else groups.astype(np.int64)
    return Corpus(name=name, images=images, groups=groups, **found)


def _fitted(images: NDArray[np.uint8], squares: Squares) -> tuple[NDArray[np.uint8], Notes]:
    """Images at a size that was asked for or that networks take, and what that changed."""
    height, width = images.shape[1:3]
    asked = squares.side in (None, height)
    if height == width and asked and (squares.side or accepted(height, width)):
        return images, ()
    for number, image in enumerate(images):
        pixels = image[..., 0] if image.shape[2] == 1 else image
        squares.add(str(number), Image.fromarray(pixels))
    images = squares.images()
    return images, tuple(squares.notes(images.shape[1]))


def _from_torchvision(name: str, squares: Squares) -> Corpus:
    from torchvision import datasets

    root = Path.home() / ".cache" / "ambient"
    try:
        data = getattr(datasets, TORCHVISION[name])(root=str(root), train=True, download=True)
    except (OSError, RuntimeError) as e:
        raise InputError(
            f"corpus '{name}' is not in {root} and could not be downloaded ({type(e).__name__}); "
            f"connect to the network once, or use one of {', '.join(BUNDLED)}, which are bundled."
        ) from e
    images = as_images(np.asarray(data.data), name)
    if images.shape[1] == 28 and squares.side in (None, 32):  # a border, where others are resized
        images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    classes = tuple(data.classes[int(t)] for t in data.targets)
    names = tuple(f"{c} {i}" for i, c in enumerate(classes))
    return _of_images(name, name, images, {"names": names, "categories": classes}, squares)
