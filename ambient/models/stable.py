"""Stable Diffusion pipelines of diffusers: told by text, in latent space. Nothing is executed.

Needs the optional packages of requirements-models.txt.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ambient.diffusion.hardware import choose_device
from ambient.files import InputError, Tell, read_json, silent
from ambient.images.read import guarded, plain
from ambient.models import hub
from ambient.models.pipelines import INDEX, is_pipeline

PARTS = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}
LIBRARIES = ("diffusers", "transformers")
IGNORED = ("safety_checker", "feature_extractor", "image_encoder", "requires_safety_checker")
FILES = (
    INDEX, "*/config.json", "scheduler/scheduler_config.json", "tokenizer/*.json",
    "tokenizer/merges.txt", "text_encoder/model.safetensors",
    "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
)  # fmt: skip
WEIGHTS = "pytorch_lora_weights.safetensors"
EXPECTED = (
    "expected a Stable Diffusion 1 or 2 pipeline: a UNet2DConditionModel, an AutoencoderKL, a "
    "CLIPTextModel and its tokenizer."
)
AT_ONCE = 4  # images that are sampled together


def is_told(folder: Path) -> bool:
    """Whether a folder holds a pipeline that text goes into, be it one that is refused later."""
    index = (read_json(folder / INDEX) or {}) if is_pipeline(folder) else {}
    return any(part.startswith("text_encoder") and index[part] != [None, None] for part in index)


@dataclass(frozen=True)
class Stable:
    """A pipeline on this machine."""

    pipe: Any  # a StableDiffusionPipeline in float32
    name: str  # what reports call it
    sha256: str  # of its UNet's weights

    @property
    def side(self) -> int:
        """Pixels a side of the images that it was trained for."""
        return int(self.pipe.unet.config.sample_size) * self.factor

    @property
    def factor(self) -> int:
        """Pixels a side of a latent."""
        return int(self.pipe.vae_scale_factor)

    def ready(self) -> None:
        """Bring it where it samples fastest: a GPU, in half precision, where there is one."""
        device = choose_device("auto")
        half = torch.float16 if device.type == "cuda" else torch.float32
        with quiet():
            self.pipe.to(device, half)

    def check_side(self, side: int, option: str) -> None:
        """Raises InputError for images that its latents cannot make."""
        if side % self.factor:
            raise InputError(
                f"{option} is {side}; '{self.name}' makes images of a multiple of {self.factor} "
                "pixels a side."
            )

    def take_lora(self, place: Path | None) -> None:
        """A LoRA in place of any before; None: the pipeline alone. Raises as `load_lora`."""
        if place is None:
            self.pipe.unload_lora_weights()
        else:
            self.load_lora(place)

    def load_lora(self, place: Path) -> None:
        """Add a LoRA, in place of any before: a folder that holds `WEIGHTS`, or a safetensors file.

        Raises:
            InputError: none there, or one of another network.
        """
        file = place / WEIGHTS if place.is_dir() else place
        if file.suffix != ".safetensors" or not file.is_file():
            raise InputError(f"'{place}' is no LoRA; expected a folder with {WEIGHTS}.")
        wrong = f"'{place}' is no LoRA for '{self.name}'; give one that was trained on it."
        self.pipe.unload_lora_weights()
        with guarded(wrong), quiet():
            self.pipe.load_lora_weights(
                str(file.parent), weight_name=file.name, local_files_only=True, use_safetensors=True
            )
        if not self.pipe.get_list_adapters().get("unet"):
            raise InputError(wrong)

    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        side: int,
        guidance: float,
        steps: int,
        tell: Tell = silent,
    ) -> NDArray[np.uint8]:
        """An image a prompt and seed, uint8 (n, side, side, 3), by the pipeline's own sampler.

        Image i begins with the noise of seeds[i], drawn on the CPU.
        """
        made = []
        for start in range(0, len(prompts), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            tell("sampling the pipeline", start, len(prompts))
            with torch.inference_mode(), quiet():
                found = self.pipe(
                    prompt=list(prompts[some]),
                    height=side,
                    width=side,
                    guidance_scale=guidance,
                    num_inference_steps=steps,
                    generator=[torch.Generator().manual_seed(s) for s in seeds[some]],
                    output_type="np",
                ).images
            made.append(np.rint(found * 255).astype(np.uint8))
        return np.concatenate(made)


def load_stable(spec: str) -> Stable:
    """A Stable Diffusion pipeline from its folder or the Hub.

    Args:
        spec: the folder that it was saved in, or OWNER/NAME@REVISION on the Hub (`hub:` may stand
            before it).

    Raises:
        InputError: a package is not installed, nothing there, or another pipeline: without a text
            encoder, with several (SDXL), of flow matching, for inpainting, or weights in a pickle.
    """
    check_packages("diffusers", "transformers")
    import diffusers

    folder, name = Path(spec).expanduser(), spec
    if not is_pipeline(folder):
        if folder.exists():
            raise InputError(f"'{folder}' has no {INDEX}; {EXPECTED}")
        folder, name = hub.snapshot(spec, FILES)
    else:
        name = folder.resolve().name
    name = plain(name)
    _check_index(read_json(folder / INDEX) or {}, name)
    for part in (*PARTS, "scheduler"):
        if not (folder / part).is_dir():
            raise InputError(f"'{name}' has no folder '{part}'; save or fetch the pipeline again.")
    odd = (
        f"'{name}' cannot be loaded; expected its parts in safetensors (a .bin is a pickle, which "
        "could run code, and is not opened): save it again with `safe_serialization=True`."
    )
    with guarded(odd), quiet():
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(
            str(folder),
            use_safetensors=True,
            local_files_only=True,
            safety_checker=None,
            feature_extractor=None,
            image_encoder=None,
            requires_safety_checker=False,
            torch_dtype=torch.float32,
        )
    pipe.set_progress_bar_config(disable=True)
    _check_parts(pipe, name)
    digest = hashlib.sha256()
    for path in sorted((folder / "unet").glob("*.safetensors")):
        with path.open("rb") as f:
            digest.update(hashlib.file_digest(f, "sha256").digest())
    return Stable(pipe, name, digest.hexdigest())


def check_packages(*names: str) -> None:
    """Raises InputError for the first package that is not installed."""
    from importlib.util import find_spec

    for name in names:
        if find_spec(name) is None:
            raise InputError(
                f"Stable Diffusion pipelines need {name}, which is not installed; run "
                "`pip install -r requirements-models.txt`."
            )


def _check_index(index: dict[str, Any], name: str) -> None:
    """Refuse other pipelines by what they consist of, before a weight is read."""
    parts = {
        k: str(v[-1]) if v[0] in LIBRARIES else "of its own"
        for k, v in index.items()
        if isinstance(v, list) and len(v) == 2 and v[-1] and k not in IGNORED
    }
    kind = f"'{name}' is a {plain(index.get('_class_name', 'pipeline'), 60)}"
    if "transformer" in parts or parts.get("scheduler", "").startswith("FlowMatch"):
        raise InputError(f"{kind}, which was trained by flow matching; {EXPECTED}")
    if "text_encoder_2" in parts:
        raise InputError(f"{kind} with more than one text encoder, as SDXL has; {EXPECTED}")
    if "text_encoder" not in parts:
        raise InputError(f"{kind} without a text encoder; {EXPECTED}")
    for part, kinds in PARTS.items():
        if parts.get(part) not in kinds:
            found = plain(parts.get(part) or "missing", 60)
            raise InputError(f"{kind} whose {part} is {found}; {EXPECTED}")
    if more := sorted(parts.keys() - {*PARTS, "scheduler"}):
        raise InputError(f"{kind} with a {plain(more[0], 60)}; {EXPECTED}")


def _check_parts(pipe: Any, name: str) -> None:
    """Refuse networks that are asked otherwise."""
    unet, scheduler = pipe.unet.config, pipe.scheduler.config
    predicts = scheduler.get("prediction_type", "epsilon")
    flow = scheduler.get("use_flow_sigmas")
    if predicts not in ("epsilon", "v_prediction") or flow:
        raise InputError(
            f"'{name}' predicts {'a flow' if flow else plain(predicts, 40)}; expected epsilon or "
            "v_prediction."
        )
    if unet.in_channels != pipe.vae.config.latent_channels:
        raise InputError(
            f"'{name}' is given {unet.in_channels} channels, its latents have "
            f"{pipe.vae.config.latent_channels}, as for inpainting; {EXPECTED}"
        )
    length, most = pipe.tokenizer.model_max_length, pipe.text_encoder.config.max_position_embeddings
    if length > most:
        raise InputError(
            f"'{name}' cuts texts into up to {length:,} tokens and its text encoder reads {most}; "
            "set model_max_length in its tokenizer/tokenizer_config.json."
        )
    width = pipe.text_encoder.config.hidden_size
    if unet.cross_attention_dim != width or unet.class_embed_type or unet.addition_embed_type:
        raise InputError(
            f"'{name}' listens to {unet.cross_attention_dim} numbers a word and its text encoder "
            f"says {width}, or to more than words; {EXPECTED}"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bars and the advice of diffusers and transformers, which are for developers."""
    import diffusers.utils.logging as ours
    import transformers.utils.logging as theirs

    levels = ours.get_verbosity(), theirs.get_verbosity()
    for module in (ours, theirs):
        module.set_verbosity_error()
        module.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, level in zip((ours, theirs), levels, strict=True):
            module.set_verbosity(level)
            module.enable_progress_bar()
