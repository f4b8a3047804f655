"""What a network makes of single noisy images. Needs torch: imported when a visitor asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ambient.diffusion.samplers import finish
from ambient.images.corpus import to_bytes, to_rows, to_unit
from ambient.reports.curves import RETURN_STEPS, is_home
from ambient.runs.folder import Run
from ui import data, live, noise
from ui.noise_microscope.answers import Answer, Return
from ui.noise_microscope.specimens import Specimen
from ui.pictures import Images


def answers(run: Run, step: int, image: Images, levels: Sequence[float]) -> list[Answer]:
    """What the network makes of one image at each level, always under the same noise."""
    noisy = torch.from_numpy(np.stack([noise.at(image, s) for s in levels]))
    network = live.network(run, step)
    with live.turn(), torch.inference_mode():
        denoised = network(noisy, torch.tensor(levels)).numpy()
    return [Answer.of(x, image) for x in denoised]


def returns(
    run: Run, step: int, specimen: Specimen, sigma: float, seeds: Sequence[int]
) -> Iterator[Return]:
    """Noise one image, sample down from there: the return test, once for each seed of noise.

    Raises:
        InputError: the run's sampling ends above this level.
    """
    how = run.sampler(steps=RETURN_STEPS).below(sigma)
    both, network = data.sets(run), live.network(run, step)
    train = torch.from_numpy(to_rows(both.train))
    origin = torch.from_numpy(to_unit(specimen.image[None]))
    other = torch.ones(1, len(train), dtype=torch.bool)
    if specimen.kind == "training":
        other[0] = torch.from_numpy(both.groups != both.groups[specimen.position])
    with live.turn():
        for seed in seeds:
            x = torch.from_numpy(noise.at(specimen.image, sigma, seed)[None])
            end = finish(network, x, [seed], how)
            distances = ((train - end.flatten(1)) ** 2).sum(1)
            yield Return(
                to_bytes(end.numpy())[0],
                bool(is_home(end, origin, train, other)[0]),
                int(distances.argmin()),
            )
