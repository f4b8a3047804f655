"""Unconditional diffusers pipelines as models: safetensors and JSON are read, nothing is executed.

Needs the optional packages of requirements-models.txt.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ambient.adapters import PREDICTS, Discrete, Model
from ambient.denoiser import EDM
from ambient.errors import InputError
from ambient.run import read_json
from ambient.untrusted import guarded, plain

INDEX = "model_index.json"  # what makes a folder a pipeline
# Schedulers of one discrete variance-preserving process; they differ in how they step.
DISCRETE = (
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
)
EDMS = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")


def is_pipeline(folder: Path) -> bool:
    return (folder / INDEX).is_file()


class _Network(nn.Module):
    """A UNet2DModel as F(x, t) -> (b, c, h, w); a learned variance behind the mean is cut off."""

    def __init__(self, unet: Any, sign: float = 1.0) -> None:
        super().__init__()
        self.unet, self.sign = unet, sign

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        out: Tensor = self.unet(x, t, return_dict=False)[0]
        return self.sign * out[:, : x.shape[1]]


def load_pipeline(folder: str | Path, name: str | None = None) -> Model:
    """A folder that an unconditional diffusers pipeline was saved in, as a model without images.

    Args:
        folder: holds model_index.json, a UNet2DModel in safetensors and a DDPM, DDIM or EDM
            scheduler, or one of their relatives (`DISCRETE`, `EDMS`).
        name: what reports call it; default: the folder's name.

    Raises:
        InputError: diffusers is not installed, or a folder of something else: another pipeline,
            weights in a pickle, a scheduler whose noise levels are not known here.
    """
    folder = Path(folder).expanduser()
    name = name or folder.resolve().name
    if not is_pipeline(folder):
        raise InputError(f"'{folder}' has no {INDEX}; expected a saved diffusers pipeline.")
    index = read_json(folder / INDEX) or {}
    parts = {k: v for k, v in index.items() if not k.startswith("_") and v != [None, None]}
    if set(parts) != {"unet", "scheduler"} or parts["unet"] != ["diffusers", "UNet2DModel"]:
        raise InputError(
            f"'{plain(name)}' is a {plain(index.get('_class_name', 'pipeline'), 60)} of "
            f"{plain(', '.join(parts) or 'nothing')}; expected an unconditional one of pixels: a "
            "diffusers UNet2DModel and a scheduler."
        )
    unet, sha256 = _unet(_part(folder, "unet"), name)
    kind = parts["scheduler"][-1] if isinstance(parts["scheduler"], list) else ""
    denoiser, levels = _denoiser(unet, kind, _part(folder, "scheduler"), name)
    c = unet.config
    side = (c.sample_size,) * 2 if isinstance(c.sample_size, int) else tuple(c.sample_size or ())
    if len(side) != 2 or side[0] != side[1] or c.in_channels not in (1, 3):
        raise InputError(
            f"'{plain(name)}' makes images {side} of {c.in_channels} channels; expected squares of "
            "1 or 3 channels."
        )
    shape = (c.in_channels, *side)
    return Model(denoiser.requires_grad_(False).eval(), shape, name, levels, sha256)


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError as e:
        raise InputError(
            "diffusers pipelines need a package that is not installed; run "
            "`pip install -r requirements-models.txt`."
        ) from e
    return diffusers


def _part(folder: Path, part: str) -> Path:
    """Its own folder, or the pipeline's: old pipelines keep all files in one."""
    return folder / part if (folder / part).is_dir() else folder


def _unet(folder: Path, name: str) -> tuple[Any, str]:
    """The network, in float32, and the hash of its weights."""
    weights = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    if not weights:
        raise InputError(
            f"'{plain(name)}' has no weights in safetensors (diffusion_pytorch_model.safetensors); "
            "a .bin is a pickle, which could run code, and is not opened: save the pipeline again "
            "with `safe_serialization=True`."
        )
    diffusers = _diffusers()
    with guarded(f"'{plain(name)}' holds a UNet2DModel that cannot be loaded; save it again."):
        unet, report = diffusers.UNet2DModel.from_pretrained(
            str(folder),
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            torch_dtype=torch.float32,
            output_loading_info=True,
        )
        wrong = [k for part in report.values() for k in part]
        if wrong:
            raise InputError(
                f"'{plain(name)}': weights and config differ in {len(wrong)} tensors, first "
                f"{plain(wrong[0], 60)}; save the pipeline again."
            )
    if unet.class_embedding is not None:
        raise InputError(
            f"'{plain(name)}' is conditioned on classes; expected an unconditional pipeline."
        )
    digest = hashlib.sha256()
    for path in weights:
        digest.update(path.read_bytes())
    return unet, digest.hexdigest()


def _denoiser(
    unet: Any, kind: str, folder: Path, name: str
) -> tuple[Discrete | EDM, tuple[float, float]]:
    """The denoiser that network and scheduler make, and the noise levels it knows."""
    if kind not in (*DISCRETE, *EDMS):
        raise InputError(
            f"'{plain(name)}' has a {plain(kind, 60) or 'scheduler of its own'}; expected one of "
            f"{', '.join((*DISCRETE, *EDMS))}."
        )
    with guarded(f"'{plain(name)}' holds a {kind} that cannot be loaded; save it again."):
        scheduler = getattr(_diffusers(), kind).from_config(
            read_json(folder / "scheduler_config.json")
        )
    c = scheduler.config
    predicts = c.prediction_type
    unknown = [k for k in ("thresholding", "use_flow_sigmas") if c.get(k)]
    if unknown or predicts not in PREDICTS:
        raise InputError(
            f"'{plain(name)}': the scheduler's {unknown[0] if unknown else 'prediction_type'} is "
            f"{plain(c.get(unknown[0]) if unknown else predicts, 40)}; expected a fixed "
            f"discrete process that predicts {', '.join(PREDICTS)}."
        )
    if kind in EDMS:
        if predicts == "sample":
            raise InputError(
                f"'{plain(name)}' predicts the sample under EDM preconditioning, which diffusers "
                "does not define; expected epsilon or v_prediction."
            )
        network = _Network(unet, -1.0 if predicts == "v_prediction" else 1.0)
        return EDM(network, c.sigma_data), (c.sigma_min, c.sigma_max)
    denoiser = Discrete(
        _Network(unet),
        scheduler.alphas_cumprod,
        predicts,
        clip=c.clip_sample_range if c.get("clip_sample") else None,
        whole=unet.config.time_embedding_type == "learned",
    )
    return denoiser, denoiser.levels
