"""The aligned ratio: d1/d2 of what pictures show, wherever it stands in them and however lit.

Every distance is that of unit vectors, the least over the guises of a training picture: mirrored
and shifted by up to 2 pixels, and by whatever else its training moved it (`Orbit`), since copies of
moved pictures are moved, and would hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from einops import rearrange
from msgspec.structs import replace
from numpy.typing import NDArray

from ambient.copies.candidates import Images, Index, candidates
from ambient.copies.guises import (
    STILL,
    Orbit,
    Rows,
    cosines,
    count_guises,
    directions,
    guises,
    means,
    quarters,
)
from ambient.files import InputError, Tell, silent
from ambient.images.corpus import to_unit
from ambient.images.neighbors import check_groups, distances
from ambient.images.threads import at_once

SEEN = 8  # blocks along a side of the view that tells which quarter turn to compare in
FINE = 32  # pixels a side that are compared; larger pictures are averaged over blocks
COMPARED = 30_000_000_000  # numbers of candidates in all shifts at most, beyond the nearest few
FEWEST = 3  # candidates of each query
VALUES = 2**27  # numbers of queries at once: half a gigabyte
TOGETHER = 2**20  # and of training pictures in all their guises: they stay in the cache
PART = 256  # queries at once, each with its candidates
NONE = -2.0  # a cosine of what is no candidate

Pairs = tuple[int, Index, Index]  # a key, and in which rows and columns it stands


@dataclass(frozen=True)
class Neighbors:
    """Each query's nearest training picture, and the nearest one that is not its twin.

    With a doubled training picture d1/d2 would be 1 for its perfect copy: the second neighbor
    comes from another group.

    Attributes:
        nearest, second: indices into the training pictures, int64 (q,).
        d1, d2: their distances, float32 (q,).
    """

    nearest: Index
    second: Index
    d1: NDArray[np.float32]
    d2: NDArray[np.float32]

    @property
    def ratio(self) -> NDArray[np.float32]:
        """d1/d2 in [0, 1]; 1 where both are 0."""
        safe = np.where(self.d2 > 0, self.d2, 1)
        return np.where(self.d2 > 0, self.d1 / safe, 1).astype(np.float32)


class Found(NamedTuple):
    """Neighbors by unit vectors in all guises, distances in [0, 2], and by pixels as they are."""

    aligned: Neighbors
    plain: Neighbors


def find_neighbors(
    queries: Images,
    train: Images,
    groups: Index,
    orbit: Orbit = STILL,
    own: Index | None = None,
    tell: Tell = silent,
    beside: int = 0,
) -> Found:
    """Nearest training picture of each query, and nearest of another twin group.

    Candidates come from a coarse view (`candidates`); they alone are compared pixel by pixel.

    Args:
        queries, train: uint8 (n, h, w, c), of one shape.
        groups: int64 (n,), the twin group of each training picture.
        orbit: further moves of the training.
        own: int64 (q,), a group whose pictures each query does not see.
        tell: progress in training pictures.
        beside: look no closer than at so many queries: what calibrates a rule, or tells what it
            misses, is looked for as its samples are.

    Raises:
        InputError: different shapes, or fewer than 2 groups, or than 3 where `own` takes one away.
    """
    if queries.shape[1:] != train.shape[1:]:
        raise InputError(
            f"pictures of {queries.shape[1:]} and {train.shape[1:]} (height, width, channels) "
            "cannot be aligned; read both at one size."
        )
    check_groups(groups, own)
    index, plain = candidates(queries, train, groups, orbit, own, tell, beside)
    index = index[:, : _affordable(queries, orbit, beside)]
    alike = _compared(queries, train, index, orbit, tell)
    apart = np.sqrt(np.maximum(2 - 2 * alike, 0))
    apart[alike == NONE] = np.inf
    far = distances(as_rows(queries), as_rows(train), np.maximum(plain, 0))
    far[plain < 0] = np.inf
    return Found(_best_two(apart, index, groups), _best_two(far, plain, groups))


def _affordable(queries: Images, orbit: Orbit, beside: int) -> int:
    """How many candidates of each query to compare; an audit, which tries quarter turns, has more
    to do beside."""
    budget = COMPARED // (8 if orbit.turns else 1)
    return max(FEWEST, budget // max(max(len(queries), beside) * _numbers(queries, orbit), 1))


def _numbers(images: Images, orbit: Orbit) -> int:
    """Numbers of one picture in all shifts."""
    return images[:1].size // block_of(images) ** 2 * count_guises(replace(orbit, turns=False))


def block_of(images: Images) -> int:
    """Pixels along a side that are averaged."""
    return max(1, min(images.shape[1:3]) // FINE)


def as_rows(images: Images) -> NDArray[np.uint8]:
    """Images (n, h, w, c) flattened, (n, d)."""
    return rearrange(images, "n h w c -> n (h w c)")


def _compared(
    queries: Images, train: Images, index: Index, orbit: Orbit, tell: Tell
) -> NDArray[np.float32]:
    """The largest cosine (q, k) of each query and candidate, in the quarter turn that fits best."""
    alike = np.full(index.shape, NONE, np.float32)
    size = max(1, VALUES // max(1, train[0].size))
    for start in range(0, len(queries), size):
        some = queries[start : start + size]
        asked = directions(means(to_unit(some), block_of(some)), orbit.hues)
        pairs = _by_key(_turned(some, train, index[start : start + size], orbit))
        few = max(1, TOGETHER // _numbers(train, orbit))
        parts = [pairs[i : i + few] for i in range(0, len(pairs), few)]
        look = partial(_in_all_shifts, asked=asked, train=train, orbit=orbit)
        for done, found in enumerate(at_once(look, parts)):
            for rows, columns, cosine in found:
                alike[start + rows, columns] = cosine
            tell("comparing images", done, len(parts))
    return alike


def _largest(asked: list[Rows], keys: list[Rows]) -> NDArray[np.float32]:
    """The largest cosine of each row: few numbers, for which threads of BLAS would only wait."""
    alike = cosines(asked, keys, lambda a, b: np.einsum("qd,nd->qn", a, b))
    return np.asarray(alike.max(axis=1))


def _turned(queries: Images, train: Images, index: Index, orbit: Orbit) -> Index:
    """Keys (q, k): four times the candidate, and the quarter turn in which its query is like it."""
    if not orbit.turns:
        return np.where(index < 0, index, 4 * index)
    block = max(1, train.shape[1] // SEEN)
    asked = directions(means(to_unit(queries), block), orbit.hues)
    used, places = np.unique(index, return_inverse=True)
    places = places.reshape(index.shape)
    pictures = means(to_unit(train[used]), block)
    alike = np.zeros((4, *index.shape), np.float32)
    for found, turned in zip(alike, quarters(pictures, orbit), strict=True):
        keys = [directions(side, orbit.hues) for side in (turned, turned[..., ::-1])]
        for start in range(0, len(queries), PART):
            some = slice(start, start + PART)
            one, beside = [part[some] for part in asked], places[some]
            both = [cosines(one, [part[beside] for part in key], _of_its_own) for key in keys]
            found[some] = np.maximum(*both)
    return np.where(index < 0, index, 4 * index + alike.argmax(axis=0))


def _of_its_own(queries: Rows, keys: NDArray[np.float32]) -> Rows:
    """Products (q, k) of each query (q, d) and its own keys (q, k, d)."""
    return np.asarray(np.einsum("qd,qkd->qk", queries, keys))


def _by_key(index: Index) -> list[Pairs]:
    """Each key of a table (q, k) with the rows and columns where it stands."""
    flat = index.ravel()
    order = np.argsort(flat, kind="stable")
    order = order[np.searchsorted(flat[order], 0) :]
    keys, starts = np.unique(flat[order], return_index=True)
    places = np.split(order, starts[1:]) if len(keys) else []
    columns = index.shape[1]
    return [(int(k), p // columns, p % columns) for k, p in zip(keys, places, strict=True)]


def _in_all_shifts(
    some: Sequence[Pairs], asked: list[Rows], train: Images, orbit: Orbit
) -> list[tuple[Index, Index, NDArray[np.float32]]]:
    """Rows and columns of each key, and the cosines there, mirrored and in all shifts."""
    keys, turned = np.divmod([key for key, _, _ in some], 4)
    upright = np.stack(list(quarters(to_unit(train[keys]), orbit)))
    pictures = upright[turned, np.arange(len(keys))]
    still = replace(orbit, turns=False)
    shown = np.stack(list(guises(pictures, still, block_of(train))), axis=1)
    return [
        (rows, columns, _largest([part[rows] for part in asked], directions(one, orbit.hues)))
        for (_, rows, columns), one in zip(some, shown, strict=True)
    ]


def _best_two(apart: NDArray[np.float32], index: Index, groups: Index) -> Neighbors:
    """The nearest of each query's candidates, and the nearest of another group than its."""
    q = np.arange(len(index))
    first = apart.argmin(axis=1)
    nearest = index[q, first]
    same = groups[index] == groups[nearest][:, None]
    others = np.where(same, np.inf, apart)
    runner_up = others.argmin(axis=1)
    return Neighbors(nearest, index[q, runner_up], apart[q, first], others[q, runner_up])
