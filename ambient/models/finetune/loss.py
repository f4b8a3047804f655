"""Frozen copies in latent space, and the loss on them, in the variance-preserving terms of Stable
Diffusion: x_t = sqrt(abar_t) z0 + sqrt(1 - abar_t) e, sigma_t^2 = (1 - abar_t) / abar_t.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ambient.diffusion.noise import SeededNoise, derive_seed, expand
from ambient.files import InputError

Predict = Callable[[Tensor, Tensor], Tensor]


def cutoff_step(abar: Float[Tensor, " T"], cutoff: float) -> int:
    """n, the step whose noise level is nearest to the cutoff; T - 1, which no step is above, for 0.

    Raises:
        InputError: no step of the schedule is above it.
    """
    last = len(abar) - 1
    if cutoff == 0:
        return last
    sigma = ((1 - abar.double()) / abar.double()).sqrt()
    n = int((sigma - cutoff).abs().argmin())
    if not cutoff < float(sigma[last]) or n == last:
        raise InputError(
            f"--cutoff is {cutoff:g}, and the noise levels of this pipeline's schedule end at "
            f"{float(sigma[last]):.3g}; choose a lower one, or 0 for ordinary training."
        )
    return n


def frozen_copies(
    latents: Float[Tensor, "b c h w"], pictures: Sequence[int], abar_n: Tensor, seed: int
) -> Float[Tensor, "b c h w"]:
    """y = sqrt(abar_n) z0 + sqrt(1 - abar_n) e0 with one fixed e0 a picture (arXiv 2502.21278).

    e0 depends on the seed and the picture's number alone, which equal pictures share, so every
    epoch, process and resume sees the same copy. A copy drawn anew at each visit would give the
    picture away by its mean.
    """
    noise = SeededNoise([derive_seed(seed, int(i), 0x1A7) for i in pictures])
    e0 = noise.draw(latents.shape[1:]).to(latents)
    return abar_n**0.5 * latents + (1 - abar_n) ** 0.5 * e0


def latent_loss(
    predict: Predict,
    scheduler: Any,
    clean: Float[Tensor, "b c h w"],
    frozen: Float[Tensor, "b c h w"],
    noise: Float[Tensor, "b c h w"],
    t: Int[Tensor, " b"],
    n: int,
    snr_gamma: float | None = None,
) -> Float[Tensor, ""]:
    """The loss of diffusers' script, above step n on the frozen copies alone.

    With a = abar_t, a_n = abar_n and q = a / a_n, a step t > n sees

        x_t = sqrt(q) y + sqrt(1 - q) e,    E[y | x_t] = A E[z0 | x_t] + B x_t,
        A = sqrt(a_n) (1 - q) / (1 - a),    B = sqrt(q) (1 - a_n) / (1 - a),

    so that || A z0_hat + B x_t - y ||^2 / a_n, weighted as the ordinary loss weights an error of
    z0_hat (a / (1 - a) for epsilon, 1 / (1 - a) for v), is least where z0_hat = E[z0 | x_t]. In
    terms of what the network answers, with r^2 = (1 - q) / (1 - a), that is

        epsilon:  || r^2 out - r e ||^2
        v:        || r^2 out - (r sqrt(a) / a_n e - r^2 sqrt(1 - a) / sqrt(a_n) y) ||^2

    For t <= n, and everywhere with a cutoff of 0, a_n = 1 and y = z0: r = 1, the ordinary loss.

    Args:
        predict: the network, (x_t, t) -> epsilon or v.
        scheduler: of diffusers, with alphas_cumprod (T,) and its prediction_type.
        clean, frozen: z0 and y. noise: e. n: from `cutoff_step`.
    """
    abar = scheduler.alphas_cumprod.to(clean)
    a, above = expand(abar[t]), (t > n)[:, None, None, None]
    a_n = torch.where(above, abar[n], torch.ones_like(a))
    y, q = torch.where(above, frozen, clean), a / a_n
    x_t = q**0.5 * y + (1 - q) ** 0.5 * noise
    r2 = (1 - q) / (1 - a)
    r = r2**0.5
    if scheduler.config.prediction_type == "v_prediction":
        target = (r * a**0.5 / a_n) * noise - (r2 * (1 - a) ** 0.5 / a_n**0.5) * y
    else:
        target = r * noise
    found = r2 * predict(x_t, t).float()
    if snr_gamma is None:
        return F.mse_loss(found, target)
    error = F.mse_loss(found, target, reduction="none").mean(dim=(1, 2, 3))
    return (error * _min_snr(scheduler, t, snr_gamma)).mean()


def _min_snr(scheduler: Any, t: Int[Tensor, " b"], gamma: float) -> Float[Tensor, " b"]:
    """Weights of arXiv 2303.09556, as diffusers' script applies them."""
    from diffusers.training_utils import compute_snr

    snr: Tensor = compute_snr(scheduler, t)
    by_v = scheduler.config.prediction_type == "v_prediction"
    return snr.clamp(max=gamma) / (snr + 1 if by_v else snr)
