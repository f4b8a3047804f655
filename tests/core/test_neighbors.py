"""Search block by block finds what brute force finds; twins are the closure of what is near."""

from pathlib import Path

import numpy as np
import pytest

from ambient.images import neighbors, twins
from ambient.images.corpus import Corpus
from ambient.images.neighbors import near_pairs, nearest, values
from ambient.images.twins import twin_groups


def cloud(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 30)).astype(np.float32)


def far(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    return np.linalg.norm(queries[:, None] - keys, axis=2)


@pytest.mark.parametrize("search", ["_faiss_search", "_torch_search"])
def test_faiss_and_torch_find_what_brute_force_finds(
    search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, keys = cloud(40), cloud(300, seed=1)
    monkeypatch.setattr(neighbors, "_faiss_search", getattr(neighbors, search))
    distance, index = nearest(queries, keys, 5)
    true = far(queries, keys)
    np.testing.assert_array_equal(index, true.argsort(axis=1)[:, :5])
    np.testing.assert_allclose(distance, np.sort(true, axis=1)[:, :5], rtol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_keys_in_a_file_are_found_like_those_in_memory(tmp_path: Path, kind: type) -> None:
    keys, queries = (
        np.clip(rows * 40 + 128, 0, 255).astype(kind) if kind is np.uint8 else rows
        for rows in (cloud(3000), cloud(200, seed=1))
    )
    np.save(tmp_path / "keys.npy", keys)
    mapped = np.load(tmp_path / "keys.npy", mmap_mode="r")
    found = nearest(queries, mapped, 5)
    for there, here in zip(found, nearest(queries, keys, 5), strict=True):
        np.testing.assert_array_equal(there, here)
    np.testing.assert_array_equal(found[0], nearest(values(queries), values(keys), 5)[0])


@pytest.mark.parametrize("radius", [0.0, 4.0, 6.0])
def test_no_near_pair_is_missed_whatever_the_block(
    radius: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = cloud(500)
    keys[100:110] = keys[:10]
    monkeypatch.setattr(neighbors, "BLOCK", 64)
    monkeypatch.setattr(neighbors, "PART", 48)
    found = {
        frozenset(p) for i, j in near_pairs(keys, keys, radius) for p in zip(i, j, strict=True)
    }
    near = {frozenset(p) for p in np.argwhere(far(keys, keys) <= radius)}
    assert near <= found
    assert all(len(p) == 1 or np.ptp(keys[list(p)], axis=0).max() < 2 * radius + 1 for p in found)


def test_planted_twins_are_found_whatever_the_block(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    first = rng.choice(len(digits), 300, replace=False)
    noise = rng.integers(-3, 4, (300, 8, 8, 1))
    noisy = np.clip(digits.images[first] + noise, 0, 255).astype(np.uint8)
    images = np.concatenate([digits.images, noisy[:, :, ::-1]])
    groups = twin_groups(images)
    np.testing.assert_array_equal(groups[len(digits) :], groups[first])
    assert (groups <= np.arange(len(images))).all()
    monkeypatch.setattr(neighbors, "BLOCK", 100)
    monkeypatch.setattr(twins, "PAIRS", 10)
    np.testing.assert_array_equal(groups, twin_groups(images))
