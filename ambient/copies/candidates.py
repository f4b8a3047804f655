"""Training pictures that are worth an exact comparison: the nearest ones in a coarse view."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from ambient.copies.guises import Orbit, Rows, cosines, count_guises, directions, guises, means
from ambient.files import Tell, silent
from ambient.images.corpus import to_unit
from ambient.images.threads import at_once

Images = NDArray[np.uint8]
Index = NDArray[np.int64]
Top = tuple[Rows, Index]  # scores (q, k), the larger the better, and whose they are

KEPT = 48  # candidates a query by direction, of different twin groups
PLAIN = 8  # and by the distance of pixels as they are
BUDGET = 1e12  # multiplications and additions of the coarse search at most: half a minute
VALUES = 2**24  # numbers of training pictures at once, also in all guises: 67 MB
QUERIES = 512  # at once
LEAST = 7  # blocks along a side of the coarsest view
# Pixels a block and between the shifts tried: one coarser than the other.
VIEWS = ((1, 1), (2, 1), (4, 2), (4, 4), (8, 8), (16, 16), (32, 32))


def candidates(
    queries: Images,
    train: Images,
    groups: Index,
    orbit: Orbit,
    own: Index | None = None,
    tell: Tell = silent,
    beside: int = 0,
) -> tuple[Index, Index]:
    """Which training pictures to compare each query with.

    Args:
        queries, train: uint8 (n, h, w, c), of one shape.
        groups: int64 (n,), twin groups: of each the most similar picture stands for all.
        own: int64 (q,), a group whose pictures each query does not see.
        tell: progress in training pictures.
        beside: look no closer than at so many queries.

    Returns:
        Indices (q, k) by direction in any guise, and (q, m) by plain distance, best first; -1
        where there are fewer.
    """
    block, step = view(max(len(queries), beside), train, orbit)
    coarse = means(to_unit(queries), block)
    asked, plain = directions(coarse, orbit.hues), rearrange(coarse, "n c h w -> n (c h w)")
    best = _Best(len(queries), min(KEPT, len(train)), groups)
    nearest = _Best(len(queries), min(PLAIN, len(train)), groups)
    order = np.argsort(groups, kind="stable")
    most = max(count_guises(orbit, step) * plain.shape[1], train[0].size)
    size = max(1, VALUES // most)

    def look(some: Index) -> list[tuple[Top, Top]]:
        pictures = to_unit(train[some])
        keys = [directions(guise, orbit.hues) for guise in guises(pictures, orbit, block, step)]
        rows = rearrange(means(pictures, block), "n c h w -> n (c h w)")
        norms = np.einsum("nd,nd->n", rows, rows)
        found = []
        for asking in _parts(len(queries)):
            alike = cosines([part[asking] for part in asked], keys[0])
            for key in keys[1:]:
                np.maximum(alike, cosines([part[asking] for part in asked], key), out=alike)
            near = 2 * plain[asking] @ rows.T - norms
            if own is not None:
                alike[own[asking, None] == groups[some]] = -np.inf
                near[own[asking, None] == groups[some]] = -np.inf
            found.append((best.top(alike, some), nearest.top(near, some)))
        return found

    done = 0
    for found in at_once(look, np.split(order, range(size, len(order), size))):
        for asking, (alike, near) in zip(_parts(len(queries)), found, strict=True):
            best.add(asking, *alike, order[done])
            nearest.add(asking, *near, order[done])
        done = min(done + size, len(order))
        tell("looking for candidates", done, len(order))
    return best.index, nearest.index


def view(n_queries: int, train: Images, orbit: Orbit) -> tuple[int, int]:
    """The finest view within the budget: pixels a block, and between shifts."""
    n, h, w, c = train.shape
    found = VIEWS[0]
    for block, step in VIEWS[1:]:
        if min(h, w) // block < LEAST:
            break
        found = block, step
        values = (h // block) * (w // block) * c * count_guises(orbit, step)
        if 2 * n_queries * n * values <= BUDGET:
            break
    return found


def _parts(n: int) -> Iterator[slice]:
    for start in range(0, n, QUERIES):
        yield slice(start, start + QUERIES)


class _Best:
    """The best candidates so far, one a twin group, best first.

    Attributes:
        index: int64 (q, k), -1 where there is none.
        score: float32 (q, k), the larger the better.
    """

    def __init__(self, q: int, k: int, groups: Index) -> None:
        self.groups = groups
        self.index = np.full((q, k), -1, np.int64)
        self.score = np.full((q, k), -np.inf, np.float32)

    def top(self, scores: Rows, keys: Index) -> Top:
        """The best of scores (q, n) for keys (n,), which stand in the order of their groups."""
        k = self.index.shape[1]
        starts = np.flatnonzero(np.diff(self.groups[keys], prepend=-1))
        scores, index = _of_groups(scores, keys, starts)
        if scores.shape[1] <= k:
            return scores, index
        best = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
        return np.take_along_axis(scores, best, 1), np.take_along_axis(index, best, 1)

    def add(self, asking: slice, scores: Rows, index: Index, first: int) -> None:
        """The best of further keys for some queries; the first of these keys is `first`."""
        k = self.index.shape[1]
        scores = np.concatenate([self.score[asking], scores], axis=1)
        index = np.concatenate([self.index[asking], index], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")
        scores, index = (np.take_along_axis(x, order, 1) for x in (scores, index))
        # The first group may have begun among the keys before: it keeps its best picture alone.
        begun = (self.groups[index] == self.groups[first]) & (index >= 0)
        scores[begun & (begun.cumsum(axis=1) > 1)] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        self.score[asking] = np.take_along_axis(scores, order, 1)
        index = np.take_along_axis(index, order, 1)
        self.index[asking] = np.where(np.isfinite(self.score[asking]), index, -1)


def _of_groups(scores: Rows, keys: Index, starts: Index) -> tuple[Rows, Index]:
    """The best score of each group, and whose it is, both (q, groups)."""
    if len(starts) == len(keys):
        return scores, np.broadcast_to(keys, scores.shape)
    best = np.maximum.reduceat(scores, starts, axis=1)
    sizes = np.diff(starts, append=len(keys))
    places = np.where(scores == np.repeat(best, sizes, axis=1), np.arange(len(keys)), len(keys))
    return best, keys[np.minimum.reduceat(places, starts, axis=1)]
