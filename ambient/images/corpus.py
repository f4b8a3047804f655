"""Images to learn from: bundled corpora, folders, zips, npz files, uploads and torchvision sets.

A corpus is plain numpy, so that pages show training images without loading torch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

import numpy as np
from einops import rearrange, reduce
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ambient.errors import InputError
from ambient.files import ASSETS as ASSETS
from ambient.images import read as untrusted
from ambient.images.neighbors import Groups, searchable
from ambient.images.read import guarded, plain, read_npz

BUNDLED = ("emoji", "digits", "kanji")
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}

TWIN_RMS = 0.145  # in [-1, 1] units; an L2 distance of 8 at 32x32x3
TWIN_SHARE = 0.25  # nor more than this of what two images of a set differ by: dark ones differ less
TWIN_LEAST = 0.02  # two or three of 256 levels, as saving as JPEG may leave
TWINS_AT_ONCE = 512  # pictures in floats at once, so that many take little memory
MIN_SIDE, MAX_SIDE, DEFAULT_SIDE = 8, 128, 32
KEPT_SIDE = 2 * MAX_SIDE  # of a picture, once read
MAX_IMAGES = 60_000
MAX_ZIP_BYTES = 8_000_000_000  # of all pictures in a zip; they are read one by one

Pictures = Iterator[tuple[str, Callable[[], bytes]]]  # the name of each, and what reads it


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
        """Hash of shape and pixels: two corpora with the same hash are the same images."""
        digest = hashlib.sha256(str(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).tobytes())
        return digest.hexdigest()


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


def twin_radius(images: NDArray[np.uint8]) -> float:
    """Images of a set that differ by less are twins: root mean square an element, in [-1, 1] units.

    `TWIN_RMS`, or a quarter of what two images of the set differ by on average where that is less:
    in a set of dark or faint pictures different ones lie close together.
    """
    total, squares = np.zeros((2, *images.shape[1:]))
    for start in range(0, len(images), TWINS_AT_ONCE):
        block = images[start : start + TWINS_AT_ONCE] / 127.5
        total += block.sum(axis=0)
        squares += (block**2).sum(axis=0)
    variance = squares / len(images) - (total / len(images)) ** 2
    apart = math.sqrt(max(0.0, 2 * float(variance.mean())))
    return min(TWIN_RMS, max(TWIN_LEAST, TWIN_SHARE * apart))


def twin_groups(images: NDArray[np.uint8], rms: float | None = None) -> NDArray[np.int64]:
    """Near-duplicate groups: pixels or mirrored pixels closer than `rms`, by single linkage.

    Candidates come from block means: averaging blocks never increases a distance (scaled by the
    block size it is an orthogonal projection), so no twin is missed among up to
    `MANY` images, and 1 % at most among more; the candidates are then checked on
    all pixels.

    Args:
        images: uint8 (N, h, w, c), h and w multiples of 4.
        rms: root-mean-square difference an element, in [-1, 1] units; default: `twin_radius`.

    Returns:
        int64 (N,): the smallest index of each image's group.
    """
    if not len(images):
        return np.zeros(0, np.int64)
    rms = twin_radius(images) if rms is None else rms
    groups, means = Groups(len(images)), block_means(images)
    # A mean over blocks cannot exceed one over pixels.
    near = math.sqrt(rms**2 * means.shape[1] + 1e-3)
    search = searchable(means)
    for guises in (images, images[:, :, ::-1]):
        for i, others in search.within(block_means(guises), near):
            others = groups.apart(i, others)
            groups.join(i, others[rms_differences(guises[i], images, others) < rms])
    return groups.labels()


def apart(
    known: NDArray[np.uint8], unseen: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Images that have no twin among others.

    Args:
        known, unseen: uint8 (n, h, w, c) and (m, h, w, c).

    Returns:
        Twin groups (n,) of the known ones, the positions of the unseen ones that have no twin
        among them, and the groups of these.
    """
    n = len(known)
    groups = twin_groups(np.concatenate([known, unseen]))
    kept = np.flatnonzero(~np.isin(groups[n:], groups[:n]))
    return groups[:n], kept, groups[n:][kept]


