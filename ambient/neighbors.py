"""Exact nearest neighbors: faiss, or the same search in torch where faiss cannot be used.

Images may stay uint8: they are read as values in [-1, 1], a block at a time, so that a search among
many takes little memory beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ambient.errors import InputError

Table = NDArray[np.float32] | NDArray[np.uint8]  # (n, d); bytes are pixels
BLOCK = 512  # queries or keys in floats at once: 25 MB of each at 64x64x3
PART = 4096  # the same, where faiss searches
Search = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.int64]]
Looked = Callable[[int], None]  # told how many are done; may raise to end the work
CHUNK = 64  # pairs in floats at once where distances are taken from differences


def unwatched(count: int) -> None:
    """Nobody asks how far the work is."""


def nearest(queries: Table, keys: Table, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest keys of each query by Euclidean distance.

    Args:
        queries: (q, d).
        keys: (n, d).
        k: at most n.

    Returns:
        Distances (q, k), ascending, and indices into `keys` (q, k).

    Raises:
        InputError: different dimensions, or k out of range.
    """
    _check(queries, keys)
    if not 1 <= k <= len(keys):
        raise InputError(f"k is {k}; expected 1 to {len(keys)}, the number of searched images.")
    # On macOS the OpenMP runtimes of torch and faiss abort each other.
    search = _torch_search if sys.platform == "darwin" else _faiss_search
    index = np.concatenate(
        [
            start + _in_parts(search, queries, values(keys[start : start + PART]), k)
            for start in range(0, len(keys), PART)
        ],
        axis=1,
    )
    exact = distances(queries, keys, index)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(exact, order, 1), np.take_along_axis(index, order, 1)


def nearest_of_two_groups(
    queries: Table,
    keys: Table,
    groups: NDArray[np.int64],
    own: NDArray[np.int64] | None = None,
    looked: Looked = unwatched,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Each query's nearest key, and the nearest one of another group, however large groups are.

    Args:
        queries: (q, d).
        keys: (n, d).
        groups: int64 (n,), of each key.
        own: int64 (q,), a group whose keys each query does not see.
        looked: called with the number of queries answered; may raise to end the search.

    Returns:
        Distances (q, 2), ascending, and indices into `keys` (q, 2).

    Raises:
        InputError: different dimensions; fewer than 2 groups, or than 3 where `own` takes one away.
    """
    _check(queries, keys)
    needed, found = 2 if own is None else 3, len(np.unique(groups))
    if found < needed:
        raise InputError(
            f"the training images form {found} groups of twins; at least {needed} are needed. "
            "Add images that differ."
        )
    index = np.zeros((len(queries), 2), np.int64)
    for some, block in _blocks(queries):
        mine = None if own is None else own[some]
        index[some] = _best_two(block, keys, groups, mine)
        looked(some.stop)
    exact = distances(queries, keys, index)
    order = np.argsort(exact, axis=1, kind="stable")
    return np.take_along_axis(exact, order, 1), np.take_along_axis(index, order, 1)


def _in_parts(
    search: Search, queries: Table, keys: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    k = min(k, len(keys))
    parts = [
        search(values(queries[start : start + PART]), keys, k)
        for start in range(0, len(queries), PART)
    ]
    return np.concatenate([np.zeros((0, k), np.int64), *parts])


def values(rows: Table) -> NDArray[np.float32]:
    """Rows as float32, bytes as in `ambient.corpus.to_unit`: 0 becomes -1, 255 becomes 1."""
    if rows.dtype != np.uint8:
        return np.ascontiguousarray(rows, dtype=np.float32)
    floats = rows.astype(np.float32)
    floats /= 127.5
    floats -= 1
    return floats


def distances(queries: Table, keys: Table, index: NDArray[np.int64]) -> NDArray[np.float32]:
    """L2 distances (q, k) of each query to the keys at `index` (q, k), from differences.

    The expansion |q|^2 + |k|^2 - 2qk, by which one searches, loses digits near zero.
    """
    exact = np.zeros(index.shape, np.float32)
    for start in range(0, len(queries), CHUNK):
        some = slice(start, start + CHUNK)
        for column in range(index.shape[1]):
            difference = values(queries[some]) - values(keys[index[some, column]])
            exact[some, column] = np.linalg.norm(difference, axis=1)
    return exact


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
    for some, block in _blocks(keys):
        far = queries @ block.T
        far *= -2
        far += np.einsum("nd,nd->n", block, block)  # |q|^2 is the same for all keys
        group = groups[some]
        if own is not None:
            far[own[:, None] == group] = np.inf
        first = far.argmin(axis=1)
        found = far[q, first]
        far[group[first][:, None] == group] = np.inf
        second = far.argmin(axis=1)
        # Of two nearest of two groups so far and two of this block: the nearest, then the nearest
        # of another group than its.
        scores = np.column_stack([best, found, far[q, second]])
        among = np.column_stack([index, some.start + first, some.start + second])
        winner = scores.argmin(axis=1)
        other = np.where(groups[among] == groups[among[q, winner]][:, None], np.inf, scores)
        runner_up = other.argmin(axis=1)
        index = np.column_stack([among[q, winner], among[q, runner_up]])
        best = np.column_stack([scores[q, winner], other[q, runner_up]])
    return index


def _blocks(rows: Table) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for start in range(0, len(rows), BLOCK):
        some = slice(start, min(start + BLOCK, len(rows)))
        yield some, values(rows[some])


def _check(queries: Table, keys: Table) -> None:
    if queries.shape[1] != keys.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} values an image and the searched images "
            f"{keys.shape[1]}; both must have the same size and channels."
        )


def _faiss_search(
    queries: NDArray[np.float32], keys: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(np.ascontiguousarray(keys, dtype=np.float32))
    return index.search(np.ascontiguousarray(queries, dtype=np.float32), k)[1]


def _torch_search(
    queries: NDArray[np.float32], keys: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    import torch

    found = [
        torch.cdist(torch.from_numpy(chunk), torch.from_numpy(keys)).topk(k, largest=False).indices
        for chunk in np.array_split(queries, max(1, len(queries) // 1024))
    ]
    return torch.cat(found).numpy()
