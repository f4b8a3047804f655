"""Small patches as frequency bands: what each holds differs by an order of magnitude.

In a 2x2 patch of a natural image the mean varies a lot and the finest detail hardly at all, so a
noise level that leaves the one clear has buried the other. Bands are scaled one by one.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

CORRELATION = 0.9  # of neighboring pixels, in the usual first-order model of natural images


def cosines(patch: int) -> Float[Tensor, "k p"]:
    """The orthonormal discrete cosine transform (type 2) of `patch` values, lowest band first."""
    k = torch.arange(patch)
    basis = torch.cos(math.pi * (k[None, :] + 0.5) * k[:, None] / patch)
    return basis / basis.norm(dim=1, keepdim=True)


class Bands(nn.Module):
    """Splits images into the frequency bands of their patches, and joins them again.

    Attributes:
        ratios: (channels * patch^2, 1, 1), the standard deviation of each band in that of a pixel,
            where neighbors correlate by 0.9 (Jain 1989, "Fundamentals of Digital Image
            Processing", section 5.12); their mean square is 1.
    """

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.channels, self.patch = channels, patch
        self.kernel: Tensor
        self.ratios: Tensor
        with torch.device("cpu"):  # "meta" would import all of torch's compiler for it: two seconds
            rows = cosines(patch)
            apart = (torch.arange(patch)[:, None] - torch.arange(patch)).abs()
            spread = torch.einsum("kp,pq,kq->k", rows, CORRELATION**apart, rows)
            kernel = torch.einsum("kp,lq->klpq", rows, rows).reshape(-1, 1, patch, patch)
            ratios = torch.outer(spread, spread).sqrt().reshape(-1, 1, 1)
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)
        self.register_buffer("ratios", ratios.repeat(channels, 1, 1), persistent=False)

    def split(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k i j"]:
        """Images as bands: k = c * patch^2 channels of (h / patch, w / patch)."""
        return F.conv2d(x, self.kernel, stride=self.patch, groups=self.channels)

    def join(self, bands: Float[Tensor, "b k i j"]) -> Float[Tensor, "b c h w"]:
        """The inverse of `split`."""
        return F.conv_transpose2d(bands, self.kernel, stride=self.patch, groups=self.channels)
