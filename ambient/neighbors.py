"""Exact nearest neighbors: faiss, or the same search in torch where faiss cannot be used."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from ambient.errors import InputError


def nearest(
    queries: NDArray[np.float32], keys: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
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
    if queries.shape[1] != keys.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} values an image and the searched images "
            f"{keys.shape[1]}; both must have the same size and channels."
        )
    if not 1 <= k <= len(keys):
        raise InputError(f"k is {k}; expected 1 to {len(keys)}, the number of searched images.")
    # On macOS the OpenMP runtimes of torch and faiss abort each other.
    search = _torch_search if sys.platform == "darwin" else _faiss_search
    index = search(queries, keys, k)
    # Distances again from differences: the expansion |q|^2 + |k|^2 - 2qk loses digits near zero.
    exact = np.linalg.norm(queries[:, None, :] - keys[index], axis=2).astype(np.float32)
    order = np.argsort(exact, axis=1, kind="stable")
    return np.take_along_axis(exact, order, 1), np.take_along_axis(index, order, 1)


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
