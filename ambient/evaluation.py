"""From images to a report: copies by both rules, their calibration, and quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambient.copies import (
    FALSE_ALARMS,
    MIN_SAMPLES,
    Neighbors,
    Verdict,
    find_neighbors,
    judge,
    ratio_threshold,
    similarities,
    similarity_threshold,
)
from ambient.corpus import Corpus, Split, to_bytes, to_rows
from ambient.errors import InputError
from ambient.features import FEATURES, encode
from ambient.neighbors import nearest
from ambient.quality import quality
from ambient.run import Run
from ambient.sampler import SamplerConfig, sample, sampler_of

Images = NDArray[np.uint8]
MIN_HELDOUT = 130  # two halves, each with more images than features


@dataclass(frozen=True)
class Clouds:
    """Encoder features of three sets of images, float32 (n, 64) each."""

    samples: NDArray[np.float32]
    train: NDArray[np.float32]
    heldout: NDArray[np.float32]

    @classmethod
    def of(cls, samples: Images, train: Images, heldout: Images) -> Clouds:
        return cls(encode(samples), encode(train), encode(heldout))


def judge_images(
    samples: Images,
    train: Images,
    heldout: Images,
    groups: NDArray[np.int64],
    clouds: Clouds | None = None,
) -> dict[str, Any]:
    """Who is a copy of a training image, by how much, and how far that verdict can be trusted.

    Args:
        samples, train, heldout: uint8 (n, h, w, c), one shape.
        groups: int64 (n_train,), twin groups of the training images.
        clouds: their features; without them only pixels are compared, which is much faster.

    Returns:
        `copies`, `samples`, `heldout_ratios` and `warnings` of a report (docs/reports.md). With
        fewer than 100 samples or held-out images the rates are None and a warning says why; every
        sample still has its distances.

    Raises:
        InputError: images of different sizes or channels.
    """
    shapes = {"samples": samples.shape[1:], "held-out images": heldout.shape[1:]}
    for name, shape in shapes.items():
        if shape != train.shape[1:]:
            raise InputError(
                f"{name} are {_size(shape)} and the training images {_size(train.shape[1:])}; "
                "they must have the same size and channels."
            )
    flat_samples, flat_train, flat_heldout = to_rows(samples), to_rows(train), to_rows(heldout)
    found = find_neighbors(flat_samples, flat_train, groups)
    null = find_neighbors(flat_heldout, flat_train, groups)
    unseen_distance, unseen = _nearest_unseen(flat_samples, flat_heldout)
    enough = min(len(samples), len(heldout)) >= MIN_SAMPLES
    by_ratio = judge(found.ratio, null.ratio, "ratio") if enough else None
    threshold = ratio_threshold(null.ratio)  # of all held-out images, where none need to report
    verdicts: dict[str, Any] = {"ratio": _verdict(by_ratio, threshold), "similarity": None}
    similar = None
    if clouds:
        similar, _ = similarities(clouds.samples, clouds.train)
        unseen_similar, _ = similarities(clouds.heldout, clouds.train)
        by_similarity = judge(similar, unseen_similar, "similarity") if enough else None
        verdict = _verdict(by_similarity, similarity_threshold(unseen_similar))
        verdicts["similarity"] = {"features": FEATURES, **verdict}
    copies = found.ratio < verdicts["ratio"]["threshold"]
    return {
        "copies": verdicts,
        "samples": _records(found, similar, copies, unseen, unseen_distance),
        "heldout_ratios": [round(float(r), 4) for r in null.ratio],
        "warnings": _warnings(len(samples), len(heldout)),
    }


def _nearest_unseen(
    samples: NDArray[np.float32], heldout: NDArray[np.float32]
) -> tuple[list[float | None], list[int | None]]:
    """Distance to, and position of, each sample's nearest held-out image; None if there is none."""
    if not len(heldout):
        return [None] * len(samples), [None] * len(samples)
    distance, index = nearest(samples, heldout, k=1)
    return [round(float(d), 4) for d in distance[:, 0]], index[:, 0].tolist()


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _verdict(verdict: Verdict | None, threshold: float) -> dict[str, Any]:
    if verdict is None:
        nothing = dict.fromkeys(("rate", "ci95", "heldout_rate", "heldout_ci95"))
        return {"threshold": threshold, **nothing}
    return {
        "threshold": verdict.threshold,
        "rate": verdict.rate,
        "ci95": list(verdict.ci95),
        "heldout_rate": verdict.heldout_rate,
        "heldout_ci95": list(verdict.heldout_ci95),
    }