def block_means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (N, d): means of square blocks in [0, 2], up to some 8x8 of them an image."""
    h, w = images.shape[1:3]
    block = max(b for b in range(4, max(4, min(h, w) // 8) + 1) if h % b == w % b == 0)
    means = [
        reduce(
            images[i : i + TWINS_AT_ONCE].astype(np.float32) / np.float32(127.5),
            "n (h i) (w j) c -> n (h w c)",
            "mean",
            i=block,
            j=block,
        )
        for i in range(0, len(images), TWINS_AT_ONCE)
    ]
    return np.concatenate(means)


def rms_differences(
    image: NDArray[np.uint8], images: NDArray[np.uint8], index: NDArray[np.int64]
) -> NDArray[np.float32]:
    """How far an image is from those at `index`, root-mean-square in [-1, 1] units."""
    one = image.astype(np.float32)
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(index), TWINS_AT_ONCE):
        gap = (images[index[start : start + TWINS_AT_ONCE]] - one) / np.float32(127.5)
        found.append(np.sqrt((gap**2).mean(axis=(1, 2, 3))))
    return np.concatenate(found)


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
    spec: str | Path, *, side: int | None = None, looked: Callable[[int], None] = lambda count: None
) -> Corpus:
    """Load images by name or path.

    Args:
        spec: `emoji`, `digits`, `kanji`; `mnist`, `fashion-mnist`, `cifar10` (downloaded by
            torchvision on first use); a folder or zip of pictures; or an npz with `images` uint8
            (n, h, w[, c]).
        side: crop pictures to a square and resize to this many pixels. Default: keep the size when
            all pictures share one that the network accepts, else 32. Bundled images and those of
            an npz are never resized: another `side` than theirs is refused.
        looked: called with the number of pictures looked at before each; may raise to end it.

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
        return _load_npz(ASSETS / "corpora" / f"{name}.npz", name, side)
    if name in TORCHVISION:
        return _load_torchvision(name, side)
    with guarded(unknown):
        path = Path(spec).expanduser().resolve()  # a run must find it from any working folder
        is_folder, is_file = path.is_dir(), path.is_file()
    if is_folder:
        found = _counted(_folder_pictures(path), MAX_IMAGES, looked)
        return _from_pictures(str(path), found, side)
    if is_file and path.suffix.lower() == ".zip":
        found = _counted(_zip_pictures(path, path.name), MAX_IMAGES, looked)
        return _from_pictures(str(path), found, side)
    if is_file and path.suffix.lower() == ".npz":
        return _load_npz(path, str(path), side)
    raise InputError(unknown)


def read_uploads(
    files: Sequence[tuple[str, bytes]],
    name: str,
    *,
    side: int | None = None,
    most: int = MAX_IMAGES,
    looked: Callable[[int], None] = lambda count: None,
) -> Corpus:
    """Images that were handed over: pictures, or one zip of pictures, or one npz.

    What a file is says its content; what it is called is for captions.

    Args:
        files: the name and the bytes of each.
        name: of the corpus.
        side: as `load_corpus`.
        most: pictures that are looked at.
        looked: called with the number of pictures looked at before each; may raise to end it.

    Raises:
        InputError: nothing to use, too much, or what `load_corpus` would refuse.
    """
    archives = [label for label, data in files if untrusted.kind(data) == "a zip archive"]
    if archives and len(files) > 1:
        raise InputError(
            f"'{plain(archives[0])}' is a zip or npz among {len(files)} files; upload it alone, or "
            "pictures only."
        )
    if archives:
        ((label, data),) = files
        if holds_arrays(data, label):
            corpus = _load_npz(data, name, side, label, 2 * most * 3 * MAX_SIDE**2)
            _check_count(len(corpus), most)
            return corpus
        pictures = _zip_pictures(data, label)
    else:
        pictures = ((label, partial(bytes, data)) for label, data in sorted(files))
    return _from_pictures(name, _counted(pictures, most, looked), side)


def holds_arrays(data: bytes, label: str) -> bool:
    """Whether a zip is an npz.

    Raises:
        InputError: it is no zip that can be looked into.
    """
    with untrusted.open_zip(data, label, MAX_ZIP_BYTES) as archive:
        return any(member.endswith(".npy") for member in archive.namelist())


