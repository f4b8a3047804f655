"""What a network draws for a prompt. Needs torch: imported when a visitor asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.samplers import sample
from ambient.diffusion.schedule import SamplerConfig
from ambient.diffusion.words import told
from ambient.images.corpus import to_bytes
from ambient.reports.signals import look
from ambient.runs.folder import Run
from ui.pictures import Images
from ui.prompts.answers import GUIDANCES, SAMPLER, SCORED, SEEDS, STEPS, Drawn


def how(run: Run) -> SamplerConfig:
    return run.sampler(SAMPLER, STEPS)


def ask(network: Denoiser, run: Run, prompt: str) -> Drawn:
    """Pictures of a prompt at every guidance from the same noise, and its score.

    Raises:
        InputError: no known word, or no packages that read words.
    """
    images: list[Images] = []
    score = 0.0
    for guidance in GUIDANCES:
        if guidance == SCORED:
            series, means = look(network, [prompt], SEEDS, run.shape, how(run), guidance)
            score = float(means["magnitude"][0])
        else:
            bound = told(network, [prompt], guidance)
            parts = [to_bytes(x.numpy()) for x in sample(bound, SEEDS, run.shape, how(run))]
            series = np.concatenate(parts)
        images.append(series)
    return Drawn(np.stack(images), score)


def scores(network: Denoiser, run: Run, prompts: Sequence[str]) -> NDArray[np.float64]:
    """The score of each prompt, as `ask` scores it."""
    return look(network, prompts, SEEDS, run.shape, how(run), SCORED)[1]["magnitude"]
