"""Nearest neighbors and near-duplicates, among few keys by looking at all, among many by an index.

Images may stay uint8: they are read as values in [-1, 1], a block at a time, so that a search among
many takes little memory beside them. They may also stay in a file, as a `numpy.memmap`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ambient.errors import InputError

Table = NDArray[np.float32] | NDArray[np.uint8]  # (n, d); bytes are pixels
BLOCK = 512  # queries or keys in floats at once: 25 MB of each at 64x64x3
PART = 4096  # the same, where faiss searches
Search = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.int64]]
Scored = tuple[NDArray[np.float32], NDArray[np.int64]]  # (q, k): how far by products, which keys
Pairs = Iterator[tuple[int, NDArray[np.int64]]]  # a place, and others that go with it
Looked = Callable[[int], None]  # told how many are done; may raise to end the work
CHUNK = 64  # pairs in floats at once where distances are taken from differences
MANY = 100_000  # keys up to which all are looked at
WORTH = 2_000  # queries answered in about the time that building an index takes
RECALL = 0.99  # the share of true neighbors that an index must be measured to find
SAMPLE = 400  # queries that it is measured on
SPARE = 8  # candidates beyond k, since products lose digits that differences keep
ROUNDING = 1e-5  # of squared norms: more than these digits


def unwatched(count: int) -> None:
    """Nobody asks how far the work is."""


def nearest(queries: Table, keys: Table, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest keys of each query by Euclidean distance.

    All of them are found among up to `MANY` keys, or for fewer than `WORTH` queries; else 99 % or
    more of them, as measured on some of the queries (`Index`).

    Args:
        queries: (q, d).
        keys: (n, d).
        k: at most n.

    Returns:
        Distances (q, k), ascending, and indices into `keys` (q, k).

    Raises:
        InputError: different dimensions, or k out of range.
    """
    search = Everything(keys) if len(queries) < WORTH else searchable(keys)
    return search.nearest(queries, k)


def duplicates(keys: Table, radius: float) -> NDArray[np.int64]:
    """Groups of keys nearer to each other than `radius`, by single linkage.

    Args:
        keys: (n, d).

    Returns:
        int64 (n,): the smallest index of each key's group. Among more than `MANY` keys, 99 % or
        more of the near pairs are seen.
    """
    groups = Groups(len(keys))
    for i, others in searchable(keys).within(keys, radius):
        others = groups.apart(i, others)
        gap = np.linalg.norm(values(keys[others]) - values(keys[i]), axis=1)
        groups.join(i, others[gap < radius])
    return groups.labels()


class Groups:
    """Who belongs together, as it becomes known (union-find)."""

    def __init__(self, count: int) -> None:
        self.parent = np.arange(count, dtype=np.int64)  # a smaller index of the group, or its own

    def apart(self, i: int, others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those not yet seen to belong to i's group."""
        return others[self.parent[others] != self.parent[i]]

    def join(self, i: int, others: NDArray[np.int64]) -> None:
        roots = [self._root(int(j)) for j in (i, *others)]
        self.parent[roots] = min(roots)

    def _root(self, i: int) -> int:
        while (above := int(self.parent[i])) != i:
            self.parent[i] = self.parent[above]
            i = above
        return i

    def labels(self) -> NDArray[np.int64]:
        """int64 (count,): the smallest index of each group."""
        label = self.parent
        while (label[label] != label).any():
            label = label[label]
        return label


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
    """Rows as float32, bytes as in `ambient.images.corpus.to_unit`: 0 becomes -1, 255 becomes 1."""
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
        far = _far(queries, block)
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


def _blocks(rows: Table, size: int = BLOCK) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for start in range(0, len(rows), size):
        some = slice(start, min(start + size, len(rows)))
        yield some, values(rows[some])


def _check(queries: Table, keys: Table, k: int | None = None) -> None:
    if queries.shape[1] != keys.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} values an image and the searched images "
            f"{keys.shape[1]}; both must have the same size and channels."
        )
    if k is not None and not 1 <= k <= len(keys):
        raise InputError(f"k is {k}; expected 1 to {len(keys)}, the number of searched images.")


def _faiss_scored(queries: NDArray[np.float32], keys: NDArray[np.float32], k: int) -> Scored:
    import faiss

    faiss.omp_set_num_threads(1)
    far, near = faiss.knn(
        np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(keys, np.float32), k
    )
    return far, near


