"""Network weights on disk: safetensors in half precision, checked before use."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save

from ambient.config import Config
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.hardware import inference_dtype
from ambient.diffusion.training import build_denoiser
from ambient.files import InputError, write_atomically
from ambient.images.read import guarded, plain, tensor_shapes

DTYPES = {"BF16", "F16", "F32"}


def save_weights(path: Path, denoiser: EDM) -> None:
    """Write the network in float16, by replacing the file in one move."""
    half = {
        k: v.detach().cpu().half().contiguous() for k, v in denoiser.network.state_dict().items()
    }
    write_atomically(path, save(half))


def load_weights(path: Path, config: Config) -> EDM:
    """A denoiser in eval mode with the weights of `path`.

    Names, types and shapes are compared before a tensor is read or a network built.

    Raises:
        InputError: the file is damaged, does not fit the config, or holds NaN or infinity.
    """
    label = "/".join(path.parts[-3:])  # run, checkpoints, step
    found = tensor_shapes(path, label)
    with torch.device("meta"):
        expected = build_denoiser(config).network.state_dict()
    wrong = [
        k
        for k in expected.keys() | found.keys()
        if k not in expected or k not in found or expected[k].shape != found[k][1]
    ]
    if wrong:
        raise InputError(
            f"'{label}' does not fit its config (width {config.width}, patch {config.patch}): "
            f"{len(wrong)} tensors differ, first {plain(min(wrong))}; keep config and weights "
            "together."
        )
    if others := {dtype for dtype, _ in found.values()} - DTYPES:
        raise InputError(
            f"'{label}' holds {min(others)}; expected one of {', '.join(sorted(DTYPES))}. "
            "Export the run again."
        )
    with guarded(f"'{label}' is not a whole safetensors file; copy or export it again."):
        loaded = load_file(path)
    if not all(bool(torch.isfinite(v).all()) for v in loaded.values()):
        raise InputError(f"'{label}' holds weights that are not finite; use an earlier checkpoint.")
    denoiser = build_denoiser(config.replace(dtype=inference_dtype(config.dtype)))
    denoiser.network.load_state_dict({k: v.float() for k, v in loaded.items()})
    return denoiser.requires_grad_(False).eval()
