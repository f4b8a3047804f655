"""Images to learn from: bundled corpora, folders, zips, npz files and torchvision sets.

A corpus is plain numpy, so that pages show training images without loading torch.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from einops import rearrange, reduce
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ambient.errors import InputError

ASSETS = Path(__file__).resolve().parent.parent / "assets"
BUNDLED = ("emoji", "digits")
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"}

TWIN_RMS = 0.145  # in [-1, 1] units; an L2 distance of 8 at 32x32x3
MIN_SIDE, MAX_SIDE, DEFAULT_SIDE = 8, 128, 32
MAX_PIXELS = 50_000_000  # one picture; more is a decompression bomb
MAX_IMAGES = 60_000


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


def twin_groups(images: NDArray[np.uint8], rms: float = TWIN_RMS) -> NDArray[np.int64]:
    """Near-duplicate groups: pixels or mirrored pixels closer than `rms`, by single linkage.

    Candidates come from block means: averaging 4x4 blocks never increases a distance (scaled by
    the block size it is an orthogonal projection), so no twin is missed, and the candidates are
    then checked on all pixels.

    Args:
        images: uint8 (N, h, w, c), h and w multiples of 4.
        rms: root-mean-square difference an element, in [-1, 1] units.

    Returns:
        int64 (N,): the smallest index of each image's group.
    """
    n = len(images)
    flat = rearrange(images, "n h w c -> n (h w c)")
    mirrored = rearrange(images[:, :, ::-1], "n h w c -> n (h w c)")
    scale = 127.5  # 255 levels span 2 units

    def blocks(x: NDArray[np.uint8]) -> NDArray[np.float32]:
        return reduce(
            x.astype(np.float32) / np.float32(scale),
            "n (h i) (w j) c -> n (h w c)",
            "mean",
            i=4,
            j=4,
        )

    small, small_mirrored = blocks(images), blocks(images[:, :, ::-1])
    norms = (small**2).sum(1)
    limit = rms**2 * small.shape[1]  # a mean over blocks cannot exceed the mean over pixels
    root = np.arange(n)

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for start in range(0, n, 2048):
        rows = slice(start, start + 2048)
        for query, query_flat in ((small, flat), (small_mirrored, mirrored)):
            d2 = (query[rows] ** 2).sum(1)[:, None] + norms - 2 * query[rows] @ small.T
            for i, j in zip(*np.nonzero(d2 <= limit + 1e-3), strict=True):
                a, b = find(start + i), find(j)
                if a == b:
                    continue
                gap = (query_flat[start + i].astype(np.float32) - flat[j]) / scale
                if (gap**2).mean() < rms**2:
                    root[max(a, b)] = min(a, b)
    return np.array([find(i) for i in range(n)], dtype=np.int64)


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


def load_corpus(spec: str | Path, *, side: int | None = None) -> Corpus:
    """Load images by name or path.

    Args:
        spec: `emoji`, `digits`; `mnist`, `fashion-mnist`, `cifar10` (downloaded by torchvision on
            first use); a folder or zip of pictures; or an npz with `images` uint8 (n, h, w[, c]).
        side: crop to a square and resize to this many pixels. Default: keep the size when all
            pictures share one that the network accepts, else 32.

    Raises:
        InputError: nothing there, not images, too small, or no network for a first download.
    """
    if side is not None and not MIN_SIDE <= side <= MAX_SIDE:
        raise InputError(f"side is {side}; expected {MIN_SIDE} to {MAX_SIDE} pixels.")
    name = str(spec)
    path = Path(spec).expanduser()
    if path.exists() and name not in (*BUNDLED, *TORCHVISION):
        name = str(path.resolve())  # a run must find its images from any working folder
    if name in BUNDLED:
        return _load_npz(ASSETS / "corpora" / f"{name}.npz", name)
    if name in TORCHVISION:
        return _load_torchvision(name, side)
    if path.is_dir():
        return _from_pictures(name, _folder_pictures(path), side)
    if path.suffix == ".zip" and path.is_file():
        return _from_pictures(name, _zip_pictures(path), side)
    if path.suffix == ".npz" and path.is_file():
        return _load_npz(path, name)
    known = ", ".join([*BUNDLED, *TORCHVISION])
    raise InputError(
        f"'{name}' is no corpus: expected one of {known}, or an existing folder, .zip or .npz "
        "of images."
    )


def _load_npz(path: Path, name: str) -> Corpus:
    try:
        with np.load(path, allow_pickle=False) as data:
            fields = {k: data[k] for k in data.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as e:
        raise InputError(f"'{path}' cannot be read as an npz file ({e}); save it again.") from e
    if "images" not in fields:
        found = ", ".join(sorted(fields)) or "nothing"
        raise InputError(f"'{path}' holds {found}; expected an array named 'images'.")
    images = fields["images"]
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"'{path}': 'images' is {fields['images'].dtype} {fields['images'].shape}; "
            "expected uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3)."
        )
    _check_shape(name, images)
    blank = np.full(len(images), "")
    return Corpus(
        name=name,
        images=images,
        names=tuple(fields.get("names", np.arange(len(images)).astype(str)).tolist()),
        categories=tuple(fields.get("categories", blank).tolist()),
        groups=fields["groups"].astype(np.int64) if "groups" in fields else twin_groups(images),
        license=str(fields.get("license", "yours")),
    )


def _check_shape(name: str, images: NDArray[np.uint8]) -> None:
    n, h, w, _ = images.shape
    if n < 4:
        raise InputError(
            f"'{name}' has {n} images; at least 4 are needed (2 to train, 2 held out)."
        )
    if n > MAX_IMAGES:
        raise InputError(f"'{name}' has {n} images; at most {MAX_IMAGES} are read at once.")
    if min(h, w) < MIN_SIDE or max(h, w) > MAX_SIDE or h % 4 or w % 4:
        raise InputError(
            f"'{name}' has {h}x{w} images; expected sides from {MIN_SIDE} to {MAX_SIDE} pixels, "
            "multiples of 4. Pass a folder or zip to have them resized."
        )


def decode_picture(data: bytes, label: str) -> Image.Image:
    """One picture from bytes, upright, transparency on white, as RGB or gray (L).

    Raises:
        InputError: not a picture, too many pixels, or a side under 8 pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise InputError(
                    f"'{label}' has {opened.width}x{opened.height} pixels; expected at most "
                    f"{MAX_PIXELS // 1_000_000} million. Shrink it."
                )
            picture = ImageOps.exif_transpose(opened)
            gray = picture.mode in ("1", "L", "I", "I;16", "F")
            rgba = picture.convert("RGBA")
    except InputError:
        raise
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
    ) as e:
        raise InputError(
            f"'{label}' is not a readable picture; expected PNG, JPEG, WebP, BMP or GIF. "
            "Remove or replace it."
        ) from e
    if min(rgba.size) < MIN_SIDE:
        raise InputError(
            f"'{label}' is {rgba.width}x{rgba.height} pixels; expected at least "
            f"{MIN_SIDE}x{MIN_SIDE}. Remove it or use a larger version."
        )
    flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return flat.convert("L" if gray else "RGB")