def _warnings(n_samples: int, n_heldout: int) -> list[str]:
    warnings = []
    if n_samples < MIN_SAMPLES:
        warnings.append(f"{n_samples} samples are too few for a rate; take at least {MIN_SAMPLES}.")
    if n_heldout < MIN_SAMPLES:
        warnings.append(
            f"{n_heldout} held-out images are too few to calibrate a rule; at least {MIN_SAMPLES} "
            "are needed."
        )
    if MIN_SAMPLES <= n_heldout < MIN_HELDOUT:
        warnings.append(
            f"{n_heldout} held-out images are too few to measure quality; at least {MIN_HELDOUT} "
            "are needed."
        )
    if n_heldout >= MIN_SAMPLES and n_heldout // 2 + 1 < 1 / FALSE_ALARMS:
        warnings.append(
            f"the rule is calibrated on {n_heldout // 2} images, so it cannot promise fewer than "
            f"{100 / (n_heldout // 2 + 1):.1f} % false alarms."
        )
    return warnings


def _records(
    found: Neighbors,
    similar: NDArray[np.float32] | None,
    copies: NDArray[np.bool_],
    unseen: list[int | None],
    unseen_distance: list[float | None],
) -> list[dict[str, Any]]:
    return [
        {
            "nearest": int(found.nearest[i]),
            "second": int(found.second[i]),
            "d1": round(float(found.d1[i]), 4),
            "d2": round(float(found.d2[i]), 4),
            "ratio": round(float(found.ratio[i]), 4),
            "similarity": None if similar is None else round(float(similar[i]), 4),
            "copy": bool(copies[i]),
            "nearest_heldout": unseen[i],
            "d_heldout": unseen_distance[i],
        }
        for i in range(len(copies))
    ]


def draw(
    run: Run, seeds: range, how: SamplerConfig | None = None, step: int | None = None
) -> Iterator[Images]:
    """Samples of a run as uint8 batches (at most 64, h, w, c), in the order of `seeds`."""
    c = run.config
    for batch in sample(
        run.denoiser(step), seeds, (c.channels, c.side, c.side), how or sampler_of(c)
    ):
        yield to_bytes(batch.numpy())


def evaluate(
    run: Run,
    n: int = 1000,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
) -> Iterator[tuple[int, int, Images, dict[str, Any] | None]]:
    """Sample a run and judge the samples.

    Yields:
        (samples so far, n, their images, None) after each batch; last (n, n, images, report).

    Raises:
        InputError: an unusable run, corpus or step.
    """
    corpus = run.corpus()
    split = run.split(corpus)
    how = how or sampler_of(run.config)
    drawn: list[Images] = []
    for batch in draw(run, range(seed, seed + n), how, step):
        drawn.append(batch)
        yield sum(map(len, drawn)), n, np.concatenate(drawn), None
    images = np.concatenate(drawn)
    yield n, n, images, report_of(run, corpus, split, images, seed, step, how)


def report_of(
    run: Run,
    corpus: Corpus,
    split: Split,
    images: Images,
    seed: int,
    step: int | None,
    how: SamplerConfig,
) -> dict[str, Any]:
    """The report of `images`, sampled from `run` with seeds seed, seed + 1, ..."""
    train, heldout = corpus.images[split.train], corpus.images[split.heldout]
    clouds = Clouds.of(images, train, heldout)
    judged = judge_images(images, train, heldout, corpus.groups[split.train], clouds)
    judged["samples"] = [{"seed": seed + i, **s} for i, s in enumerate(judged["samples"])]
    enough = len(images) >= MIN_SAMPLES and len(heldout) >= MIN_HELDOUT
    return {
        "run": run.name,
        "step": run.last_step if step is None else step,
        "checkpoint_sha256": run.checkpoint_sha256(step),
        "corpus": {
            "name": corpus.name,
            "n_train": len(train),
            "n_heldout": len(heldout),
            "sha256": corpus.sha256,
        },
        "n_samples": len(images),
        "sampler": {
            "sampler": how.sampler,
            "steps": how.steps,
            "sigma_min": how.sigma_min,
            "sigma_max": how.sigma_max,
            "rho": how.rho,
            "stop_at": how.stop_at,
        },
        "seed": seed,
        "copies": judged["copies"],
        "quality": quality(clouds.samples, clouds.train, clouds.heldout, seed) if enough else None,
        "warnings": judged["warnings"],
        "heldout_ratios": judged["heldout_ratios"],
        "samples": judged["samples"],
    }
