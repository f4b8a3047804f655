"""Features of the bundled pictures in the bundled encoder: `make features` writes assets/features.

With them the explorer compares pictures in the encoder without loading it. One file a corpus and
one a run's stored samples; each names the pictures it was made from by their hash.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ambient.corpus import ASSETS, BUNDLED, load_corpus
from ambient.features import DEFAULT, encode
from ambient.run import BUNDLED_RUNS, list_runs
from ui.evidence_room.encoded import FOLDER, digest


def write(path: Path, images: np.ndarray) -> None:
    features = encode(images).astype(np.float16)  # cosines change by less than 0.001
    np.savez_compressed(path, features=features, space=DEFAULT, images_sha256=digest(images))
    print(f"{path.relative_to(ASSETS.parent)}: {len(images)} pictures")


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in BUNDLED:
        write(FOLDER / f"{name}.npz", load_corpus(name).images)
    for run in list_runs(BUNDLED_RUNS):
        stored = run.samples()
        if stored is not None:
            write(FOLDER / f"{run.name}.npz", stored[0])


if __name__ == "__main__":
    main()
