"""Search among a million pictures' features, timed for `bench --only search`.

The features are made from those of the bundled pictures: what the encoder sees in eight views of
each, side by side, 512 numbers. Half of the new ones lie between a picture and one of the twenty
most like it, half between any two; each with a tenth of the step from one picture to another, and
noise of a twentieth of each number's spread. So they have clusters and sheets, as pictures have.
Some are copied with a hundredth of noise: twins to be found.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ambient.copies.features import BATCH, load_encoder, standardize, views
from ambient.images.corpus import BUNDLED, load_corpus, to_unit
from ambient.images.neighbors import PART, Everything, Index, duplicates

Rows = NDArray[np.float32]
K = 10
TWIN = 0.1  # three times as far as planted twins lie; other nearest neighbors: some 0.7


def measure(keys: int, queries: int) -> Iterator[dict[str, Any]]:
    """Rows of the bench, from a process of its own, whose memory is that of the search."""
    code = f"from ambient.bench.search import main; main({keys}, {queries})"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    yield from json.loads(done.stdout)


def main(keys: int, queries: int) -> None:
    """Print the rows as JSON. The keys lie in a file, which is mapped into memory."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        known, path = looks(keys // 40), Path(folder) / "keys.npy"
        shape = (keys, known.shape[1])
        made = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        twins = fill(made, known)
        del made  # written; mapped once more, its pages would count twice
        asked = np.empty((queries, known.shape[1]), np.float32)
        fill(asked, known, seed=1)
        print(json.dumps(list(rows(np.load(path, mmap_mode="r"), asked, twins))))


def looks(most: int) -> Rows:
    """What the encoder sees in eight views of each bundled picture, side by side: (n, 512).

    Args:
        most: pictures of each corpus.
    """
    encoder, found = load_encoder(), []
    with torch.inference_mode():
        for name in BUNDLED:
            for images in torch.from_numpy(to_unit(load_corpus(name).images[:most])).split(BATCH):
                seen = [encoder.look(view) for view in views(standardize(images))]
                found.append(torch.cat(seen, dim=1).numpy())
    return np.concatenate(found)


def fill(table: Rows, known: Rows, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fill `table` (n, d) with new features.

    Returns:
        Where its twins are, and where their originals: a row in a thousand.
    """
    rng, n = np.random.default_rng(seed), len(known)
    spread, alike = known.std(axis=0), Everything(known).nearest(known, 21)[1][:, 1:]

    def noise(count: int, share: float) -> Rows:
        drawn = rng.standard_normal((count, known.shape[1]), dtype=np.float32)
        return np.asarray(share * spread * drawn, np.float32)

    for start in range(0, len(table), PART):
        block = table[start : start + PART]
        one, other, third, fourth = rng.integers(n, size=(4, len(block)))
        near = rng.random(len(block)) < 0.5
        other[near] = alike[one[near], rng.integers(alike.shape[1], size=near.sum())]
        share = rng.random((len(block), 1), dtype=np.float32)
        block[:] = share * known[one] + (1 - share) * known[other]
        block += 0.1 * (known[third] - known[fourth]) + noise(len(block), 0.05)
    twins, originals = rng.choice(len(table), (2, len(table) // 1000), replace=False)
    table[twins] = table[originals] + noise(len(twins), 0.01)
    return twins, originals


def rows(
    keys: Rows, queries: Rows, twins: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> Iterator[dict[str, Any]]:
    """Seconds of the processor, of an index and of what it stands in for."""
    among = f"{len(keys):,} x {keys.shape[1]}"
    asked = f"s, {K} nearest of {len(queries):,} among {among}"
    index = Index(keys)
    built, _ = timed(lambda: index.members)
    yield row("search_index_built", f"s, {among}", built)
    measured, count = timed(lambda: index.enough(queries, K))
    if count is None:
        yield row("search_seconds", asked, None, note="no quarter of the cells suffices")
        return
    searched, (_, found) = timed(lambda: index.search(queries, K, count))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    yield row("search_peak_megabytes", "MB resident, the mapped file's pages too", memory)
    every, (_, true) = timed(lambda: Everything(keys).nearest(queries, K))
    yield row(
        "search_seconds:all_keys", f"{asked}, recall measured too", measured + searched, every
    )
    shares = [np.isin(a, b).mean() for a, b in zip(true, found, strict=True)]
    yield row("search_recall", f"share of the {K} nearest, all queries", float(np.mean(shares)))
    seconds, groups = timed(lambda: duplicates(keys, TWIN))
    twin, original = (groups[places] for places in twins)
    seen = f"{(twin == original).sum():,} of {len(twin):,} planted twins"
    yield row("search_duplicates", f"s among {among}, index built too", seconds, note=seen)
    theirs = faiss_ivf(index, queries, count)
    yield row("search_seconds:faiss_IVFFlat", f"{asked}, the same {count} cells", searched, theirs)


def faiss_ivf(index: Index, queries: Rows, count: int) -> float:
    """Seconds that faiss's own inverted file takes, of the same centroids."""
    import faiss

    coarse = faiss.IndexFlatL2(queries.shape[1])
    coarse.add(index.centroids)
    ivf = faiss.IndexIVFFlat(coarse, queries.shape[1], len(index.centroids))
    for start in range(0, len(index.keys), PART):
        ivf.add(np.ascontiguousarray(index.keys[start : start + PART], np.float32))
    ivf.nprobe = count
    return timed(lambda: ivf.search(queries, K))[0]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of this process's processor time, and what came of it."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def row(
    name: str, unit: str, ours: float | None, peer: float | None = None, note: str = ""
) -> dict[str, Any]:
    ratio = None if ours is None or peer is None else ours / peer
    made: dict[str, Any] = {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit}
    return {**made, "note": note} if note else made
