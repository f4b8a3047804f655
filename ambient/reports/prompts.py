"""The verdict on prompts: copies and quality, kind by kind and by guidance.

Kinds stay apart. What is trained on is asked for by its own captions; held-out captions, words of
two captions recombined, and no words at all show whether copying needs them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ambient.copies.asked import Asked, Prompts
from ambient.copies.guises import orbit_of
from ambient.copies.imagenet import imagenet_features
from ambient.copies.intervals import clopper_pearson
from ambient.copies.judge import judge_images
from ambient.copies.quality import FEWEST, kid
from ambient.copies.records import JudgedImage
from ambient.copies.sets import Images, sets_of
from ambient.copies.spaces import QUALITY
from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.samplers import BATCH, sample
from ambient.diffusion.schedule import SamplerConfig, Shape
from ambient.diffusion.words import read_words, told
from ambient.files import Tell, silent
from ambient.images.captions import Plan, plan, recombined
from ambient.images.corpus import Corpus, Split, to_bytes
from ambient.runs.folder import Run

KINDS = ("training", "held-out", "recombined", "empty")
GUIDANCES = (1.0, 2.0, 4.0)
PROMPTS = 100  # of each kind
EACH = 2  # samples a prompt
REFERENCE = 1200  # unseen images that samples are compared with
LEAST = 100  # of these, below which there is no distance

Kinds = dict[str, tuple[str, ...]]  # prompts by kind, some of `KINDS`
Rows = NDArray[np.floating]


def kinds_of(run: Run, corpus: Corpus, split: Split, most: int, seed: int) -> Kinds:
    """Up to `most` different prompts of each kind."""
    heard = [row[0] for row in plan_of(run, corpus, split).texts]
    unseen = {corpus.captions[i] for i in split.heldout} - set(heard)
    rng = np.random.default_rng([seed, 0x9409])
    found: Kinds = {}
    for name, captions in (("training", set(heard)), ("held-out", unseen)):
        texts = sorted(captions - {""})
        known = read_words(texts).flatten(1).any(1).tolist()
        texts = [text for text, is_known in zip(texts, known, strict=True) if is_known]
        found[name] = tuple(texts[i] for i in rng.permutation(len(texts))[:most])
    found["recombined"] = tuple(recombined(heard, most, seed))
    return {name: texts for name, texts in found.items() if texts} | {"empty": ("",)}


def plan_of(run: Run, corpus: Corpus, split: Split) -> Plan:
    """What the run was told of its training images."""
    captions, categories = (
        [column[i] for i in split.train] for column in (corpus.captions, corpus.categories)
    )
    return plan(captions, categories, run.config.caption_control, run.config.seed)


def draw_prompts(
    denoiser: Denoiser,
    texts: Sequence[str],
    seeds: Sequence[int],
    shape: Shape,
    how: SamplerConfig,
    guidance: float,
) -> Images:
    """One image a prompt and seed, uint8 (n, h, w, c)."""
    parts = []
    for start in range(0, len(texts), BATCH):
        some = slice(start, start + BATCH)
        bound = told(denoiser, texts[some], guidance)
        parts += [to_bytes(x.numpy()) for x in sample(bound, seeds[some], shape, how)]
    return np.concatenate(parts)


def judge_prompts(
    run: Run,
    seed: int = 0,
    step: int | None = None,
    how: SamplerConfig | None = None,
    most: int = PROMPTS,
    guidances: Sequence[float] = GUIDANCES,
    tell: Tell = silent,
) -> Prompts:
    """Sample and judge every kind of prompt at every guidance; the empty one has none.

    Args:
        seed: sample i of each kind is drawn from the noise of seed + i.
        step: a stored step of the run; None: the last.
        most: prompts of each kind.

    Raises:
        InputError: a run without text, or without the packages that read words.
    """
    corpus = run.corpus()
    split = run.split(corpus)
    denoiser, how = run.denoiser(step), how or run.sampler()
    told(denoiser, [""])  # refused before anything is drawn
    kinds = kinds_of(run, corpus, split, most, seed)
    series = [
        (kind, guidance, texts * EACH if kind != "empty" else texts * EACH * most)
        for kind, texts in kinds.items()
        for guidance in (guidances if kind != "empty" else (1.0,))
    ]
    drawn = []
    for i, (_, guidance, texts) in enumerate(series):
        tell("sampling prompts", i, len(series))
        seeds = range(seed, seed + len(texts))
        drawn.append(draw_prompts(denoiser, texts, seeds, run.shape, how, guidance))
    sets = sets_of(corpus, split, np.concatenate(drawn))
    verdict = judge_images(sets, orbit=orbit_of(run.config), tell=tell)
    heard = plan_of(run, corpus, split)
    tell("looking at pictures", 0, 1)
    unseen = imagenet_features(corpus.images[reference_of(corpus, split, kinds, seed)])
    asked, start = [], 0
    for (kind, guidance, texts), images in zip(series, drawn, strict=True):
        rows = verdict.samples[start : start + len(images)]
        start += len(images)
        asked.append(_asked(kind, guidance, texts, imagenet_features(images), rows, heard, unseen))
    return Prompts(
        threshold=verdict.copies.ratio.threshold,
        features=QUALITY,
        n_reference=len(unseen),
        asked=tuple(asked),
    )


def reference_of(corpus: Corpus, split: Split, kinds: Kinds, seed: int) -> NDArray[np.int64]:
    """Positions of held-out images whose captions are not asked for, in random order."""
    used = {text for texts in kinds.values() for text in texts}
    rest = np.array([i for i in split.heldout if corpus.captions[i] not in used], np.int64)
    return np.random.default_rng([seed, 0x9B0BE]).permutation(rest)[:REFERENCE]


def _asked(
    kind: str,
    guidance: float,
    texts: Sequence[str],
    features: Rows,
    rows: Sequence[JudgedImage],
    heard: Plan,
    unseen: Rows,
) -> Asked:
    """One series of samples, judged."""
    n, copies = len(rows), np.array([row.copy for row in rows])
    own = [
        row.copy and text in heard.texts[row.nearest] for text, row in zip(texts, rows, strict=True)
    ]
    new = features[~copies]
    enough = len(unseen) >= LEAST
    strict = [row.strict for row in rows if row.strict is not None]
    trained = kind == "training"
    return Asked(
        kind=kind,
        guidance=guidance,
        n_samples=n,
        prompts=len(set(texts)),
        copies=float(copies.mean()),
        copies_ci95=clopper_pearson(int(copies.sum()), n),
        strict=float(np.mean(strict)) if strict else None,
        own=float(np.mean(own)) if trained else None,
        own_ci95=clopper_pearson(sum(own), n) if trained else None,
        kid=kid(features, unseen) if enough else None,
        kid_noncopies=kid(new, unseen) if enough and len(new) >= FEWEST else None,
    )
