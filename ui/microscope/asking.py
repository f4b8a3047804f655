"""What a network makes of one noisy picture. Needs torch: imported when a visitor asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.samplers import finish
from ambient.diffusion.schedule import RETURN_STEPS
from ambient.files import InputError
from ambient.images.corpus import to_bytes
from ambient.runs.folder import Run
from ui import noise
from ui.microscope.records import SEEDS, Answers, error
from ui.pictures import Images


def ask(network: Denoiser, run: Run, image: Images, sigmas: Sequence[float]) -> Answers:
    """Its guess at each level, and what it samples down to from there."""
    noisy = torch.from_numpy(np.stack([noise.at(image, s) for s in sigmas]))
    with torch.inference_mode():
        guesses = network(noisy, torch.tensor(sigmas)).numpy()
    return Answers(
        to_bytes(guesses),
        np.array([error(x, image) for x in guesses]),
        np.stack([returned(network, run, image, s) for s in sigmas]),
    )


def returned(network: Denoiser, run: Run, image: Images, sigma: float) -> Images:
    """One picture under each noise of a level, sampled down: uint8 (seeds, h, w, c)."""
    x = torch.from_numpy(np.stack([noise.at(image, sigma, seed) for seed in SEEDS]))
    try:
        how = run.sampler(steps=RETURN_STEPS).below(sigma)
    except InputError:  # sampling ends above this level: the guess is all there is
        with torch.inference_mode():
            return to_bytes(network(x, torch.full((len(x),), sigma)).numpy())
    return to_bytes(finish(network, x, SEEDS, how).numpy())
