"""Unconditional diffusers pipelines as models: safetensors and JSON are read, nothing is executed.

Needs the optional packages of requirements-models.txt.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import msgspec
import torch
from msgspec import UNSET, Meta, UnsetType
from torch import Tensor, nn

from ambient.diffusion.denoiser import EDM
from ambient.files import InputError, read_json
from ambient.images import read
from ambient.images.read import MAX_SIDE, MIN_SIDE, guarded, plain
from ambient.images.zips import open_zip, read_member
from ambient.models.adapters import PREDICTS, Discrete, Model

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
NO_SAMPLE = ("PNDMScheduler",)  # takes whatever is not v_prediction for epsilon

WEIGHTS = "diffusion_pytorch_model.safetensors"


def is_pipeline(folder: Path) -> bool:
    return (folder / INDEX).is_file()


# What a zip may bring, beside or below its model_index.json; all else in it is ignored.
MAX_CONFIG, MAX_WEIGHTS = 1_000_000, 1_000_000_000  # bytes
BRINGS = {
    INDEX: MAX_CONFIG,
    "config.json": MAX_CONFIG,
    "unet/config.json": MAX_CONFIG,
    "scheduler_config.json": MAX_CONFIG,
    "scheduler/scheduler_config.json": MAX_CONFIG,
    WEIGHTS: MAX_WEIGHTS,
    f"unet/{WEIGHTS}": MAX_WEIGHTS,
}


Count = Annotated[int, Meta(ge=0, le=16_384)]
Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE)]
Blocks = Annotated[list[str], Meta(max_length=12)]
Number = int | float


class UNetConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A UNet2DModel's own choices, in bounds; what else a config from elsewhere says is ignored."""

    sample_size: Side | Annotated[list[Side], Meta(min_length=2, max_length=2)]
    in_channels: Count | UnsetType = UNSET
    out_channels: Count | UnsetType = UNSET
    center_input_sample: bool | UnsetType = UNSET
    time_embedding_type: str | UnsetType = UNSET
    time_embedding_dim: Count | None | UnsetType = UNSET
    freq_shift: Number | UnsetType = UNSET
    flip_sin_to_cos: bool | UnsetType = UNSET
    down_block_types: Blocks | UnsetType = UNSET
    mid_block_type: str | None | UnsetType = UNSET
    up_block_types: Blocks | UnsetType = UNSET
    block_out_channels: Annotated[list[Count], Meta(max_length=12)] | UnsetType = UNSET
    layers_per_block: Annotated[int, Meta(ge=1, le=16)] | UnsetType = UNSET
    mid_block_scale_factor: Number | UnsetType = UNSET
    downsample_padding: Count | UnsetType = UNSET
    downsample_type: str | UnsetType = UNSET
    upsample_type: str | UnsetType = UNSET
    dropout: Number | UnsetType = UNSET
    act_fn: str | UnsetType = UNSET
    attention_head_dim: Count | None | UnsetType = UNSET
    norm_num_groups: Count | UnsetType = UNSET
    attn_norm_num_groups: Count | None | UnsetType = UNSET
    norm_eps: Number | UnsetType = UNSET
    resnet_time_scale_shift: str | UnsetType = UNSET
    add_attention: bool | UnsetType = UNSET
    class_embed_type: str | None | UnsetType = UNSET
    num_class_embeds: Count | None | UnsetType = UNSET
    num_train_timesteps: Annotated[int, Meta(ge=0, le=100_000)] | None | UnsetType = UNSET


class SchedulerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What of a scheduler's config could exhaust this machine."""

    num_train_timesteps: Annotated[int, Meta(ge=2, le=100_000)] | UnsetType = UNSET


