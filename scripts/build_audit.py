"""The example of the page Audit, assets/audit/emoji-300-standard.json: part of `make assets`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ambient.files import ASSETS
from ambient.reports.audit import audit
from ambient.reports.records import Audit
from ambient.runs.folder import open_run

RUN = "emoji-300-standard"
EXAMPLE = ASSETS / "audit" / f"{RUN}.json"


def example() -> Audit:
    """A bundled run's samples, audited as anybody's."""
    run = open_run(RUN)
    corpus, kept = run.corpus(), run.samples()
    assert kept is not None
    images, seeds = kept
    split, names = run.split(corpus), np.array(corpus.names)
    with tempfile.TemporaryDirectory() as scratch:
        made, train, unseen = (
            Path(scratch) / f"{s}.npz" for s in ("samples", "training", "unseen")
        )
        np.savez(made, images=images, names=np.array([f"seed {s}" for s in seeds.tolist()]))
        for path, index in ((train, split.train), (unseen, split.heldout)):
            np.savez(path, images=corpus.images[index], names=names[index])
        return audit(made, train, unseen, quality=False)


if __name__ == "__main__":
    example().save(EXAMPLE)
    print(f"wrote {EXAMPLE.name}")
