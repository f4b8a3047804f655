"""Network weights on disk: safetensors in half precision, checked before use."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ambient.config import Config
from ambient.denoiser import EDM
from ambient.errors import InputError
from ambient.trainer import build_denoiser


def save_weights(path: Path, denoiser: EDM) -> None:
    """Write the network in float16, by replacing the file in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {
        k: v.detach().cpu().half().contiguous() for k, v in denoiser.network.state_dict().items()
    }
    scratch = path.with_suffix(".part")
    save_file(half, scratch)
    scratch.replace(path)


def load_weights(path: Path, config: Config) -> EDM:
    """A denoiser in eval mode with the weights of `path`.

    Raises:
        InputError: the file is damaged, does not fit the config, or holds NaN or infinity.
    """
    try:
        loaded = load_file(path)
    except (SafetensorError, OSError, ValueError) as e:
        raise InputError(
            f"'{path}' is not a whole safetensors file ({e}); copy or download it again."
        ) from e
    denoiser = build_denoiser(config)
    expected = denoiser.network.state_dict()
    wrong = [
        k
        for k in expected.keys() | loaded.keys()
        if k not in expected or k not in loaded or expected[k].shape != loaded[k].shape
    ]
    if wrong:
        raise InputError(
            f"'{path}' does not fit its config (width {config.width}, patch {config.patch}): "
            f"{len(wrong)} tensors differ, first {min(wrong)}; keep config and weights together."
        )
    if not all(bool(torch.isfinite(v).all()) for v in loaded.values()):
        raise InputError(f"'{path}' holds weights that are not finite; use an earlier checkpoint.")
    denoiser.network.load_state_dict({k: v.float() for k, v in loaded.items()})
    return denoiser.requires_grad_(False).eval()