def load_zip(source: Path) -> Model:
    """A zip of a pipeline's folder, of which nothing is trusted, as a model without images.

    Only the configs and the safetensors are taken out, into a folder that is gone afterwards. A
    network that its config makes larger than its weights are is refused before memory is taken.

    Raises:
        InputError: as `load_pipeline`, or a zip that is none, too large, or holds something else.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, name = Path(scratch), source.stem
        _unpack(source, folder)
        network = folder / "unet" if (folder / "unet").is_dir() else folder
        if (network / WEIGHTS).is_file():  # else it is said what is missing
            _check_network(network, name)
        return load_pipeline(folder, name)


def _unpack(source: Path, folder: Path) -> None:
    """The parts of a pipeline, under names of our own."""
    with open_zip(source, source.name, MAX_WEIGHTS + 10 * MAX_CONFIG) as archive:
        members = {PurePosixPath(m.filename): m for m in archive.infolist()}
        tops = [p.parent for p in members if p.name == INDEX]
        if not tops:
            raise InputError(
                f"'{plain(source.name)}' has no {INDEX}; expected the folder of a saved diffusers "
                "pipeline as a zip, or a run's zip, as `python -m ambient export` writes it."
            )
        top = min(tops, key=lambda p: len(p.parts))
        for part, most in BRINGS.items():
            if member := members.get(top / part):
                data = read_member(archive, member, most)
                if part.endswith(".json"):
                    data = _checked(data, part)
                (folder / part).parent.mkdir(exist_ok=True)
                (folder / part).write_bytes(data)


def _checked(data: bytes, part: str) -> bytes:
    """A config without markup, of bounded numbers; of a network's, the keys that are known."""
    name = PurePosixPath(part).name
    if name == "config.json":
        return msgspec.json.encode(read.read_json(data, UNetConfig, part))
    kind = SchedulerConfig if name == "scheduler_config.json" else dict[str, Any]
    read.read_json(data, kind, part)
    return data


def _check_network(folder: Path, name: str) -> None:
    """Whether a network of this config has as many weights as there are, before it is made."""
    shapes = read.tensor_shapes(folder / WEIGHTS, WEIGHTS)
    config = read_json(folder / "config.json")
    if config is None:
        raise InputError(f"'{plain(name)}' has no config.json beside its weights; zip it again.")
    diffusers = _diffusers()
    with guarded(f"'{plain(name)}' holds a UNet2DModel that cannot be loaded; save it again."):
        with torch.device("meta"):
            network = diffusers.UNet2DModel.from_config(config)
        asked = sum(t.numel() for t in network.state_dict().values())
        stored = sum(math.prod(shape) for _, shape in shapes.values())
        if asked != stored:
            raise InputError(
                f"'{plain(name)}': its config asks for {asked:,} weights and it brings "
                f"{stored:,}; save the pipeline again."
            )


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
    scheduler = _scheduler(kind, folder, name)
    c = scheduler.config
    predicts, tabled = c.prediction_type, unet.config.time_embedding_type == "learned"
    by_level = predicts == "v_prediction" and c.get("timestep_type") == "continuous"
    if kind in EDMS or by_level:  # the network is told ln(sigma) / 4 and no step
        if tabled:
            raise InputError(
                f"'{plain(name)}' looks up its steps in a table, and its {kind} has noise levels "
                "in place of steps; expected a positional or fourier time embedding."
            )
        network = _Network(unet, -1.0 if predicts == "v_prediction" else 1.0)
        return EDM(network, 1.0 if by_level else c.sigma_data), _levels(scheduler, name)
    ends_in_noise = c.get("rescale_betas_zero_snr")  # its level is none, whatever stands for it
    denoiser = Discrete(
        _Network(unet),
        scheduler.alphas_cumprod[:-1] if ends_in_noise else scheduler.alphas_cumprod,
        predicts,
        clip=c.clip_sample_range if c.get("clip_sample") else None,
        whole=tabled,
    )
    return denoiser, denoiser.levels


def _scheduler(kind: str, folder: Path, name: str) -> Any:
    """A scheduler whose process is known here."""
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
    if predicts == "sample" and kind in (*EDMS, *NO_SAMPLE):
        raise InputError(
            f"'{plain(name)}' predicts the sample, which diffusers does not define for its {kind}; "
            "expected epsilon or v_prediction."
        )
    return scheduler


def _levels(scheduler: Any, name: str) -> tuple[float, float]:
    """The lowest and the highest noise level: those its config names, else those of its steps."""
    c, (highest, *_, lowest, _) = scheduler.config, scheduler.sigmas.tolist()  # 0 is the last
    low, high = c.get("sigma_min"), c.get("sigma_max")
    low, high = lowest if low is None else low, highest if high is None else high
    known = all(isinstance(level, (int, float)) for level in (low, high))
    if not (known and 0 < low < high < math.inf):
        raise InputError(
            f"'{plain(name)}': the scheduler's sigma_min is {plain(low, 40)} and its sigma_max "
            f"{plain(high, 40)}; expected numbers above 0, the first one smaller."
        )
    return low, high
