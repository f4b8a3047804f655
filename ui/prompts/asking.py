"""What a network draws for a prompt. Needs torch: imported when a visitor asks."""

import numpy as np
import torch
from torch import Tensor

from ambient.diffusion.denoiser import EDM
from ambient.diffusion.samplers import sample
from ambient.diffusion.words import told
from ambient.images.corpus import to_bytes
from ambient.runs.folder import Run
from ui.pictures import Images
from ui.prompts import GUIDANCES, SAMPLER, SEEDS, STEPS

LOUD = GUIDANCES[2:]  # the words count more than once, beside no words


def unheard(network: EDM, run: Run) -> Images:
    """What the network draws without words: uint8 (seeds, h, w, c)."""
    (drawn,) = sample(network, SEEDS, run.shape, run.sampler(SAMPLER, STEPS))
    return to_bytes(drawn.numpy())


def ask(network: EDM, run: Run, prompt: str) -> Images:
    """Pictures of a prompt at every guidance above 0: uint8 (guidances, seeds, h, w, c).

    All at once, from the same noise: a network takes longer for each picture of a small batch.

    Raises:
        InputError: no known word, or no packages that read words.
    """
    words, count = told(network, [prompt]).words, len(SEEDS)
    guidance = torch.tensor(LOUD).repeat_interleave(count)[:, None, None, None]

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        heard = network(x, sigma, words=words.expand(len(x), -1, -1))
        unheard = network(x[count:], sigma[count:])
        louder = unheard + guidance * (heard[count:] - unheard)
        return torch.cat([heard[:count], louder])

    seeds = SEEDS * (1 + len(LOUD))
    (drawn,) = sample(denoise, seeds, run.shape, run.sampler(SAMPLER, STEPS))
    images = to_bytes(drawn.numpy())
    return images.reshape(-1, count, *images.shape[1:])


def both(network: EDM, run: Run, prompt: str) -> Images:
    """Pictures without words and at every guidance: uint8 (guidances, seeds, h, w, c)."""
    return np.concatenate([unheard(network, run)[None], ask(network, run, prompt)])
