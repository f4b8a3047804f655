"""Neighbors of queries among training images: the nearest, and the nearest that is no twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambient.files import Tell, silent
from ambient.images.neighbors import Table, nearest, nearest_of_two_groups, values


@dataclass(frozen=True)
class Neighbors:
    """Each query's nearest training image, and the nearest one that is not its twin.

    Attributes:
        nearest, second: indices into the training images, int64 (q,).
        d1, d2: their L2 distances, float32 (q,).
        reading: which reading of the training images the nearest is in, int64 (q,); None where
            there is one.
    """

    nearest: NDArray[np.int64]
    second: NDArray[np.int64]
    d1: NDArray[np.float32]
    d2: NDArray[np.float32]
    reading: NDArray[np.int64] | None = None

    @property
    def ratio(self) -> NDArray[np.float32]:
        """d1/d2 in [0, 1]; 1 where both are 0."""
        safe = np.where(self.d2 > 0, self.d2, 1)
        return np.where(self.d2 > 0, self.d1 / safe, 1).astype(np.float32)


def find_neighbors(
    queries: Table,
    train: Table,
    groups: NDArray[np.int64],
    own: NDArray[np.int64] | None = None,
    tell: Tell = silent,
) -> Neighbors:
    """Nearest training image of each query, and nearest of another twin group.

    With a doubled training image d1/d2 would be 1 for its perfect copy: the second neighbor must
    come from another group.

    Args:
        queries: (q, d), images flattened: float32 in [-1, 1], or their bytes.
        train: (n, d).
        groups: int64 (n,), the twin group of each training image.
        own: int64 (q,), a group whose images each query does not see: its own, where training
            images are judged against the others.
        tell: progress in queries.

    Raises:
        InputError: fewer than 2 groups, or than 3 where `own` takes one away.
    """
    distance, index = nearest_of_two_groups(queries, train, groups, own, tell)
    return Neighbors(index[:, 0], index[:, 1], distance[:, 0], distance[:, 1])


def similarities(
    queries: Table,
    train: Table,
    groups: NDArray[np.int64] | None = None,
    own: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Largest cosine similarity of each query's features to the training set's, and whose it is.

    Args:
        queries, train: (q, k) and (n, k), float32 or pixels.
        groups, own: leave out each query's own group, as in `find_neighbors`.
    """

    def unit(table: Table) -> NDArray[np.float32]:
        x = values(table)
        lengths = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12).astype(np.float32)
        return np.divide(x, lengths, dtype=np.float32)

    if groups is None or own is None:
        distance, index = nearest(unit(queries), unit(train), k=1)
    else:
        distance, index = nearest_of_two_groups(unit(queries), unit(train), groups, own)
    return (1 - distance[:, 0] ** 2 / 2).astype(np.float32), index[:, 0]
