"""What a fine-tune was asked for, and where it keeps its stages. Loads no torch."""

import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from ambient.files import InputError, Record, encode_record, read_record, write_atomically

FILE = "finetune.json"
WEIGHTS = "pytorch_lora_weights.safetensors"  # the name that `load_lora_weights` looks for
STAGE = re.compile(r"checkpoint-(\d+)")  # diffusers' name of a stage's folder
LATEST = "latest"

Precision = Literal["no", "fp16", "bf16"]
Rates = Literal[
    "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"
]
ENDLESS = ("constant", "constant_with_warmup")  # rates that do not depend on how many steps follow

# What may change on the way: places, whose content is compared, and what alters no step.
FREE = {
    "pretrained_model_name_or_path", "train_data_dir", "output_dir", "captions",
    "checkpointing_steps", "gradient_checkpointing",
}  # fmt: skip
LEAST = {
    "resolution": 8, "train_batch_size": 1, "gradient_accumulation_steps": 1, "max_train_steps": 1,
    "checkpointing_steps": 1, "rank": 1, "learning_rate": 0, "lr_warmup_steps": 0, "seed": 0,
    "cutoff": 0, "max_grad_norm": 0, "snr_gamma": 0,
}  # fmt: skip
MOST = {"resolution": 4096, "rank": 1024}  # larger ones end a process for want of memory


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every choice of a fine-tune, by the names of diffusers' train_text_to_image_lora script.

    Attributes:
        pretrained_model_name_or_path: folder of a Stable Diffusion pipeline, or its OWNER/NAME on
            the Hub, @REVISION for one state of it
        train_data_dir: folder of pictures with captions (docs/text.md)
        output_dir: where the LoRA and its stages go
        cutoff: noise level above which only one frozen noisy copy of each picture is seen, in
            units of sigma; 0 is ordinary training
        captions: JSON lines of {"file_name": ..., "text": ...} in place of those in the folder
        resolution: pixels a side, cropped to the middle
        train_batch_size: pictures at once and process
        gradient_accumulation_steps: batches a step
        max_train_steps: steps of the optimizer
        checkpointing_steps: steps between two stages
        learning_rate: of AdamW
        lr_scheduler: how it changes
        lr_warmup_steps: steps of its rise
        max_grad_norm: gradients are clipped to this norm
        rank: of the LoRA
        snr_gamma: Min-SNR weighting (arXiv 2303.09556), 5 is usual
        seed: of the copies, noises, order and first weights
        mixed_precision: what the frozen weights are kept and multiplied in
        gradient_checkpointing: less memory for more time
    """

    pretrained_model_name_or_path: str
    train_data_dir: str
    output_dir: str
    cutoff: float = 0.0
    captions: str | None = None
    resolution: int = 512
    train_batch_size: int = 1
    gradient_accumulation_steps: int = 1
    max_train_steps: int = 1000
    checkpointing_steps: int = 500
    learning_rate: float = 1e-4
    lr_scheduler: Rates = "constant"
    lr_warmup_steps: int = 0
    max_grad_norm: float = 1.0
    rank: int = 4
    snr_gamma: float | None = None
    seed: int = 0
    mixed_precision: Precision = "no"
    gradient_checkpointing: bool = False

    def check(self) -> None:
        """Raises InputError for the first number that is out of bounds."""
        for name, least in LEAST.items():
            value, most = getattr(self, name), MOST.get(name, 2**63 - 1)
            above = name in ("learning_rate", "max_grad_norm", "snr_gamma")
            fits = value is None or (least < value if above else least <= value)
            if not fits or (value is not None and value > most):
                words = f"above {least}" if above else f"from {least}"
                words += f" to {most}" if name in MOST else ""
                raise InputError(f"--{name} is {value:g}; expected a number {words}.")
        for name in ("pretrained_model_name_or_path", "train_data_dir", "output_dir"):
            if not getattr(self, name).strip():
                raise InputError(f"--{name} is empty; expected a place.")
        for name, kind in (("lr_scheduler", Rates), ("mixed_precision", Precision)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(
                    f"--{name} is '{getattr(self, name)}'; expected {', '.join(get_args(kind))}."
                )


class Begun(Record, frozen=True, kw_only=True):
    """finetune.json: the settings of a fine-tune, and what they were begun on.

    Attributes:
        base_sha256: of the pipeline's UNet. data_sha256: of pictures and captions.
        processes: that train together; each has its share of a step.
    """

    settings: Settings
    base_sha256: str
    data_sha256: str
    processes: int

    def save(self) -> None:
        write_atomically(Path(self.settings.output_dir) / FILE, encode_record(self))


def begun(folder: Path) -> Begun | None:
    """What a folder was begun with; None where it is no fine-tune's. Raises InputError."""
    return read_record(folder / FILE, Begun)


