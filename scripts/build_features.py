"""Features of the bundled pictures in the bundled encoder, into assets/features: `make assets`.

With them runs are judged sooner, and the explorer compares pictures in the encoder without loading
it. One file a corpus and one a run's stored samples; each names by their hashes the pictures and
the weights it was made from.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from ambient.copies.features import WEIGHTS, encode
from ambient.copies.spaces import DEFAULT
from ambient.copies.stored import FOLDER
from ambient.files import ASSETS
from ambient.images.corpus import BUNDLED, digest, load_corpus
from ambient.runs.folder import BUNDLED_RUNS, list_runs


def write(path: Path, images: np.ndarray, kind: type[np.floating]) -> None:
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    hashes = {"images_sha256": digest(images), "encoder_sha256": weights}
    features = encode(images).astype(kind)
    np.savez_compressed(path, features=features, space=DEFAULT, allow_pickle=False, **hashes)
    print(f"{path.relative_to(ASSETS.parent)}: {len(images)} pictures")


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in BUNDLED:
        write(FOLDER / f"{name}.npz", load_corpus(name).images, np.float32)
    for run in list_runs(BUNDLED_RUNS):
        stored = run.samples()
        if stored is not None:
            # To be shown, not judged by: cosines change by less than 0.001.
            write(FOLDER / f"{run.name}.npz", stored[0], np.float16)


if __name__ == "__main__":
    main()
