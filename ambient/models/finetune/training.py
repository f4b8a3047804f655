"""Training a LoRA of a Stable Diffusion pipeline on frozen copies, above a cutoff.

Every random number is a function of the seed and of what it is for: the copy of a picture, the
order of an epoch, the noise and step of each place in that order. So nothing but the weights and
the optimizer's moments has to be kept for a resume to go on bit by bit.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from ambient.diffusion.noise import derive_seed, seeded_weights
from ambient.files import Record, Tell, silent
from ambient.images.read import guarded
from ambient.models.finetune.data import Pictures, encode, read_pictures, remarks, tokens
from ambient.models.finetune.loss import cutoff_step, frozen_copies, latent_loss
from ambient.models.finetune.settings import Begun, Settings, begun, check_same, stage_to_resume
from ambient.models.stable import Stable, check_packages, load_stable, quiet

TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]  # of diffusers' script: every attention's maps
BETAS, DECAY, EPSILON = (0.9, 0.999), 1e-2, 1e-8  # of AdamW, as there
MOMENTS = ("exp_avg", "exp_avg_sq")
STATE = "optimizer.safetensors"
DTYPES = {"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Step(Record, frozen=True, kw_only=True):
    """A step that is done, and its mean loss; `stage` where it was kept."""

    step: int
    loss: float
    stage: str | None = None


def finetune(
    settings: Settings,
    resume: str | None = None,
    *,
    show: Callable[[str], object] = lambda _: None,
    tell: Tell = silent,
) -> Generator[Step, None, None]:
    """Train from the beginning or from a stage to `max_train_steps`.

    Every `checkpointing_steps`, at the end, and where the iterator is closed, the LoRA is kept as a
    stage, checkpoint-N, with what a resume needs; at the end it is written to the output folder.

    Args:
        resume: `latest`, or a stage of the output folder.
        show: is told what should be known of the pictures, before the first step.
        tell: how far reading and encoding are; may raise to end the work.

    Raises:
        InputError: a package is not installed, or settings, pictures, a pipeline or a stage that
            cannot be used.
        FloatingPointError: the loss is not finite.
    """
    check_packages("diffusers", "transformers", "peft", "accelerate")
    settings.check()
    start, stage = stage_to_resume(settings, resume)
    tell("loading the pipeline", 0, 1)
    stable = load_stable(settings.pretrained_model_name_or_path)
    stable.check_side(settings.resolution, "--resolution")
    pictures = read_pictures(settings.train_data_dir, settings.resolution, settings.captions, tell)
    accelerator = _accelerator(settings)
    now = Begun(
        settings=settings,
        base_sha256=stable.sha256,
        data_sha256=pictures.sha256,
        processes=accelerator.num_processes,
    )
    with quiet():
        trainer = _Trainer(accelerator, stable, pictures, settings)
    out = Path(settings.output_dir)
    if stage:
        check_same(now, begun(out))
        trainer.load(stage / STATE)
    for remark in remarks(pictures, stable.pipe.tokenizer):
        show(remark)
    with quiet():
        latents = encode(pictures, stable.pipe.vae, accelerator.device, tell)
        stable.pipe.vae.to("cpu")
    if accelerator.is_main_process:
        now.save()
    trainer.prepare(latents, start)
    yield from _steps(trainer, start, out)


def _accelerator(settings: Settings) -> Any:
    from accelerate import Accelerator

    wrong = (
        f"--mixed_precision {settings.mixed_precision} is not possible here; give no, or bf16 or "
        "fp16 on a GPU that has it."
    )
    with guarded(wrong):
        return Accelerator(
            gradient_accumulation_steps=settings.gradient_accumulation_steps,
            mixed_precision=settings.mixed_precision,
        )


def _steps(trainer: _Trainer, start: int, out: Path) -> Generator[Step, None, None]:
    """The steps from `start` on, kept as asked."""
    settings, kept, done = trainer.settings, start, start
    if start == settings.max_train_steps:  # it was ended before the LoRA was written
        trainer.save_lora(out)
    try:
        for done in range(start + 1, settings.max_train_steps + 1):
            loss = trainer.step(done - 1)
            last = done == settings.max_train_steps
            if last or done % settings.checkpointing_steps == 0:
                trainer.save(out, done)
                kept = done
            if last:
                trainer.save_lora(out)
            stage = f"checkpoint-{done}" if kept == done else None
            yield Step(step=done, loss=loss, stage=stage)
    except GeneratorExit:
        if kept < done and trainer.accelerator.num_processes == 1:  # others may be elsewhere
            trainer.save(out, done)
        raise


class _Trainer:
    """A UNet with a LoRA, its optimizer, and what it learns from."""

    def __init__(
        self, accelerator: Any, stable: Stable, pictures: Pictures, settings: Settings
    ) -> None:
        from diffusers import DDPMScheduler
        from peft import LoraConfig

        self.accelerator, self.settings, self.pictures = accelerator, settings, pictures
        pipe, device, dtype = stable.pipe, accelerator.device, DTYPES[settings.mixed_precision]
        self.scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
        self.n = cutoff_step(self.scheduler.alphas_cumprod, settings.cutoff)
        self.text_encoder = pipe.text_encoder.requires_grad_(False).to(device, dtype)
        self.tokens = tokens(pipe.tokenizer, pictures.corpus.captions)
        pipe.vae.requires_grad_(False)
        unet, rank = pipe.unet.requires_grad_(False), settings.rank
        config = LoraConfig(
            r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=TARGETS
        )
        with seeded_weights(derive_seed(settings.seed, 0x10A)):
            unet.add_adapter(config)
        unet.to(device, dtype)
        self.lora = {name: p for name, p in unet.named_parameters() if p.requires_grad}
        for parameter in self.lora.values():
            parameter.data = parameter.data.float()
        if settings.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        self.bare = self.unet = unet.train()
        self.optimizer: Any = torch.optim.AdamW(
            self.lora.values(),
            lr=settings.learning_rate,
            betas=BETAS,
            weight_decay=DECAY,
            eps=EPSILON,
        )

    def prepare(self, latents: Float[Tensor, "n c h w"], start: int) -> None:
        """Ready for step `start`, the first being 0."""
        from diffusers.optimization import get_scheduler

        self.latents, settings = latents, self.settings
        for group in self.optimizer.param_groups:
            group["initial_lr"] = settings.learning_rate
        self.rates = get_scheduler(
            settings.lr_scheduler,
            self.optimizer,
            num_warmup_steps=settings.lr_warmup_steps,
            num_training_steps=settings.max_train_steps,
            last_epoch=start - 1,
        )
        self.unet, self.optimizer = self.accelerator.prepare(self.unet, self.optimizer)

    def step(self, step: int) -> float:
        """One step of the optimizer; its mean loss over batches and processes."""
        accelerator, settings = self.accelerator, self.settings
        losses = []
        size, share = settings.train_batch_size, accelerator.num_processes
        for batch in range(settings.gradient_accumulation_steps):
            first = ((step * settings.gradient_accumulation_steps + batch) * share) * size
            first += accelerator.process_index * size
            with accelerator.accumulate(self.unet):
                loss = self.loss(range(first, first + size))
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.lora.values(), settings.max_grad_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
            losses.append(loss.detach())
        self.rates.step()
        mean = float(accelerator.reduce(torch.stack(losses).mean(), "mean"))
        if not np.isfinite(mean):
            raise FloatingPointError(
                f"the loss of step {step + 1} is not finite; begin again in another --output_dir "
                "with a lower --learning_rate or without --mixed_precision. Stages are kept."
            )
        return mean

    def loss(self, places: range) -> Tensor:
        """Of the pictures at some places of the endless order of all epochs."""
        seed, device = self.settings.seed, self.accelerator.device
        some = [self.picture(place) for place in places]
        z0, groups = self.latents[some], self.pictures.corpus.groups[some]
        y = frozen_copies(z0, groups.tolist(), self.scheduler.alphas_cumprod[self.n], seed)
        noise, t = draws(seed, places, z0.shape[1:], len(self.scheduler.alphas_cumprod))
        with torch.no_grad():
            words = self.text_encoder(self.tokens[some].to(device), return_dict=False)[0]

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            found: Tensor = self.unet(x_t.to(words.dtype), t, words, return_dict=False)[0]
            return found

        z0, y, noise, t = (x.to(device) for x in (z0, y, noise, t))
        return latent_loss(
            predict, self.scheduler, z0, y, noise, t, self.n, self.settings.snr_gamma
        )

    def picture(self, place: int) -> int:
        """The picture at a place: each epoch has its own order of all."""
        count = len(self.pictures)
        return int(order(self.settings.seed, place // count, count)[place % count])

    def save(self, out: Path, step: int) -> None:
        """Keep a stage whole: the LoRA, and beside it what a resume needs."""
        if not self.accelerator.is_main_process:
            return
        place, scratch = out / f"checkpoint-{step}", out / f".checkpoint-{step}"
        shutil.rmtree(scratch, ignore_errors=True)
        self.save_lora(scratch)
        state = {name: p.detach() for name, p in self.lora.items()}
        for name, p in self.lora.items():
            state |= {f"{name}.{key}": self.optimizer.state[p][key] for key in MOMENTS}
        scaler = self.accelerator.scaler
        loose = {k: str(v) for k, v in (scaler.state_dict() if scaler else {}).items()}
        tensors = {k: v.cpu() for k, v in state.items()}
        save_file(tensors, scratch / STATE, {"step": str(step), **loose})
        shutil.rmtree(place, ignore_errors=True)
        scratch.replace(place)

    def save_lora(self, folder: Path) -> None:
        """Write the LoRA as `load_lora_weights` of diffusers takes it."""
        from diffusers import StableDiffusionPipeline
        from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers
        from peft.utils import get_peft_model_state_dict

        if self.accelerator.is_main_process:
            layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(self.bare))
            StableDiffusionPipeline.save_lora_weights(str(folder), unet_lora_layers=layers)

    def load(self, file: Path) -> None:
        """Weights and moments of a stage. Raises InputError: the file is not there or damaged."""
        from safetensors import safe_open

        wrong = f"'{file}' cannot be resumed from; give an earlier stage."
        with guarded(wrong):
            with safe_open(file, "pt") as opened:
                kept = dict(opened.metadata())
            state, step = load_file(file), float(kept.pop("step"))
            for name, p in self.lora.items():
                p.data.copy_(state[name])
                moments = {key: state[f"{name}.{key}"].to(p.device) for key in MOMENTS}
                self.optimizer.state[p] = {"step": torch.tensor(step), **moments}
            if self.accelerator.scaler and kept:
                self.accelerator.scaler.load_state_dict({k: float(v) for k, v in kept.items()})


@lru_cache(maxsize=2)
def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """All pictures in the order of an epoch, (count,)."""
    return np.random.default_rng([seed, epoch, 0x0DE]).permutation(count)


def draws(
    seed: int, places: range, shape: torch.Size, steps: int
) -> tuple[Float[Tensor, "b c h w"], Int[Tensor, " b"]]:
    """The noise and the step, from 0 to `steps` - 1, at each place."""
    noises, ts = [], []
    for place in places:
        generator = torch.Generator().manual_seed(derive_seed(seed, place, 0xE25))
        noises.append(torch.randn(shape, generator=generator))
        ts.append(torch.randint(0, steps, (), generator=generator))
    return torch.stack(noises), torch.stack(ts)
