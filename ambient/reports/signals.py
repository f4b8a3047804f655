"""Which prompts give copies? Four numbers that need no training image, held against the truth.

magnitude    how far the words move the first steps of sampling (Wen et al. 2024)
direction    that, and whether they push where the last steps go anyway (anisotropy)
sameness     how alike the pictures of different seeds are
attention    how few of the words are looked at
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ambient.copies.guises import orbit_of
from ambient.copies.judge import judge_images
from ambient.copies.reader import auc
from ambient.copies.sets import Images, sets_of
from ambient.diffusion.denoiser import EDM, Prompted
from ambient.diffusion.samplers import BATCH, sample
from ambient.diffusion.words import read_words
from ambient.files import InputError, Tell, silent
from ambient.images.corpus import to_bytes
from ambient.reports.prompts import PROMPTS, kinds_of
from ambient.reports.records import ScoredPrompt, Signal, Signals
from ambient.runs.folder import Run

SIGNALS = ("magnitude", "direction", "sameness", "attention")
SEEDS = 16  # samples a prompt
ALIKE = 8  # of these that are compared with each other
PART = 3  # the first and the last third of sampling
FALSE_ALARMS = 0.01
DRAWS = 1000  # of the bootstrap
FEWEST = 5  # prompts that give copies, and others

Scores = NDArray[np.float64]


@dataclass
class Watched:
    """What is seen at each call of a denoiser: one number an image."""

    magnitude: list[Float[Tensor, " b"]] = field(default_factory=list)
    cosine: list[Float[Tensor, " b"]] = field(default_factory=list)
    entropy: list[Float[Tensor, " b"]] = field(default_factory=list)


class Watching(Prompted):
    """A prompted denoiser that tells how the prompt acts."""

    def __init__(self, denoiser: EDM, words: Tensor, guidance: float) -> None:
        super().__init__(denoiser, words, guidance)
        self.watched = Watched()

    def forward(
        self, x: Float[Tensor, "b c h w"], sigma: Float[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]:
        told, untold = self.both(x, sigma)
        assert untold is not None  # it is asked for
        push, pull = (told - untold).flatten(1), (untold - x).flatten(1)
        self.watched.magnitude.append(push.norm(dim=1) / sigma)
        self.watched.cosine.append(F.cosine_similarity(push, pull))
        return untold + self.guidance * (told - untold)

    @contextmanager
    def attending(self) -> Iterator[None]:
        """Sees the attention of each call too: its entropy in units of that of equal weights."""
        count = 1 + (self.words != 0).any(-1).sum(1)  # with the word that says nothing

        def hook(_: object, __: object, weights: Tensor) -> None:
            entropy = -(weights * weights.clamp(min=1e-12).log()).sum(-1).mean((1, 2))
            self.watched.entropy.append(entropy / count.log().clamp(min=1e-6))

        network: Any = self.denoiser.network
        handles = [look.weights.register_forward_hook(hook) for look in network.look]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def watch(
    run: Run,
    texts: Sequence[str],
    seed: int,
    step: int | None,
    guidance: float,
    tell: Tell = silent,
) -> tuple[Images, dict[str, Scores]]:
    """The samples of each prompt from the same seeds, and its scores.

    Returns:
        uint8 (prompts * SEEDS, h, w, c), prompt by prompt, and (prompts,) a signal; higher is
        likelier to give copies.
    """
    denoiser, how, at_once = run.denoiser(step), run.sampler(), BATCH // SEEDS
    images, seen = [], Watched()
    for start in range(0, len(texts), at_once):
        tell("watching prompts", start, len(texts))
        some = texts[start : start + at_once]
        words = read_words(some).float().repeat_interleave(SEEDS, 0)
        watching = Watching(denoiser, words, guidance)
        seeds = [*range(seed, seed + SEEDS)] * len(some)
        with watching.attending():
            images += [to_bytes(x.numpy()) for x in sample(watching, seeds, run.shape, how)]
        calls = watching.watched
        seen.magnitude.append(_part(calls.magnitude, slice(None, len(calls.magnitude) // PART)))
        seen.cosine.append(_part(calls.cosine, slice(-len(calls.cosine) // PART, None)))
        seen.entropy.append(_part(calls.entropy, slice(None, len(calls.entropy) // PART)))
    drawn = np.concatenate(images)
    magnitude, cosine, entropy = (
        torch.cat(x).view(-1, SEEDS).mean(1).double().numpy()
        for x in (seen.magnitude, seen.cosine, seen.entropy)
    )
    return drawn, {
        "magnitude": magnitude,
        "direction": _standard(magnitude) + _standard(cosine),
        "sameness": -_diversity(drawn),
        "attention": -entropy,
    }


def _part(calls: Sequence[Tensor], part: slice) -> Tensor:
    return torch.stack(list(calls[part])).mean(0)


def _standard(scores: Scores) -> Scores:
    found: Scores = (scores - scores.mean()) / max(float(scores.std()), 1e-12)
    return found


def _diversity(images: Images) -> Scores:
    """The mean distance of the first samples of each prompt, RMS over pixels."""
    groups = images.reshape(-1, SEEDS, images[0].size)[:, :ALIKE].astype(np.float64) / 127.5
    pairs = combinations(range(ALIKE), 2)
    apart = [((groups[:, i] - groups[:, j]) ** 2).mean(1) ** 0.5 for i, j in pairs]
    found: Scores = np.mean(apart, axis=0)
    return found


def prompt_signals(
    run: Run,
    n: int = PROMPTS,
    seed: int = 0,
    step: int | None = None,
    guidance: float = 2.0,
    tell: Tell = silent,
) -> Signals:
    """Score training captions and unseen ones, and hold the scores against who gives copies.

    The control takes the scores of the run's first stage and the truth of `step`.

    Args:
        n: prompts of each kind.
        step: a stored step of the run; None: the last.

    Raises:
        InputError: a run without text, or without the packages that read words.
    """
    if not run.config.text:
        raise InputError(f"run '{run.name}' was trained without captions; train one with --text.")
    corpus = run.corpus()
    split = run.split(corpus)
    kinds = kinds_of(run, corpus, split, n, seed)
    asked = [(text, k) for k in ("training", "held-out") if k in kinds for text in kinds[k].texts]
    texts = [text for text, _ in asked]
    step = run.last_step if step is None else step
    images, scores = watch(run, texts, seed, step, guidance, tell)
    sets = sets_of(corpus, split, images)
    verdict = judge_images(sets, orbit=orbit_of(run.config), tell=tell)
    copies = np.array([row.copy for row in verdict.samples]).reshape(-1, SEEDS).sum(1)
    positive = copies > 0
    negative = np.array([kind == "held-out" for _, kind in asked]) & ~positive
    early_step = run.steps[0] if run.steps[0] < step else None
    early = watch(run, texts, seed, early_step, guidance, tell)[1] if early_step else None
    few = min(int(positive.sum()), int(negative.sum())) < FEWEST
    why = f"{positive.sum()} prompts give copies and {negative.sum()} unseen ones none; "
    return Signals(
        run=run.name,
        step=step,
        early_step=early_step,
        checkpoint_sha256=run.checkpoint_sha256(step),
        guidance=guidance,
        seeds=SEEDS,
        threshold=verdict.copies.ratio.threshold,
        positives=int(positive.sum()),
        negatives=int(negative.sum()),
        signals=()
        if few
        else tuple(_signal(name, scores, early, positive, negative, seed) for name in SIGNALS),
        prompts=tuple(
            ScoredPrompt(
                text=text,
                kind=kind,
                copies=int(copies[i]),
                scores={name: round(float(scores[name][i]), 5) for name in SIGNALS},
            )
            for i, (text, kind) in enumerate(asked)
        ),
        warnings=(f"{why}{FEWEST} of each are needed to rate a signal.",) if few else (),
    )


def _signal(
    name: str,
    scores: dict[str, Scores],
    early: dict[str, Scores] | None,
    positive: NDArray[np.bool_],
    negative: NDArray[np.bool_],
    seed: int,
) -> Signal:
    high, low = scores[name][positive], scores[name][negative]
    known: dict[str, Any] = {
        "auc": auc(high, low),
        "auc_ci95": bootstrap(auc, high, low, seed),
        "tpr": caught(high, low),
        "tpr_ci95": bootstrap(caught, high, low, seed),
    }
    if early:
        high, low = early[name][positive], early[name][negative]
        known |= {"early_auc": auc(high, low), "early_auc_ci95": bootstrap(auc, high, low, seed)}
    return Signal(name=name, **known)


def caught(high: Scores, low: Scores) -> float:
    """The share of `high` above all but 1 % of `low`."""
    place = math.ceil((1 - FALSE_ALARMS) * len(low)) - 1
    return float((high > np.sort(low)[place]).mean())


def bootstrap(
    measure: Callable[[Scores, Scores], float], high: Scores, low: Scores, seed: int
) -> tuple[float, float]:
    """The 95 % interval of a measure, both sides drawn anew."""
    rng = np.random.default_rng([seed, 0xB007])
    found = [measure(rng.choice(high, len(high)), rng.choice(low, len(low))) for _ in range(DRAWS)]
    bounds = np.quantile(found, [0.025, 0.975])
    return float(bounds[0]), float(bounds[1])
