"""Search by size: an index finds what looking at everything finds, or steps aside."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ambient.images import neighbors
from ambient.images.corpus import ASSETS, Corpus, twin_groups
from ambient.images.neighbors import Everything, Index, duplicates, nearest, searchable, values


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds at which small sets count as many."""
    monkeypatch.setattr(neighbors, "MANY", 500)
    monkeypatch.setattr(neighbors, "WORTH", 50)


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Features between those of bundled emoji that are alike, with a little noise: (n, 64)."""
    with np.load(ASSETS / "features" / "emoji.npz") as stored:
        known = stored["features"].astype(np.float32)
    rng = np.random.default_rng(seed)
    alike = Everything(known).nearest(known, 9)[1]
    one = rng.integers(len(known), size=n)
    other = alike[one, rng.integers(9, size=n)]
    share = rng.uniform(size=(n, 1)).astype(np.float32)
    noise = 0.02 * known.std() * rng.standard_normal((n, 64), dtype=np.float32)
    return share * known[one] + (1 - share) * known[other] + noise


def pairs(found: neighbors.Pairs) -> set[tuple[int, int]]:
    return {(min(i, int(j)), max(i, int(j))) for i, others in found for j in others}


@pytest.mark.parametrize("k", [1, 10])
def test_an_index_finds_what_it_promises(
    few: None, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    keys, queries = pictures(6000), pictures(1500, seed=1)
    true, where = Everything(keys).nearest(queries, k)
    monkeypatch.setattr(Everything, "nearest", seen := Watched(Everything.nearest))
    distance, index = nearest(queries, keys, k)
    assert seen.queries == [neighbors.SAMPLE]  # no more than its recall is measured on
    found = [np.isin(a, b).mean() for a, b in zip(where, index, strict=True)]
    assert np.mean(found) >= neighbors.RECALL
    assert (np.diff(distance, axis=1) >= 0).all()
    gap = np.linalg.norm(queries[:, None] - keys[index], axis=2)
    np.testing.assert_allclose(distance, gap, rtol=1e-5)
    assert (distance >= true * (1 - 1e-6)).all()


class Watched:
    """`Everything.nearest`, and how many queries came to it."""

    def __init__(self, body: object) -> None:
        self.body, self.queries = body, []

    def __get__(self, it: Everything, kind: type) -> object:
        def call(queries: np.ndarray, k: int) -> object:
            self.queries.append(len(queries))
            return self.body(it, queries, k)  # type: ignore[operator]

        return call


def test_where_no_cells_suffice_everything_is_looked_at(few: None) -> None:
    noise = np.random.default_rng(0).standard_normal((3000, 200)).astype(np.float32)
    keys, queries = noise[:2000], noise[2000:]
    assert Index(keys).enough(queries, 5) is None
    for found, true in zip(
        nearest(queries, keys, 5), Everything(keys).nearest(queries, 5), strict=True
    ):
        np.testing.assert_array_equal(found, true)
    assert pairs(Index(keys).within(keys, 18)) == pairs(Everything(keys).within(keys, 18)) != set()


def test_size_decides(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = pictures(501)
    assert isinstance(searchable(keys), Index)
    assert isinstance(searchable(keys[:500]), Everything)
    monkeypatch.setattr(Index, "nearest", None)
    nearest(pictures(49, seed=1), keys, 3)  # too few queries for an index
    monkeypatch.setattr(sys, "platform", "darwin")  # torch and faiss do not go together there
    assert isinstance(searchable(keys), Everything)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_keys_in_a_file_are_found_like_those_in_memory(
    few: None, tmp_path: Path, kind: type
) -> None:
    def stored(rows: np.ndarray) -> np.ndarray:
        return np.clip(rows * 40 + 128, 0, 255).astype(kind) if kind == np.uint8 else rows

    keys, queries = stored(pictures(3000)), stored(pictures(200, seed=1))
    np.save(tmp_path / "keys.npy", keys)
    mapped = np.load(tmp_path / "keys.npy", mmap_mode="r")
    for there, here in zip(nearest(queries, mapped, 5), nearest(queries, keys, 5), strict=True):
        np.testing.assert_array_equal(there, here)
    floats = nearest(values(queries), values(keys), 5)
    np.testing.assert_array_equal(floats[0], nearest(queries, mapped, 5)[0])
    np.testing.assert_array_equal(duplicates(mapped, 0.1), duplicates(keys, 0.1))


def test_cells_with_hardly_a_key_give_k_neighbors_all_the_same(few: None) -> None:
    keys, queries = pictures(600), pictures(60, seed=1)
    found, true = Index(keys).search(queries, 100, 1), Everything(keys).nearest(queries, 100)
    sparse = np.bincount(Index(keys).cells).max() < 100
    assert sparse
    np.testing.assert_array_equal(found[1], true[1])


def test_planted_twins_are_found(few: None) -> None:
    keys = pictures(4000)
    rng = np.random.default_rng(2)
    first, second, third = rng.permutation(4000)[:900].reshape(3, 300)
    noise = 1e-3 * rng.standard_normal((2, 300, 64), dtype=np.float32)
    keys[second] = keys[first] + noise[0]
    keys[third] = keys[second] + noise[1]
    groups = duplicates(keys, 0.05)
    np.testing.assert_array_equal(groups[first], groups[second])
    np.testing.assert_array_equal(groups[first], groups[third])
    assert (groups <= np.arange(4000)).all()
    assert len(np.unique(groups)) <= 3400


def test_an_index_finds_the_duplicates_that_are_there(
    few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = pictures(4000)
    keys[2000:2500] = keys[:500] + 1e-3
    keys[3000:3100] = keys[0]
    found = duplicates(keys, 0.05)
    monkeypatch.setattr(neighbors, "MANY", len(keys))
    np.testing.assert_array_equal(found, duplicates(keys, 0.05))


def test_twins_are_looked_for_where_other_keys_are_found(
    few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, counts = pictures(4000), []
    index, enough = Index(keys), Index.enough
    monkeypatch.setattr(Index, "enough", lambda *a: counts.append(enough(*a)) or counts[-1])
    assert pairs(index.within(keys, 0.1))
    asked = index._some(len(keys), neighbors.SAMPLE)
    near = Everything(keys).nearest(keys[asked], 2)[1]
    other = np.where(near[:, 0] == asked, near[:, 1], near[:, 0])
    rank = neighbors._far(keys[asked], index.centroids).argsort(axis=1).argsort(axis=1)
    found = rank[np.arange(len(asked)), index.cells[other]] < counts[0]
    assert found.mean() - 2 * found.std() / np.sqrt(len(found)) >= neighbors.RECALL


def test_few_exact_distances_are_taken_however_many_parts_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys, queries, asked = pictures(1000), pictures(30, seed=1), []
    whole = Everything(keys).nearest(queries, 5)
    exact = neighbors.distances
    monkeypatch.setattr(neighbors, "PART", 64)
    monkeypatch.setattr(
        neighbors,
        "distances",
        lambda q, k, index: asked.append(index.shape[1]) or exact(q, k, index),
    )
    for found, true in zip(Everything(keys).nearest(queries, 5), whole, strict=True):
        np.testing.assert_array_equal(found, true)
    assert asked == [5 + neighbors.SPARE]
    gap = np.linalg.norm(queries[:, None] - keys, axis=2)
    np.testing.assert_array_equal(whole[1], gap.argsort(axis=1)[:, :5])


@pytest.mark.parametrize("radius", [0.0, 0.2, 1.0])
def test_the_cells_that_are_skipped_hold_no_pair(
    monkeypatch: pytest.MonkeyPatch, radius: float
) -> None:
    keys = pictures(2000)
    keys[100:110] = keys[:10]
    index = Index(keys)
    monkeypatch.setattr(Index, "enough", lambda *_: len(index.centroids))  # the bound alone
    assert (
        pairs(index.within(keys, radius)) >= pairs(Everything(keys).within(keys, radius)) != set()
    )


def test_twins_of_a_corpus_are_the_same_by_an_index(
    emoji: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.testing.assert_array_equal(twin_groups(emoji.images), emoji.groups)
    monkeypatch.setattr(neighbors, "MANY", 500)
    np.testing.assert_array_equal(twin_groups(emoji.images), emoji.groups)
