"""Near-duplicates: images of a set that show the same, mirrored or not."""

from __future__ import annotations

import math

import numpy as np
from einops import reduce
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ambient.images.neighbors import near_pairs

TWIN_RMS = 0.145  # in [-1, 1] units; an L2 distance of 8 at 32x32x3
TWIN_SHARE = 0.25  # nor more than this of what two images of a set differ by: dark ones differ less
TWIN_LEAST = 0.02  # two or three of 256 levels, as saving as JPEG may leave
BLOCK = 512  # pictures in floats at once, so that many take little memory
CELLS, COARSE = 8, 4  # blocks along a side, and of the view that comes first
CACHED = 64  # pictures at once, so that sums stay in the cache
PAIRS = 4096  # candidates between two looks at what is one group already


def twin_radius(images: NDArray[np.uint8]) -> float:
    """Images of a set that differ by less are twins: root mean square an element, in [-1, 1] units.

    `TWIN_RMS`, or a quarter of what two images of the set differ by on average where that is less:
    in a set of dark or faint pictures different ones lie close together.
    """
    total, squares = np.zeros((2, *images.shape[1:]))
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK].astype(np.float32)
        total += block.sum(axis=0)
        squares += np.einsum("n...,n...->...", block, block)
    variance = (squares / len(images) - (total / len(images)) ** 2) / 127.5**2
    apart = math.sqrt(max(0.0, 2 * float(variance.mean())))
    return min(TWIN_RMS, max(TWIN_LEAST, TWIN_SHARE * apart))


def twin_groups(images: NDArray[np.uint8], rms: float | None = None) -> NDArray[np.int64]:
    """Near-duplicate groups: pixels or mirrored pixels closer than `rms`, by single linkage.

    Candidates come from means of large blocks, then of smaller ones: averaging blocks never
    increases a distance (scaled by the block size it is an orthogonal projection), so no twin is
    missed; they are then compared on all pixels.

    Args:
        images: uint8 (N, h, w, c).
        rms: root-mean-square difference an element, in [-1, 1] units; default: `twin_radius`.

    Returns:
        int64 (N,): the smallest index of each image's group.
    """
    groups = np.arange(len(images))
    if not len(images):
        return groups
    return _linked(groups, images, images, twin_radius(images) if rms is None else rms)


def groups_across(
    known: NDArray[np.uint8],
    unseen: NDArray[np.uint8],
    groups: NDArray[np.int64],
    others: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Near-duplicate groups (n + m,) of two sets together, by the `twin_radius` of the first.

    Args:
        known, unseen: uint8 (n, h, w, c) and (m, h, w, c).
        groups, others: those of each set alone, any numbers.
    """
    found = np.concatenate([_labels(groups), len(known) + _labels(others)])
    return _linked(found, unseen, known, twin_radius(known), len(known)) if len(found) else found


def _labels(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups by the smallest index of each."""
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[which], np.int64)


def _linked(
    groups: NDArray[np.int64],
    images: NDArray[np.uint8],
    others: NDArray[np.uint8],
    rms: float,
    first: int = 0,
) -> NDArray[np.int64]:
    """Groups after images became one with those of the others that they are twins of.

    Args:
        others: the same images, or those whose groups stand before theirs.
        first: the place of the first image among the groups.
    """
    coarse, means = block_means(others, COARSE), block_means(others)
    near, nearer = (math.sqrt(rms**2 * rows.shape[1] + 1e-3) for rows in (coarse, means))
    for guises in (images, images[:, :, ::-1]):
        mine = block_means(guises)
        for i, j in near_pairs(block_means(guises, COARSE), coarse, near, across=first > 0):
            for start in range(0, len(i), PAIRS):
                a, b = i[start : start + PAIRS], j[start : start + PAIRS]
                # Thousands of equal images make millions of pairs, most of them joined by then.
                new = groups[first + a] != groups[b]
                a, b = a[new], b[new]
                alike = ((mine[a] - means[b]) ** 2).sum(axis=1) <= nearer**2
                a, b = a[alike], b[alike]
                close = rms_differences(guises, a, others, b) < rms
                groups = joined(groups, first + a[close], b[close])
    return groups


def joined(
    groups: NDArray[np.int64], i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Groups after those of each i and its j became one, labeled by their smallest index."""
    if not len(i):
        return groups
    n = len(groups)
    links = coo_array((np.ones(len(i), bool), (groups[i], groups[j])), shape=(n, n))
    _, component = connected_components(links, directed=False)
    smallest = np.unique(component, return_index=True)[1]
    return np.asarray(smallest[component[groups]], np.int64)


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


def block_means(images: NDArray[np.uint8], cells: int = CELLS) -> NDArray[np.float32]:
    """float32 (N, d): means of square blocks in [0, 2], some 8x8 of them an image, or as asked.

    What is left beside whole blocks counts nothing.
    """
    block = max(min(4, *images.shape[1:3]), min(images.shape[1:3]) // cells)
    h, w = (block * (length // block) for length in images.shape[1:3])
    scale = np.float32(127.5 * block**2)
    means = []
    for start in range(0, len(images), CACHED):  # down, then across: six times faster than both
        some = images[start : start + CACHED, :h, :w].astype(np.float32)
        rows = reduce(some, "n (y i) w c -> n y w c", "sum", i=block)
        means.append(reduce(rows, "n y (x j) c -> n (y x c)", "sum", j=block) / scale)
    return np.concatenate(means)


def rms_differences(
    one: NDArray[np.uint8], i: NDArray[np.int64], other: NDArray[np.uint8], j: NDArray[np.int64]
) -> NDArray[np.float32]:
    """float32 (n,): how far `one[i]` are from `other[j]`, root mean square in [-1, 1] units."""
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(i), BLOCK):
        some = slice(start, start + BLOCK)
        gap = (other[j[some]] - one[i[some]].astype(np.float32)) / np.float32(127.5)
        found.append(np.sqrt((gap**2).mean(axis=(1, 2, 3))))
    return np.concatenate(found)
