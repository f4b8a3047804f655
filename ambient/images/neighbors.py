"""Nearest images by Euclidean distance, found block by block and measured from differences.

Images may stay uint8: they are read as values in [-1, 1], a block at a time, so that a search among
many takes little memory beside them. They may also stay in a file, as a `numpy.memmap`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ambient.files import InputError, Tell, silent
from ambient.images.threads import at_once

Table = NDArray[np.float32] | NDArray[np.uint8]  # (n, d); bytes are pixels
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
Scored = tuple[NDArray[np.float32], NDArray[np.int64]]  # (q, k): how far, and which keys
BLOCK = 512  # rows in floats at once: 25 MB at 64x64x3
PART = 4096  # the same, where faiss searches
CHUNK = 64  # pairs in floats at once where distances are taken from differences
SPARE = 8  # candidates beyond k, since products lose digits that differences keep
ROUNDING = 1e-5  # of squared norms: products are exact to fewer digits than this


def nearest(queries: Table, keys: Table, k: int) -> Scored:
    """The k nearest keys of each query.

    Args:
        queries: (q, d).
        keys: (n, d).
        k: at most n.

    Returns:
        Distances (q, k), ascending, and indices into `keys` (q, k).

    Raises:
        InputError: different dimensions, or k out of range.
    """
    _check_dimensions(queries, keys)
    if not 1 <= k <= len(keys):
        raise InputError(f"k is {k}; expected 1 to {len(keys)}, the number of searched images.")
    kept = min(k + SPARE, len(keys))
    best = np.full((len(queries), kept), np.inf, np.float32)
    index = np.zeros((len(queries), kept), np.int64)
    # On macOS the OpenMP runtimes of torch and faiss abort each other.
    search = _torch_search if sys.platform == "darwin" else _faiss_search
    for there, part in blocks(keys, PART):
        for some, block in blocks(queries, PART):
            far, near = search(block, part, min(kept, len(part)))
            scores = np.concatenate([best[some], far], axis=1)
            among = np.concatenate([index[some], there.start + near], axis=1)
            best[some], index[some] = _ascending(scores, among, kept)
    return _ascending(distances(queries, keys, index), index, k)


def nearest_of_two_groups(
    queries: Table,
    keys: Table,
    groups: NDArray[np.int64],
    own: NDArray[np.int64] | None = None,
    tell: Tell = silent,
) -> Scored:
    """Each query's nearest key, and the nearest one of another group, however large groups are.

    Args:
        queries: (q, d).
        keys: (n, d).
        groups: int64 (n,), of each key.
        own: int64 (q,), a group whose keys each query does not see.
        tell: progress in queries.

    Returns:
        Distances (q, 2), ascending, and indices into `keys` (q, 2).

    Raises:
        InputError: different dimensions; fewer than 2 groups, or than 3 where `own` takes one away.
    """
    _check_dimensions(queries, keys)
    check_groups(groups, own)
    index = np.zeros((len(queries), 2), np.int64)
    for some, block in blocks(queries, BLOCK):
        index[some] = _best_two(block, keys, groups, None if own is None else own[some])
        tell("comparing images", some.stop, len(queries))
    return _ascending(distances(queries, keys, index), index, 2)


def check_groups(groups: NDArray[np.int64], own: NDArray[np.int64] | None) -> None:
    """Raises InputError where a nearest image, or one of another group, may be missing."""
    needed, found = 2 if own is None else 3, len(np.unique(groups))
    if found < needed:
        raise InputError(
            f"the training images form {found} groups of twins; at least {needed} are needed. "
            "Add images that differ."
        )


def _best_two(
    queries: NDArray[np.float32],
    keys: Table,
    groups: NDArray[np.int64],
    own: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Indices (q, 2) of the nearest key and of the nearest of another group."""
    q = np.arange(len(queries))
    best = np.full((len(q), 2), np.inf, np.float32)
    index = np.zeros((len(q), 2), np.int64)
    for some, block in blocks(keys, BLOCK):
        far, group = _by_products(queries, block), groups[some]
        if own is not None:
            far[own[:, None] == group] = np.inf
        first = far.argmin(axis=1)
        found = far[q, first]
        far[group[first][:, None] == group] = np.inf
        second = far.argmin(axis=1)
        # Of the two nearest so far and the two of this block: the nearest, then the nearest of
        # another group than its.
        scores = np.column_stack([best, found, far[q, second]])
        among = np.column_stack([index, some.start + first, some.start + second])
        winner = scores.argmin(axis=1)
        other = np.where(groups[among] == groups[among[q, winner]][:, None], np.inf, scores)
        runner_up = other.argmin(axis=1)
        index = np.column_stack([among[q, winner], among[q, runner_up]])
        best = np.column_stack([scores[q, winner], other[q, runner_up]])
    return index


