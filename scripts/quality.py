"""Which measures of quality may be believed? `make quality` writes docs/quality.md.

Each measure is shown sets of images whose order nobody disputes: real ones damaged more and more,
or replaced by ever more noise or samples of a network that learned little, and the stages of a
training. A measure is admitted if it puts every series in order: Kendall's tau of 0.9 or more.

Writes assets/results/quality.json, a series as soon as it is measured; series that are there are
kept. The runs are the bundled ones with stages, and those named: `python -m scripts.quality RUN`.
"""

import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.stats import kendalltau

from ambient.copies.features import Known, encode, looked_up
from ambient.copies.imagenet import imagenet_features
from ambient.copies.quality import fld_gap, frechet, kid, reference_of
from ambient.copies.reader import told_apart
from ambient.copies.sets import Images
from ambient.files import ASSETS, read_json, write_atomically
from ambient.images.corpus import load_corpus, split_corpus
from ambient.reports.evaluate import draw
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from scripts.page import Table, render

RESULT = ASSETS / "results" / "quality.json"
PAGE = ASSETS.parent / "docs" / "quality.md"
CORPORA, N_TRAIN, SPLIT_SEED = ("emoji", "kanji"), 300, 0
IMAGES = 400  # in a set
FEWEST_STAGES = 3  # of a run that tells anything
LEAST = 0.9  # Kendall's tau of a measure that is admitted
SHARES = (0.0, 0.25, 0.5, 1.0)
Measures = dict[str, float]


class Judge:
    """All measures of a set of images against the held-out images of one split."""

    def __init__(self, corpus: str):
        found = load_corpus(corpus)
        split = split_corpus(found, N_TRAIN, SPLIT_SEED)
        heldout = found.images[split.heldout]
        reference, others = reference_of(heldout)
        self.train = found.images[split.train]
        self.real, self.unseen = heldout[others[:IMAGES]], heldout[reference]
        self.features = imagenet_features(self.unseen)
        self.learned = imagenet_features(self.train)
        self.encoded = encode(self.unseen)
        self.known: Known = {}  # series share images

    def __call__(self, images: Images) -> Measures:
        features = looked_up(images, self.known, imagenet_features)
        self.known |= zip(map(bytes, images), features, strict=True)
        return {
            "kid": kid(features, self.features),
            "frechet": frechet(features, self.features),
            "told_apart": told_apart(images, self.unseen[:IMAGES]).auc,
            "fld_gap": fld_gap(features, self.learned, self.features),
            "encoder": frechet(encode(images), self.encoded),
        }


# The series: by a value that grows, sets that get worse.


def blurred(images: Images, sigma: float) -> Images:
    found = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return np.rint(found).astype(np.uint8)


def grainy(images: Images, sigma: float) -> Images:
    noise = np.random.default_rng(0x6A).normal(0, 127.5 * sigma, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def resaved(images: Images, loss: float) -> Images:
    """As JPEG of quality 100 - loss; 0 leaves them alone."""
    if not loss:
        return images
    found = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image.squeeze()).save(buffer, "JPEG", quality=100 - int(loss))
        found.append(np.atleast_3d(np.asarray(Image.open(buffer))))
    return np.stack(found)


def mixed(images: Images, share: float, others: Images) -> Images:
    """The last images replaced by others."""
    kept = len(images) - round(share * len(images))
    return np.concatenate([images[:kept], others[kept : len(images)]])


DAMAGE: dict[str, tuple[Callable[[Images, float], Images], tuple[float, ...]]] = {
    "blur": (blurred, (0, 0.4, 0.6, 0.9, 1.3)),
    "grain": (grainy, (0, 0.05, 0.1, 0.2, 0.4)),
    "JPEG": (resaved, (0, 20, 50, 75, 90)),
}


def real_series(judge: Judge) -> Iterator[tuple[str, list[float], list[Images]]]:
    """Real images, damaged or mixed with noise or training images."""
    for name, (damage, sizes) in DAMAGE.items():
        yield name, list(sizes), [damage(judge.real, size) for size in sizes]
    noise = np.random.default_rng(0x6B).integers(0, 256, judge.real.shape, np.uint8)
    yield "noise", list(SHARES), [mixed(judge.real, share, noise) for share in SHARES]
    known = judge.train[np.random.default_rng(0x6C).integers(len(judge.train), size=IMAGES)]
    yield "copies", list(SHARES), [mixed(judge.real, share, known) for share in SHARES]


