"""Unconditional diffusers pipelines as models: safetensors and JSON are read, nothing is executed.

Needs the optional packages of requirements-models.txt.
"""

import math
import re
import tempfile
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ambient.diffusion.denoiser import EDM
from ambient.files import InputError, read_json
from ambient.images import read
from ambient.images.read import MAX_SIDE, guarded, plain, tensor_shapes
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

# The network's files: perhaps a variant, such as fp16, perhaps in shards.
WEIGHTS = re.compile(r"diffusion_pytorch_model(?:\.(\w+))?(?:-\d+-of-\d+)?\.safetensors")

# What a zip may bring, beside or below its model_index.json; all else in it is ignored.
CONFIGS = (INDEX, "config.json", "scheduler_config.json")
FOLDERS = ("", "unet", "scheduler")
MAX_CONFIG, MAX_WEIGHTS = 1_000_000, 1_000_000_000  # bytes

# A network's own choices are numbers up to these, of others up to 16,384, in lists of up to 12.
OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
BOUNDS = {"sample_size": MAX_SIDE, "layers_per_block": 16, "num_train_timesteps": 100_000}
MOST, LONGEST = 16_384, 12


def is_pipeline(folder: Path) -> bool:
    return (folder / INDEX).is_file()


def load_zip(source: Path) -> Model:
    """A zip of a pipeline's folder, of which nothing is trusted, as a model without images.

    Only the configs and the safetensors are taken out, into a folder that is gone afterwards.

    Raises:
        InputError: as `load_pipeline`, or a zip that is none, too large, or holds something else.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _unpack(source, Path(scratch))
        return load_pipeline(scratch, source.stem)


def _unpack(source: Path, folder: Path) -> None:
    """The parts of a pipeline, under names of our own."""
    with open_zip(source, source.name, MAX_WEIGHTS + 10 * MAX_CONFIG) as archive:
        members = {PurePosixPath(m.filename): m for m in archive.infolist() if not m.is_dir()}
        tops = [p.parent for p in members if p.name == INDEX]
        if not tops:
            raise InputError(
                f"'{plain(source.name)}' has no {INDEX}; expected the folder of a saved diffusers "
                "pipeline as a zip, or a run's zip, as `python -m ambient export` writes it."
            )
        top = min(tops, key=lambda p: len(p.parts))
        for path, member in members.items():
            part = path.relative_to(top) if top in path.parents else path
            is_text = part.name in CONFIGS
            if str(part.parent).strip(".") in FOLDERS and (is_text or WEIGHTS.fullmatch(part.name)):
                data = read_member(archive, member, MAX_CONFIG if is_text else MAX_WEIGHTS)
                if is_text:  # without markup, nor numbers beyond all bounds
                    read.read_json(data, dict[str, Any], part.name)
                (folder / part).parent.mkdir(exist_ok=True)
                (folder / part).write_bytes(data)


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
    if not isinstance(folder, (str, Path)):
        raise InputError(f"a {type(folder).__name__} is no folder of a diffusers pipeline.")
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
    unet, checksum = _unet(_part(folder, "unet"), name)
    kind = parts["scheduler"][-1] if isinstance(parts["scheduler"], list) else ""
    denoiser, levels = _denoiser(unet, kind, _part(folder, "scheduler"), name)
    channels, size = unet.config.in_channels, unet.config.sample_size
    shape = (channels, *((size, size) if isinstance(size, int) else tuple(size or ())))
    if len(shape) != 3 or shape[1] != shape[2]:
        raise InputError(f"'{plain(name)}' makes images {shape}; expected (c, h, w) of squares.")
    model = Model(denoiser.requires_grad_(False).eval(), shape, name, levels, checksum)
    odd = f"'{plain(name)}' cannot make images of its own size, {shape[1]}x{shape[2]} pixels."
    with guarded(odd), torch.inference_mode():
        try:
            model.denoiser()(torch.zeros(1, *shape), torch.tensor([levels[1]]))
        except InputError as e:
            if e.__cause__:  # of torch, whose words tell of a layer inside
                raise e.__cause__ from None
            raise
    return model


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


def _weights(folder: Path, name: str) -> list[Path]:
    """The files of the network, those of one variant."""
    variants: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        if found := WEIGHTS.fullmatch(path.name):
            variants.setdefault(found[1] or "", []).append(path)
    if not variants:
        raise InputError(
            f"'{plain(name)}' has no weights in safetensors (diffusion_pytorch_model.safetensors); "
            "a .bin is a pickle, which could run code, and is not opened: save the pipeline again "
            "with `safe_serialization=True`."
        )
    if "" not in variants and len(variants) > 1:
        raise InputError(
            f"'{plain(name)}' has its weights as {plain(', '.join(variants))}; leave one of them."
        )
    return variants.get("") or next(iter(variants.values()))


def _config(folder: Path, file: str, name: str) -> dict[str, Any]:
    """A config of bounded numbers."""
    found = read_json(folder / file)
    if found is None:
        raise InputError(f"'{plain(name)}' has no {file}; save the pipeline again.")
    for key, value in found.items():
        values = value if isinstance(value, list) else [value]
        most, numbers = BOUNDS.get(key, MOST), [v for v in values if isinstance(v, (int, float))]
        few = file != "config.json" or len(values) <= LONGEST
        if not few or not all(v <= most for v in numbers):
            raise InputError(
                f"{file}: {plain(key)} is {plain(value, 40)}; expected at most {LONGEST} values, "
                f"up to {most}."
            )
    return found


def _unet(folder: Path, name: str) -> tuple[Any, str]:
    """The network, in float32, and the hash of its weights.

    What its config makes larger than its weights are is refused before memory is taken.
    """
    weights, config, digest = _weights(folder, name), _config(folder, "config.json", name), sha256()
    kind = _diffusers().UNet2DModel
    with guarded(f"'{plain(name)}' holds a UNet2DModel that cannot be loaded; save it again."):
        with torch.device("meta"):
            expected = {k: v.shape for k, v in kind.from_config(config).state_dict().items()}
        stored = [tensor_shapes(path, path.name).items() for path in weights]
        found = {_renamed(k): torch.Size(shape) for part in stored for k, (_, shape) in part}
        if wrong := sorted(k for k, _ in expected.items() ^ found.items()):
            raise InputError(
                f"'{plain(name)}': weights and config differ in {len(set(wrong))} tensors, first "
                f"{plain(wrong[0], 60)}; save the pipeline again."
            )
        unet = kind.from_config(config)
        for path in weights:
            digest.update(path.read_bytes())
            tensors = {_renamed(k): v.float() for k, v in load_file(path).items()}
            unet.load_state_dict(tensors, strict=False)
    if unet.class_embedding is not None:
        raise InputError(
            f"'{plain(name)}' is conditioned on classes; expected an unconditional pipeline."
        )
    return unet, digest.hexdigest()


def _renamed(tensor: str) -> str:
    """What old pipelines call otherwise, as diffusers calls it now."""
    for old, new in OLD.items():
        tensor = tensor.replace(f".{old}.", f".{new}.") if ".attentions." in tensor else tensor
    return tensor


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
        config = _config(folder, "scheduler_config.json", name)
        scheduler = getattr(_diffusers(), kind).from_config(config)
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
