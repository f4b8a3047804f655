"""What a network draws for a prompt. Needs torch: imported when a visitor asks."""

from __future__ import annotations

import numpy as np

from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.samplers import sample
from ambient.diffusion.words import told
from ambient.images.corpus import to_bytes
from ambient.runs.folder import Run
from ui.pictures import Images
from ui.prompts import GUIDANCES, SAMPLER, SEEDS, STEPS


def ask(network: Denoiser, run: Run, prompt: str) -> Images:
    """Pictures of a prompt at every guidance from one noise, uint8 (guidances, seeds, h, w, c).

    Raises:
        InputError: no known word, or no packages that read words.
    """
    how, images = run.sampler(SAMPLER, STEPS), []
    for guidance in GUIDANCES:
        (drawn,) = sample(told(network, [prompt], guidance), SEEDS, run.shape, how)
        images.append(to_bytes(drawn.numpy()))
    return np.stack(images)