def run_series(judge: Judge, run: Run) -> Iterator[tuple[str, list[float], list[Images]]]:
    """The stages of a run, last first, and real images replaced by samples of its first stage."""
    how = run.sampler("dpmpp-2m", 19)
    stages = {
        step: np.concatenate(list(draw(run, range(IMAGES), how, step)))
        for step in reversed(run.steps)
    }
    yield "stages", [float(step) for step in stages], list(stages.values())
    first = stages[min(stages)]
    yield "undertrained", list(SHARES), [mixed(judge.real, share, first) for share in SHARES]


def measured(judge: Judge, sets: list[Images]) -> dict[str, list[float]]:
    each = [judge(images) for images in sets]
    return {name: [round(m[name], 6) for m in each] for name in each[0]}


def measure(runs: Mapping[str, Run]) -> None:
    """Series that are not stored yet, into `RESULT`."""
    rows: list[dict[str, Any]] = (read_json(RESULT) or {}).get("rows", [])
    known = {(r["corpus"], r["of"], r["series"], tuple(r["values"])) for r in rows}
    for corpus in CORPORA:
        judge = Judge(corpus)
        sources = [("real images", real_series(judge))]
        for name, run in runs.items():
            steps = tuple(float(step) for step in reversed(run.steps))
            asked = {(corpus, name, *of) for of in (("stages", steps), ("undertrained", SHARES))}
            if run.config.corpus == corpus and not asked <= known:
                sources.append((name, run_series(judge, run)))
        for of, series in sources:
            for name, values, sets in series:
                if (corpus, of, name, tuple(values)) in known:
                    continue
                row = {"corpus": corpus, "of": of, "series": name}
                rows = [r for r in rows if not row.items() <= r.items()]
                found = measured(judge, sets)
                if name != "copies":
                    found.pop("fld_gap")  # no measure of quality
                rows.append({**row, "values": values, "measures": found})
                write_atomically(RESULT, json.dumps({"images": IMAGES, "rows": rows}, indent=1))
                print(rows[-1], flush=True)


# The page

NAMES = {
    "kid": "KID",
    "frechet": "Fréchet",
    "told_apart": "told apart",
    "encoder": "encoder's Fréchet",
}


def tau(row: dict[str, Any], name: str) -> float:
    """Of a measure with the order of a series: 1 if it grows with every step."""
    found = row["measures"][name]
    return float(kendalltau(range(len(found)), found).statistic)


def figures() -> dict[str, Any]:
    stored = read_json(RESULT)
    assert stored  # bundled
    rows = sorted(stored["rows"], key=lambda r: (CORPORA.index(r["corpus"]), r["of"]))
    ordered = [r for r in rows if r["series"] != "copies"]
    table: Table = [["corpus", "sets", "series", *NAMES.values()]]
    for r in ordered:
        table.append([r["corpus"], r["of"], r["series"], *(f"{tau(r, k):.2f}" for k in NAMES)])
    short = {
        title: [
            f"{r['series']} of {r['corpus']}, {r['of']} ({tau(r, k):.2f})"
            for r in ordered
            if tau(r, k) < LEAST
        ]
        for k, title in NAMES.items()
    }
    return {
        "images": stored["images"],
        "taus": table,
        "short": short,
        "series": len(ordered),
        "limit": LEAST,
        "values": [_values(r) for r in rows],
    }


def _values(row: dict[str, Any]) -> tuple[str, Table]:
    digits = {"kid": 4, "frechet": 2, "told_apart": 3, "fld_gap": 2, "encoder": 3}
    names = {**NAMES, "fld_gap": "FLD gap"}
    head = [row["series"], *(f"{v:g}" for v in row["values"])]
    cells = [
        [names[k], *(f"{v:.{digits[k]}f}" for v in row["measures"][k])]
        for k in names
        if k in row["measures"]
    ]
    return f"{row['corpus']}, {row['of']}", [head, *cells]


def page() -> str:
    return render("quality", {}, figures())


def main() -> None:
    torch.set_num_threads(1)
    named = [open_run(path) for path in sys.argv[1:]]
    runs = {r.name: r for r in (*list_runs(BUNDLED_RUNS), *named) if len(r.steps) >= FEWEST_STAGES}
    measure(runs)
    write_atomically(PAGE, page())
    print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