def near_pairs(queries: Table, keys: Table, radius: float, across: bool = False) -> Iterator[Pairs]:
    """Candidates for pairs nearer than `radius`: all of them, and some a rounding error beyond.

    Args:
        queries, keys: (n, d), the same images, the queries perhaps mirrored.
        across: they are different images, (q, d) and (n, d).

    Yields:
        Indices of queries and of keys, block by block. A pair is met from one side at least, and
        each image as its own neighbor.
    """

    # |q - k|^2 less |q|^2 is one product: of (q, 1) and (-2 k, |k|^2).
    asked, known = values(queries), values(keys)
    reach = radius**2 - (1 - ROUNDING) * _squared_norms(asked)
    asked = np.column_stack([asked, np.ones(len(asked), np.float32)])
    known = np.column_stack([-2 * known, _squared_norms(known)])

    def look(at: tuple[int, int]) -> Pairs:
        row, column = at
        some = slice(row, row + BLOCK)
        i, j = np.nonzero(asked[some] @ known[column : column + PART].T <= reach[some, None])
        return row + i, column + j

    places = (
        (row, column)
        for row in range(0, len(asked), BLOCK)
        for column in range(0 if across else row, len(known), PART)
    )
    yield from at_once(look, places)


def values(rows: Table) -> NDArray[np.float32]:
    """Rows as float32, bytes as in `ambient.images.corpus.to_unit`: 0 becomes -1, 255 becomes 1."""
    if rows.dtype != np.uint8:
        return np.ascontiguousarray(rows, dtype=np.float32)
    floats = rows.astype(np.float32)
    floats /= 127.5
    floats -= 1
    return floats


def blocks(rows: Table, size: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Rows as `values`, at most `size` of them at a time, with where they lie."""
    for start in range(0, len(rows), size):
        some = slice(start, min(start + size, len(rows)))
        yield some, values(rows[some])


def distances(queries: Table, keys: Table, index: NDArray[np.int64]) -> NDArray[np.float32]:
    """L2 distances (q, k) of each query to the keys at `index` (q, k), from differences.

    The expansion |q|^2 + |k|^2 - 2qk, by which one searches, loses digits near zero.
    """
    exact = np.zeros(index.shape, np.float32)
    for some, block in blocks(queries, CHUNK):
        for column in range(index.shape[1]):
            difference = block - values(keys[index[some, column]])
            exact[some, column] = np.linalg.norm(difference, axis=1)
    return exact


def _by_products(queries: NDArray[np.float32], keys: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances (q, n) by products, less |q|^2, which is the same for all keys."""
    far = queries @ keys.T
    far *= -2
    far += _squared_norms(keys)
    return far


def _squared_norms(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("nd,nd->n", rows, rows))


def _ascending(far: NDArray[np.float32], index: NDArray[np.int64], k: int) -> Scored:
    """The k nearest of each query's candidates; of equally near ones the first."""
    order = np.argsort(far, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(far, order, 1), np.take_along_axis(index, order, 1)


def _check_dimensions(queries: Table, keys: Table) -> None:
    if queries.shape[1] != keys.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} values an image and the searched images "
            f"{keys.shape[1]}; both must have the same size and channels."
        )


def _faiss_search(queries: NDArray[np.float32], keys: NDArray[np.float32], k: int) -> Scored:
    import faiss

    before = faiss.omp_get_max_threads()  # torch's too: both ask the same library
    faiss.omp_set_num_threads(1)
    try:
        far, near = faiss.knn(queries, keys, k)
    finally:
        faiss.omp_set_num_threads(before)
    return far, near


def _torch_search(queries: NDArray[np.float32], keys: NDArray[np.float32], k: int) -> Scored:
    import torch

    found = [
        torch.cdist(torch.from_numpy(chunk), torch.from_numpy(keys)).topk(k, largest=False)
        for chunk in np.array_split(queries, max(1, len(queries) // 1024))
    ]
    far, near = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return far, near
