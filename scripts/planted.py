"""Audits whose answer is known, and one to show: `make planted`.

Copies of training images, unchanged and changed in ways a person would not be fooled by, are hidden
among images that nobody has seen, over several splits; each rule is calibrated on other unseen
images, as in any audit. Writes assets/results/planted.json, and the bundled example of the page
Audit, assets/audit/emoji-300-standard.json.
"""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.copies.intervals import clopper_pearson
from ambient.copies.judge import judge_images
from ambient.copies.likeness import likeness
from ambient.copies.sets import ImageSets
from ambient.copies.spaces import FEATURES
from ambient.files import ASSETS, write_atomically
from ambient.images.corpus import Corpus, load_corpus, split_corpus
from ambient.reports.audit import audit
from ambient.reports.records import Audit
from ambient.runs.folder import open_run
from scripts.train_encoder import HUE, NOISE, plant

RESULT = ASSETS / "results" / "planted.json"
EXAMPLE = ASSETS / "audit" / "emoji-300-standard.json"
SPLITS = (0, 1, 2)
N_TRAIN = {"emoji": 200, "digits": 200}
INNOCENT = 300  # unseen images among the generated ones
SHARES = (0.0, 0.1, 0.4)  # of exact copies among generated images
QUALITY = 40  # of JPEG
RULES = {
    "pixel ratio": (FEATURES, "copy"),
    FEATURES: (FEATURES, "copy_by_similarity"),
    "pixel cosine": ("pixels", "copy_by_similarity"),
}


def resaved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures as they come back from a JPEG file."""
    back = []
    for image in images:
        buffer = io.BytesIO()
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        picture.save(buffer, "JPEG", quality=QUALITY)
        back.append(np.asarray(Image.open(buffer)).reshape(image.shape))
    return np.stack(back)


def changes(images: NDArray[np.uint8], seed: int) -> dict[str, NDArray[np.uint8]]:
    """Copies by what was done to them."""
    return {**plant(images, seed), "resaved as JPEG": resaved(images)}


def one_split(corpus: Corpus, seed: int) -> dict[str, Any]:
    """What the rules say of planted copies and of innocent images, one split."""
    split = split_corpus(corpus, N_TRAIN[corpus.name], seed)
    train, groups = corpus.images[split.train], corpus.groups[split.train]
    held = np.random.default_rng([seed, 0x9A]).permutation(split.heldout)
    innocent, rest = held[:INNOCENT], np.sort(held[INNOCENT:])
    planted = changes(train, seed)
    samples = np.concatenate([corpus.images[innocent], *planted.values()])
    sets = ImageSets(samples, train, corpus.images[rest], groups, corpus.groups[rest])
    alone = replace(sets, heldout=sets.heldout[:0], heldout_groups=sets.heldout_groups[:0])
    found: dict[str, Any] = {
        "split_seed": seed,
        "n_calibration": len(rest),
        "rules": by_rules(sets, planted),
        "without_heldout": by_rules(alone, planted),  # calibrated on training images
    }
    found["likeness"] = {
        k: float(np.mean([likeness(a, b) in EXPLAINS[k] for a, b in zip(x, train, strict=True)]))
        for k, x in planted.items()
    }
    return found


def by_rules(sets: ImageSets, planted: dict[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """What each rule finds among innocent images followed by the planted ones."""
    spaces = dict.fromkeys(space for space, _ in RULES.values())
    judged = {s: judge_images(sets, s, measure_quality=False).samples for s in spaces}
    found = {}
    for rule, (space, field) in RULES.items():
        flags = np.array([getattr(record, field) for record in judged[space]])
        parts = np.split(flags, INNOCENT + len(sets.train) * np.arange(len(planted)))
        exact = parts[1 + list(planted).index("exact")]
        found[rule] = {
            "false_alarms": float(parts[0].mean()),
            "recall": {k: float(p.mean()) for k, p in zip(planted, parts[1:], strict=True)},
            "exact": [recovered(share, parts[0], exact) for share in SHARES],
        }
    return found


# What may rightly be said of each kind of copy.
EXPLAINS = {
    "exact": {"identical"},
    "mirrored": {"identical, mirrored", "identical", "nearly identical"},  # symmetric ones
    "shifted 1 px": {"shifted", "nearly identical"},
    "shifted 2 px": {"shifted", "nearly identical"},
    "noisy": {"nearly identical"},
    "recolored": {"recolored", "nearly identical"},
    "resaved as JPEG": {"identical", "nearly identical"},
}


def recovered(
    share: float, innocent: NDArray[np.bool_], exact: NDArray[np.bool_]
) -> dict[str, Any]:
    """An audit of innocent images with such a share of exact copies among them."""
    planted = round(len(innocent) * share / (1 - share))
    flags = np.concatenate([innocent, exact[:planted]])
    hits, n = int(flags.sum()), len(flags)
    ci95 = list(clopper_pearson(hits, n))
    return {"planted": planted / n, "rate": hits / n, "ci95": ci95, "n": n}


def example() -> Audit:
    """A bundled run's samples, audited as anybody's."""
    run = open_run("emoji-300-standard")
    corpus, kept = run.corpus(), run.samples()
    assert kept is not None
    images, seeds = kept
    split = run.split(corpus)
    names = np.array(corpus.names)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        made = [f"seed {s}" for s in seeds.tolist()]
        np.savez(place / "samples.npz", images=images, names=np.array(made))
        for name, index in (("training", split.train), ("unseen", split.heldout)):
            np.savez(place / f"{name}.npz", images=corpus.images[index], names=names[index])
        return audit(
            place / "samples.npz", place / "training.npz", place / "unseen.npz", quality=False
        )


def main() -> None:
    example().save(EXAMPLE)
    print(f"wrote {EXAMPLE.name}")
    found = {
        "command": "make planted",
        "rules": list(RULES),
        "planted": {
            "shifted": "along a random diagonal, by so many pixels in x and in y",
            "noisy": f"sigma {NOISE} in [-1, 1]",
            "recolored": f"hue turned by {HUE} rad",
            "resaved as JPEG": f"quality {QUALITY}",
        },
        "innocent": INNOCENT,
        "corpora": {
            name: {
                "n_train": N_TRAIN[name],
                "splits": [one_split(load_corpus(name), seed) for seed in SPLITS],
            }
            for name in N_TRAIN
        },
    }
    write_atomically(RESULT, json.dumps(found, indent=1) + "\n")
    print(f"wrote {RESULT.name}")


if __name__ == "__main__":
    main()