def stages(folder: Path) -> dict[int, Path]:
    """The folder of each stage by its step, in order."""
    found = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := STAGE.fullmatch(path.name)) and (path / WEIGHTS).is_file()
    }
    return dict(sorted(found.items()))


def stage_to_resume(settings: Settings, checkpoint: str | None) -> tuple[int, Path | None]:
    """The stage to go on from, 0 and None for a new fine-tune.

    Args:
        checkpoint: `latest`, the name of a stage's folder in the output folder, or its path.

    Raises:
        InputError: no such stage, or a new fine-tune where there is one.
    """
    folder = Path(settings.output_dir)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output_dir is '{folder}', which is a file; name a folder.")
    found = stages(folder)
    if checkpoint is None and found:
        raise InputError(
            f"'{folder}' holds a fine-tune; go on with --resume_from_checkpoint {LATEST}, or name "
            "another --output_dir."
        )
    if checkpoint is None:
        return 0, None
    if not found:
        raise InputError(
            f"'{folder}' holds no stage to go on from; leave out --resume_from_checkpoint."
        )
    chosen = max(found) if checkpoint == LATEST else _named(found, checkpoint)
    if chosen is None:
        raise InputError(
            f"--resume_from_checkpoint is '{checkpoint}'; expected {LATEST} or a stage of "
            f"'{folder}', which holds {', '.join(path.name for path in found.values())}."
        )
    if chosen > settings.max_train_steps:
        raise InputError(
            f"--max_train_steps is {settings.max_train_steps}, and '{found[chosen].name}' has "
            f"{chosen}; give more, or an earlier stage."
        )
    return chosen, found[chosen]


def _named(found: dict[int, Path], checkpoint: str) -> int | None:
    """The step of a stage by its folder's name or path."""
    for step, path in found.items():
        if checkpoint == path.name or Path(checkpoint).resolve() == path.resolve():
            return step
    return None


def check_same(now: Begun, before: Begun | None) -> None:
    """Refuse to go on with other settings, pictures or weights: the stages would not be of one run.

    Raises:
        InputError: what differs.
    """
    folder = now.settings.output_dir
    if before is None:
        raise InputError(f"'{folder}' has no {FILE}; begin a new fine-tune in another folder.")
    free = FREE | ({"max_train_steps"} if now.settings.lr_scheduler in ENDLESS else set())
    ours, theirs = asdict(now.settings), asdict(before.settings)
    for name in (field.name for field in fields(Settings) if field.name not in free):
        if ours[name] != theirs[name]:
            raise InputError(
                f"--{name} is {ours[name]}, and '{folder}' was begun with {theirs[name]}; give "
                "the same, or another --output_dir."
            )
    for what, a, b in (
        ("pictures or captions", now.data_sha256, before.data_sha256),
        ("weights of the pipeline", now.base_sha256, before.base_sha256),
        ("number of processes", now.processes, before.processes),
    ):
        if a != b:
            raise InputError(
                f"the {what} changed since '{folder}' was begun; put them back, or name another "
                "--output_dir."
            )
