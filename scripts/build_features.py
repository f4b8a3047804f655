"""Features of the bundled pictures, into assets/features: `make assets`.

With them runs are judged sooner, and the explorer compares pictures in the encoder without loading
it. Two files a corpus, by the encoder and by the network that measures quality, and one a run's
stored samples; each names by its hash the weights it was made from.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from ambient.copies import imagenet
from ambient.copies.features import FOLDER, WEIGHTS, encode
from ambient.copies.quality import REFERENCE, order_of
from ambient.copies.spaces import FEATURES
from ambient.files import ASSETS
from ambient.images.corpus import BUNDLED, digest, load_corpus
from ambient.runs.folder import BUNDLED_RUNS, list_runs

# Of any split with up to 300 training images of these, enough for both halves of `reference_of`.
COMPARED = 2 * REFERENCE + 300


def write(path: Path, images: np.ndarray, kind: type[np.floating]) -> None:
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    hashes = {"images_sha256": digest(images), "encoder_sha256": weights}
    features = encode(images).astype(kind)
    np.savez_compressed(path, features=features, space=FEATURES, allow_pickle=False, **hashes)
    print(f"{path.relative_to(ASSETS.parent)}: {len(images)} pictures")


def write_imagenet(path: Path, images: np.ndarray) -> None:
    """Those of the first pictures by `order_of`: the ones that quality compares with."""
    places = np.sort(order_of(images)[:COMPARED])
    weights = hashlib.sha256(imagenet.WEIGHTS.read_bytes()).hexdigest()
    features = imagenet.packed(imagenet.compute(images[places]))
    np.savez_compressed(
        path, allow_pickle=False, places=places, features=features, weights_sha256=np.array(weights)
    )
    print(f"{path.relative_to(ASSETS.parent)}: {len(places)} pictures")


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in BUNDLED:
        images = load_corpus(name).images
        write(FOLDER / f"{name}.npz", images, np.float32)
        write_imagenet(FOLDER / f"{name}-imagenet.npz", images)
    for run in list_runs(BUNDLED_RUNS):
        stored = run.samples()
        if stored is not None:
            # To be shown, not judged by: cosines change by less than 0.001.
            write(FOLDER / f"{run.name}.npz", stored[0], np.float16)


if __name__ == "__main__":
    main()