def _counted(pictures: Pictures, most: int, looked: Callable[[int], None]) -> Pictures:
    for count, picture in enumerate(pictures):
        _check_count(count + 1, most)
        looked(count)
        yield picture


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise InputError(f"more than {most} pictures were given; use fewer.")


def _load_npz(
    source: bytes | Path,
    name: str,
    side: int | None,
    label: str = "",
    max_bytes: int = 1_000_000_000,
) -> Corpus:
    label = label or Path(name).name
    optional = ["names", "categories", "groups", "license"]
    fields = read_npz(source, label, ["images"], optional, max_bytes)
    images = fields["images"]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"'{plain(label)}': 'images' is {fields['images'].dtype.name} "
            f"{plain(fields['images'].shape)}; expected uint8 (n, h, w), (n, h, w, 1) or "
            "(n, h, w, 3)."
        )
    _check_shape(plain(label), images)
    height, width = images.shape[1:3]
    if side not in (None, height):
        raise InputError(
            f"'{plain(label)}' has {height}x{width} images where {side}x{side} are "
            "wanted; only a folder or zip of pictures is resized."
        )
    n, numbers = len(images), np.arange(len(images))
    for field, kinds in (("names", "iuU"), ("categories", "iuU"), ("groups", "iu")):
        found = fields.get(field, numbers)
        if found.shape != (n,) or found.dtype.kind not in kinds:
            raise InputError(
                f"'{plain(label)}': '{field}' is {found.dtype.name} {plain(found.shape)}; expected "
                f"one for each of {n} images, or leave it out."
            )
    with guarded(f"'{plain(label)}' holds letters that do not exist; save it again."):
        names = tuple(map(plain, fields.get("names", numbers).tolist()))
        categories = tuple(map(plain, fields.get("categories", np.full(n, "")).tolist()))
        license = plain(fields.get("license", "yours"), 500)
    return Corpus(
        name=name,
        images=np.ascontiguousarray(images),
        names=names,
        categories=categories,
        groups=fields["groups"].astype(np.int64) if "groups" in fields else twin_groups(images),
        license=license,
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


def decode_picture(
    data: bytes, label: str, formats: Sequence[str] = untrusted.PICTURES
) -> Image.Image:
    """One picture from bytes, upright, transparency on white, as RGB or gray (L).

    At most 256 pixels a side: nothing larger is ever used.

    Raises:
        InputError: not a picture, too many pixels, a side under 8 pixels, or a mere strip.
    """
    return _shrunk(_usable(untrusted.read_picture(data, label, formats), label))


def _usable(picture: Image.Image, label: str) -> Image.Image:
    """The picture, if a square can be cut out of it."""
    short, long = sorted(picture.size)
    if short < MIN_SIDE:
        raise InputError(
            f"'{plain(label)}' is {picture.width}x{picture.height} pixels; expected at least "
            f"{MIN_SIDE}x{MIN_SIDE}. Remove it or use a larger version."
        )
    if short * KEPT_SIDE < long * MIN_SIDE:
        raise InputError(
            f"'{plain(label)}' is {picture.width}x{picture.height} pixels; expected at most "
            f"{KEPT_SIDE // MIN_SIDE} times as long as wide, for a square is cut out of it."
        )
    return picture


def _shrunk(picture: Image.Image) -> Image.Image:
    if max(picture.size) <= KEPT_SIDE:
        return picture
    return ImageOps.contain(picture, (KEPT_SIDE, KEPT_SIDE), Image.Resampling.LANCZOS)


def _is_picture(name: Path | PurePosixPath) -> bool:
    """By its suffix, but not what macOS leaves beside pictures; the content is checked later."""
    dropping = name.name.startswith(".") or "__MACOSX" in name.parts
    return name.suffix.lower() in SUFFIXES and not dropping


def _folder_pictures(folder: Path) -> Pictures:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if _is_picture(name) and path.is_file():
            yield str(name), partial(_file_bytes, path)


def _file_bytes(path: Path) -> bytes:
    closed = f"'{plain(path.name)}' cannot be read. Remove it, or allow reading."
    with guarded(closed), path.open("rb") as f:
        return f.read(untrusted.MAX_PICTURE_BYTES + 1)


def _zip_pictures(source: bytes | Path, label: str) -> Pictures:
    with untrusted.open_zip(source, label, MAX_ZIP_BYTES) as archive:
        for member in sorted(archive.infolist(), key=lambda m: m.filename):
            if _is_picture(PurePosixPath(member.filename)) and not member.is_dir():
                yield (
                    member.filename,
                    partial(untrusted.read_member, archive, member, untrusted.MAX_PICTURE_BYTES),
                )


def _from_pictures(name: str, pictures: Pictures, side: int | None) -> Corpus:
    """All that can be read; what cannot is named in the notes, and an error if it is all."""
    label = plain(Path(name).name)
    places: list[str] = []
    squares: list[Image.Image] = []
    met: list[tuple[int, int, str]] = []
    refused: list[str] = []
    for place, read in pictures:
        if len(squares) == MAX_IMAGES:
            raise InputError(f"'{label}' has more than {MAX_IMAGES} pictures; use fewer.")
        try:
            picture = _usable(untrusted.read_picture(read(), place), place)
        except InputError as e:
            refused.append(str(e))
            continue
        places.append(place)
        met.append((*picture.size, picture.mode))
        squares.append(_square(_shrunk(picture), side))
    if refused and not squares:
        only = "" if len(refused) == 1 else f"none of {len(refused)} pictures can be used: "
        raise InputError(only + refused[0])
    if not squares:
        raise InputError(
            f"'{label}' holds no pictures; expected files with {', '.join(sorted(SUFFIXES))}."
        )
    corpus = _stack(name, places, squares)
    return replace(corpus, notes=tuple(_notes(corpus.images.shape[1], met, refused)))


def _notes(side: int, met: Sequence[tuple[int, int, str]], refused: Sequence[str]) -> Iterator[str]:
    """What was done to pictures of these widths, heights and modes, and what was left out."""
    if resized := [(w, h) for w, h, _ in met if (w, h) != (side, side)]:
        small, large = ("x".join(map(str, f(resized, key=math.prod))) for f in (min, max))
        sizes = small if small == large else f"{small} to {large}"
        yield (
            f"{len(resized)} of {len(met)} pictures ({sizes} pixels) cropped to a square and "
            f"resized to {side}x{side}."
        )
    if 0 < (gray := sum(mode == "L" for *_, mode in met)) < len(met):
        yield f"{gray} of {len(met)} pictures are gray; they are read as color, like the others."
    if refused:
        more = f" And {len(refused) - 1} more." if len(refused) > 1 else ""
        yield f"{len(refused)} of {len(met) + len(refused)} pictures left out: {refused[0]}{more}"


def _square(picture: Image.Image, side: int | None) -> Image.Image:
    """Its middle at `side` pixels; without one, a size that the network accepts is kept."""
    width, height = picture.size
    accepted = width == height and width <= 64 and width % 4 == 0
    box = (side or (width if accepted else DEFAULT_SIDE),) * 2
    return picture if picture.size == box else ImageOps.fit(picture, box, Image.Resampling.LANCZOS)


def _stack(name: str, places: Sequence[str], squares: Sequence[Image.Image]) -> Corpus:
    """Squares at one size: their own, or 32 where they differ."""
    sides = {p.width for p in squares}
    side = sides.pop() if len(sides) == 1 else DEFAULT_SIDE
    squares = [_square(p, side) for p in squares]
    mode = "L" if all(p.mode == "L" for p in squares) else "RGB"
    images = np.zeros((len(squares), side, side, len(mode)), np.uint8)
    for image, square in zip(images, squares, strict=True):  # one by one: they may be many
        image[:] = np.atleast_3d(np.asarray(square.convert(mode)))
    _check_shape(plain(Path(name).name), images)
    folders = [str(Path(place).parent) for place in places]
    return Corpus(
        name=name,
        images=images,
        names=tuple(map(plain, places)),
        categories=tuple("" if f == "." else plain(f) for f in folders),
        groups=twin_groups(images),
        license="yours",
    )


def _load_torchvision(name: str, side: int | None) -> Corpus:
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
    return _stack(name, labels, [_square(p, side) for p in pictures])