def _torch_scored(queries: NDArray[np.float32], keys: NDArray[np.float32], k: int) -> Scored:
    import torch

    found = [
        torch.cdist(torch.from_numpy(chunk), torch.from_numpy(keys)).topk(k, largest=False)
        for chunk in np.array_split(queries, max(1, len(queries) // 1024))
    ]
    far, near = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return far, near


def _faiss_search(
    queries: NDArray[np.float32], keys: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    return _faiss_scored(queries, keys, k)[1]


def _torch_search(
    queries: NDArray[np.float32], keys: NDArray[np.float32], k: int
) -> NDArray[np.int64]:
    return _torch_scored(queries, keys, k)[1]


def _nearer(
    best: NDArray[np.float32],
    index: NDArray[np.int64],
    far: NDArray[np.float32],
    near: NDArray[np.int64],
) -> Scored:
    """As many as there are in `best`, of these and those of more keys; of equal ones the first."""
    scores = np.concatenate([best, far], axis=1)
    among = np.concatenate([index, near], axis=1)
    order = np.argsort(scores, axis=1, kind="stable")[:, : best.shape[1]]
    return np.take_along_axis(scores, order, 1), np.take_along_axis(among, order, 1)


@dataclass(frozen=True)
class Everything:
    """Keys of which every one is looked at: by faiss, or in torch where faiss cannot be used."""

    keys: Table

    def nearest(self, queries: Table, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `ambient.images.neighbors.nearest`."""
        _check(queries, self.keys, k)
        kept = min(k + SPARE, len(self.keys))
        best = np.full((len(queries), kept), np.inf, np.float32)
        index = np.zeros((len(queries), kept), np.int64)
        search = _torch_scored if sys.platform == "darwin" else _faiss_scored
        for there, keys in _blocks(self.keys, PART):
            for some, block in _blocks(queries, PART):
                far, near = search(block, keys, min(kept, len(keys)))
                best[some], index[some] = _nearer(best[some], index[some], far, there.start + near)
        return _by_distance(queries, self.keys, index, k)

    def within(self, guises: Table, radius: float) -> Pairs:
        """Pairs of keys that are near in some guise, such as mirrored, by the products that search.

        Args:
            guises: (n, d), each key in its guise, or as it is.
            radius: pairs a rounding error beyond it may be among them.

        Yields:
            The place of a guise, and those of other keys near it. A place may come again, with
            more of them; a pair is seen from one side at least.
        """
        for some, block in _blocks(guises):
            mine = some.start + np.arange(len(block))
            # From its own place on: pairs with earlier keys were seen.
            for start in range(some.start, len(self.keys), PART):
                keys = values(self.keys[start : start + PART])
                yield from _near(mine, block, start + np.arange(len(keys)), keys, radius)


@dataclass(frozen=True)
class Index:
    """Keys in cells, each around a centroid: queries look into the cells nearest to them.

    An inverted file (Jegou et al. 2011) of positions, not of keys: these stay where they are. All
    queries that look into a cell are compared with it in one matrix product; faiss's own inverted
    file, which holds a second copy of the keys, answers query by query, and slower (`bench --only
    search`).

    Attributes:
        keys: (n, d).
        seed: of the keys that centroids are fitted to, and of the queries recall is measured on.
    """

    keys: Table
    seed: int = 0

    @cached_property
    def centroids(self) -> NDArray[np.float32]:
        """(c, d), about sqrt(n) of them, by k-means on 64 keys each."""
        import faiss

        faiss.omp_set_num_threads(1)
        count = math.isqrt(len(self.keys))
        means = faiss.Kmeans(self.keys.shape[1], count, niter=10, seed=self.seed)
        means.train(values(self.keys[self._some(len(self.keys), 64 * count)]))
        return np.asarray(means.centroids)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """(n,): the nearest centroid of each key."""
        return _in_parts(_faiss_search, self.keys, self.centroids, 1)[:, 0]

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """The positions of each cell's keys, ascending."""
        return _places(self.cells, len(self.centroids))

    def nearest(self, queries: Table, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `nearest`; all of them where no quarter of the cells suffices."""
        _check(queries, self.keys, k)
        count = self.enough(queries, k)
        if count is None:
            return Everything(self.keys).nearest(queries, k)
        return self.search(queries, k, count)

    def enough(self, queries: Table, k: int, guises: bool = False) -> int | None:
        """How many cells a query must look into, so that 99 % of the k nearest keys are in them.

        Measured on a sample of the queries, of which all k are found and their cells known: the
        mean less two standard errors must reach it. None: a quarter of the cells is not enough.

        Args:
            guises: the queries are the keys, perhaps mirrored, each of which finds itself with
                ease: k others are to be found.
        """
        places = self._some(len(queries), SAMPLE)
        sample = values(queries[places])
        near = Everything(self.keys).nearest(sample, k + guises)[1]
        if guises:
            other = near != places[:, None]
            other[other.all(axis=1), -1] = False
            near = near[other].reshape(len(near), k)
        true = self.cells[near]
        rank = _far(sample, self.centroids).argsort(axis=1).argsort(axis=1)
        rank = np.take_along_axis(rank, true, axis=1)
        for count in range(1, len(self.centroids) // 4 + 1):
            found = (rank < count).mean(axis=1)
            if found.mean() - 2 * found.std() / math.sqrt(len(found)) >= RECALL:
                return count
        return None

    def search(
        self, queries: Table, k: int, count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest keys in the `count` nearest cells of each query."""
        import faiss

        kept = min(k + SPARE, len(self.keys))
        best = np.full((len(queries), kept), np.inf, np.float32)
        index = np.full((len(queries), kept), -1, np.int64)
        asked = _in_parts(_faiss_search, queries, self.centroids, count)
        for members, asking in zip(self.members, _places(asked, len(self.members)), strict=True):
            if not len(members) or not len(asking):
                continue
            who, keys = asking // count, values(self.keys[members])
            far, near = faiss.knn(values(queries[who]), keys, min(kept, len(members)))
            best[who], index[who] = _nearer(best[who], index[who], far, members[near])
        few = np.flatnonzero((index < 0).any(axis=1))  # whose cells hold hardly a key
        if len(few):
            index[few] = Everything(self.keys).nearest(queries[few], kept)[1]
        return _by_distance(queries, self.keys, index, k)

    def within(self, guises: Table, radius: float) -> Pairs:
        """See `Everything.within`; here 99 % or more of the pairs are seen.

        A guise g looks into as many cells as its nearest other key is found in, but for those that
        cannot hold a near key. With c' the centroid nearest to g, a key x in the cell of c has
        |x-c|^2 <= |x-c'|^2. Within `radius` of g, |g-c|^2 - |g-c'|^2 <= 2 radius |c-c'| then.
        """
        count = self.enough(guises, 1, True)
        if count is None:
            yield from Everything(self.keys).within(guises, radius)
            return
        between = _far(self.centroids, self.centroids) + _squared(self.centroids)[:, None]
        between = np.sqrt(np.maximum(between, 0))
        who, where = [], []
        for some, block in _blocks(guises):
            far = _far(block, self.centroids)
            own = far.argmin(axis=1)
            limit = (far.min(axis=1) + ROUNDING * _squared(block))[:, None]
            limit = limit + 2 * radius * between[own]
            last = np.partition(far, count - 1, axis=1)[:, count - 1 : count]
            row, cell = np.nonzero((far <= limit) & (far <= last))
            who.append(some.start + row)
            where.append(cell)
        asking, asked = np.concatenate(who), np.concatenate(where)
        for members, places in zip(self.members, _places(asked, len(self.members)), strict=True):
            keys = values(self.keys[members])
            for start in range(0, len(places), BLOCK):
                mine = asking[places[start : start + BLOCK]]
                yield from _near(mine, values(guises[mine]), members, keys, radius)

    def _some(self, count: int, most: int) -> NDArray[np.int64]:
        """Positions drawn without repetition, ascending."""
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(count, min(count, most), replace=False))


def searchable(keys: Table) -> Everything | Index:
    """Keys to be asked for neighbors or near pairs many times: all of them, or an index."""
    # On macOS the OpenMP runtimes of torch and faiss abort each other.
    few = len(keys) <= MANY or sys.platform == "darwin"
    return Everything(keys) if few else Index(keys)


def _by_distance(
    queries: Table, keys: Table, index: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest of each query's candidates (q, c)."""
    exact = distances(queries, keys, index)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(exact, order, 1), np.take_along_axis(index, order, 1)


def _far(queries: NDArray[np.float32], keys: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances (q, n) by products, less |q|^2, which is the same for all keys."""
    far = queries @ keys.T
    far *= -2
    far += _squared(keys)
    return far


def _squared(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("nd,nd->n", rows, rows))


def _near(
    who: NDArray[np.int64],
    queries: NDArray[np.float32],
    members: NDArray[np.int64],
    keys: NDArray[np.float32],
    radius: float,
) -> Pairs:
    """Each query of the places `who`, and the members near it but for itself."""
    reach = radius**2 - (1 - ROUNDING) * _squared(queries)
    row, column = np.nonzero(_far(queries, keys) <= reach[:, None])
    other = who[row] != members[column]
    row, column = row[other], column[other]
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    for i, found in zip(who[row[starts]], np.split(members[column], starts[1:]), strict=False):
        yield int(i), found


def _places(labels: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """The flat positions of each of the labels 0 to count - 1, ascending."""
    order = np.argsort(labels, axis=None, kind="stable")
    ends = np.cumsum(np.bincount(labels.ravel(), minlength=count))
    return np.split(order, ends[:-1])
