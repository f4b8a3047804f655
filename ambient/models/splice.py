"""Two subjects as one denoiser, cut at a noise level: where is copying decided?"""

import math

from ambient.diffusion.denoiser import Denoiser, splice
from ambient.files import InputError
from ambient.models.subject import Subject


def spliced(run: Subject, above: Subject, switch: float, step: int | None = None) -> Denoiser:
    """`run` (at `step`) where sigma <= switch, the last weights of `above` at higher noise.

    Sample it as `run` is sampled: `run` ends every picture.

    Raises:
        InputError: no noise level above 0, images of different shapes, or a noisy-only run asked
            below the level where its knowledge ends.
    """
    if not (math.isfinite(switch) and switch > 0):
        raise InputError(f"switch is {switch:g}; expected a noise level above 0, such as 0.8.")
    shapes = [r.shape for r in (run, above)]
    if shapes[0] != shapes[1]:
        sizes = [f"{h}x{w}x{c}" for c, h, w in shapes]
        raise InputError(
            f"run '{run.name}' makes {sizes[0]} images and '{above.name}' {sizes[1]}; "
            "splice runs of one shape."
        )
    ends = above.sampler().stop_at
    if switch < ends:
        raise InputError(
            f"switch is {switch:g}, but '{above.name}' knows nothing below {ends:g}; "
            "switch there or higher."
        )
    return splice(above.denoiser(), run.denoiser(step), switch)