def _folder_pictures(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()
    ):
        yield str(path.relative_to(folder)), path.read_bytes()


def _zip_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda i: i.filename):
                wanted = Path(info.filename).suffix.lower() in SUFFIXES
                if wanted and "__MACOSX" not in info.filename:
                    if info.file_size > 4 * MAX_PIXELS:
                        raise InputError(
                            f"'{info.filename}' unpacks to {info.file_size} bytes; expected up to "
                            f"{4 * MAX_PIXELS}. Shrink it."
                        )
                    yield info.filename, archive.read(info)
    except (zipfile.BadZipFile, OSError, RuntimeError) as e:
        raise InputError(f"'{path}' cannot be read as a zip file ({e}); pack it again.") from e


def _from_pictures(name: str, pictures: Iterator[tuple[str, bytes]], side: int | None) -> Corpus:
    names: list[str] = []
    decoded: list[Image.Image] = []
    for label, data in pictures:
        if len(decoded) == MAX_IMAGES:
            raise InputError(f"'{name}' has more than {MAX_IMAGES} pictures; use fewer.")
        picture = decode_picture(data, label)
        if max(picture.size) > 2 * MAX_SIDE:  # keep memory bounded: nothing larger is ever used
            picture = ImageOps.contain(
                picture, (2 * MAX_SIDE, 2 * MAX_SIDE), Image.Resampling.LANCZOS
            )
        names.append(label)
        decoded.append(picture)
    if not decoded:
        raise InputError(
            f"'{name}' holds no pictures; expected files with {', '.join(sorted(SUFFIXES))}."
        )
    return _stack(name, names, decoded, side)


def _stack(name: str, names: list[str], pictures: list[Image.Image], side: int | None) -> Corpus:
    sizes = {p.size for p in pictures}
    width, height = next(iter(sizes))
    accepted = len(sizes) == 1 and width == height and MIN_SIDE <= width <= 64 and width % 4 == 0
    target = side or (width if accepted else DEFAULT_SIDE)
    notes = []
    if sizes != {(target, target)}:
        notes.append(
            f"{len(pictures)} pictures cropped to a square and resized to {target}x{target}."
        )
        box = (target, target)
        pictures = [ImageOps.fit(p, box, Image.Resampling.LANCZOS) for p in pictures]
    mode = "L" if all(p.mode == "L" for p in pictures) else "RGB"
    images = np.stack([np.atleast_3d(np.asarray(p.convert(mode))) for p in pictures])
    _check_shape(name, images)
    return Corpus(
        name=name,
        images=images,
        names=tuple(names),
        categories=tuple(str(Path(n).parent) if Path(n).parent != Path() else "" for n in names),
        groups=twin_groups(images),
        license="yours",
        notes=tuple(notes),
    )


def _load_torchvision(name: str, side: int | None) -> Corpus:
    from torchvision import datasets

    root = Path.home() / ".cache" / "ambient"
    try:
        data = getattr(datasets, TORCHVISION[name])(root=str(root), train=True, download=True)
    except (OSError, RuntimeError) as e:
        raise InputError(
            f"corpus '{name}' is not in {root} and could not be downloaded ({type(e).__name__}); "
            "connect to the network once, or use emoji or digits, which are bundled."
        ) from e
    classes = [data.classes[int(t)] for t in data.targets]
    pictures = [Image.fromarray(np.asarray(x)) for x in data.data]
    labels = [f"{c} {i}" for i, c in enumerate(classes)]
    if pictures[0].size == (28, 28):  # two halvings need a multiple of 4 behind the unshuffle
        side = side or 32
        pictures = [ImageOps.expand(p, border=2) for p in pictures] if side == 32 else pictures
    return _stack(name, labels, pictures, side)
