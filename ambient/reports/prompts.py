"""The verdict on prompts: copies, quality and alignment, kind by kind and by guidance.

Kinds stay apart. What is trained on is asked for by its own captions; held-out captions, words of
two captions recombined, and no words at all show whether copying needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ambient.copies.asked import Asked, Fit, Probe, Prompts, fit_probe, rated
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
PROBED = 1200  # unseen images that the probe is fitted to
PROBED_LEAST = 100  # of these, below which there is no probe

Rows = NDArray[np.floating]


@dataclass(frozen=True)
class Kind:
    """Prompts of one kind.

    Attributes:
        texts: different ones.
        images: the corpus's image of each; none where no image goes with them.
    """

    name: str
    texts: tuple[str, ...]
    images: tuple[int, ...] = ()


def kinds_of(run: Run, corpus: Corpus, split: Split, most: int, seed: int) -> dict[str, Kind]:
    """Up to `most` prompts of each kind; a caption that is told of several images counts once."""
    heard = plan_of(run, corpus, split)
    training = {row[0]: int(i) for row, i in zip(heard.texts, split.train, strict=True)}
    unseen = {corpus.captions[i]: int(i) for i in split.heldout}
    unseen = {text: i for text, i in unseen.items() if text not in training}
    rng = np.random.default_rng([seed, 0x9409])
    found = {}
    for name, images in (("training", training), ("held-out", unseen)):
        texts = [text for text, _ in sorted(images.items()) if text]
        known = read_words(texts).flatten(1).any(1).tolist()
        texts = [text for text, is_known in zip(texts, known, strict=True) if is_known]
        chosen = [texts[i] for i in rng.permutation(len(texts))[:most]]
        found[name] = Kind(name, tuple(chosen), tuple(images[text] for text in chosen))
    mixed = recombined([row[0] for row in heard.texts], most, seed)
    found["recombined"] = Kind("recombined", tuple(mixed))
    return {name: kind for name, kind in found.items() if kind.texts} | {
        "empty": Kind("empty", ("",))
    }


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
        (kind, guidance, kind.texts * EACH if kind.name != "empty" else kind.texts * EACH * most)
        for kind in kinds.values()
        for guidance in (guidances if kind.name != "empty" else (1.0,))
    ]
    drawn = []
    for i, (_, guidance, texts) in enumerate(series):
        tell("sampling prompts", i, len(series))
        seeds = range(seed, seed + len(texts))
        drawn.append(draw_prompts(denoiser, texts, seeds, run.shape, how, guidance))
    sets = sets_of(corpus, split, np.concatenate(drawn))
    verdict = judge_images(sets, orbit=orbit_of(run.config), tell=tell)
    heard = plan_of(run, corpus, split)
    looked = _Looker(corpus, split, kinds, seed, tell)
    asked, start = [], 0
    for (kind, guidance, texts), images in zip(series, drawn, strict=True):
        rows = verdict.samples[start : start + len(images)]
        start += len(images)
        asked.append(_asked(kind, guidance, texts, images, rows, heard, looked))
    return Prompts(
        threshold=verdict.copies.ratio.threshold,
        features=QUALITY,
        n_probe=len(looked.fitted) if looked.probe else 0,
        asked=tuple(asked),
    )


class _Looker:
    """Features of images that are compared, and the probe, fitted apart from all prompts."""

    def __init__(
        self, corpus: Corpus, split: Split, kinds: dict[str, Kind], seed: int, tell: Tell
    ) -> None:
        self.corpus, self.seed, self.tell = corpus, seed, tell
        used = {text for kind in kinds.values() for text in kind.texts}
        rest = [int(i) for i in split.heldout if corpus.captions[i] not in used]
        rng = np.random.default_rng([seed, 0x9B0BE])
        self.fitted = [rest[i] for i in rng.permutation(len(rest))[:PROBED]]
        self.unseen = self.features(corpus.images[self.fitted])
        self.probe: Probe | None = None
        if len(self.fitted) >= PROBED_LEAST:
            texts = meanings([corpus.captions[i] for i in self.fitted])
            kinds_ = [corpus.categories[i] for i in self.fitted]
            self.probe = fit_probe(self.unseen, texts, kinds_)

    def features(self, images: Images) -> Rows:
        self.tell("looking at pictures", 0, 1)
        return imagenet_features(images)


def meanings(texts: Sequence[str]) -> Rows:
    """The mean of a text's word vectors, (n, v); zeros for no words."""
    words = read_words(texts).float()
    count = (words != 0).any(-1).sum(1, keepdim=True).clamp(min=1)
    mean: torch.Tensor = words.sum(1) / count
    found: Rows = mean.numpy()
    return found


def _asked(
    kind: Kind,
    guidance: float,
    texts: Sequence[str],
    images: Images,
    rows: Sequence[JudgedImage],
    heard: Plan,
    looked: _Looker,
) -> Asked:
    """One series of samples, judged."""
    n, copies = len(rows), np.array([row.copy for row in rows])
    own = [
        row.copy and text in heard.texts[row.nearest] for text, row in zip(texts, rows, strict=True)
    ]
    a, unseen = looked.features(images), looked.unseen
    new = a[~copies]
    enough = len(unseen) >= PROBED_LEAST
    strict = [row.strict for row in rows if row.strict is not None]
    trained = kind.name == "training"
    return Asked(
        kind=kind.name,
        guidance=guidance,
        n_samples=n,
        prompts=len(kind.texts),
        copies=float(copies.mean()),
        copies_ci95=clopper_pearson(int(copies.sum()), n),
        strict=float(np.mean(strict)) if strict else None,
        own=float(np.mean(own)) if trained else None,
        own_ci95=clopper_pearson(sum(own), n) if trained else None,
        kid=kid(a, unseen) if enough else None,
        kid_noncopies=kid(new, unseen) if enough and len(new) >= FEWEST else None,
        **_alignment(kind, texts, a, looked),
    )


def _alignment(kind: Kind, texts: Sequence[str], a: Rows, looked: _Looker) -> dict[str, Fit]:
    """Precision and category, where there is a probe and the kind has something to choose from."""
    probe, corpus = looked.probe, looked.corpus
    if probe is None or len(kind.texts) < 2:
        return {}
    said = meanings(kind.texts)
    place = {text: i for i, text in enumerate(kind.texts)}
    wanted = [place[text] for text in texts]
    real = looked.features(corpus.images[list(kind.images)]) if kind.images else None
    known = None if real is None else (probe.scores(real, said).argmax(1) == np.arange(len(real)))
    found = probe.scores(a, said).argmax(1).tolist()
    precision = rated(found, wanted, None if known is None else known.tolist(), looked.seed)
    if real is None or len(probe.categories) < 2:
        return {"precision": precision}
    classes = [corpus.categories[i] for i in kind.images]
    right = [x == y for x, y in zip(probe.named(real), classes, strict=True)]
    category = rated(probe.named(a), [classes[i] for i in wanted], right, looked.seed)
    return {"precision": precision, "category": category}
