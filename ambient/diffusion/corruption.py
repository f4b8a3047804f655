"""The frozen noisy copies: each training image is noised once, and never again."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ambient.config import check
from ambient.diffusion.noise import SeededNoise, derive_seed


def corrupt(
    images: Float[Tensor, "n c h w"], indices: Sequence[int], cutoff: float, seed: int
) -> Float[Tensor, "n c h w"]:
    """y_i = x_i + cutoff * z_i with one fixed z_i an image (arXiv 2502.21278, the set S_n).

    z_i depends on `seed` and the image's index in its corpus alone: any later visit, process or
    page derives the same copy again. Drawing it anew at each visit would undo the method.

    Args:
        indices: n corpus indices.
        cutoff: sigma_n >= 0, in units of images in [-1, 1]; 0 gives the images themselves.

    Raises:
        InputError: a negative or non-finite cutoff.
    """
    check("cutoff", cutoff)
    if cutoff == 0:
        return images
    noise = SeededNoise([derive_seed(seed, int(i), 0xA3B) for i in indices])
    return images + cutoff * noise.draw(images.shape[1:]).to(images.device)
