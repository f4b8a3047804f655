"""How a Stable Diffusion pipeline is asked, and what is stored of its answers. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ambient.copies.asked import Fit
from ambient.diffusion.records import Count, Interval
from ambient.files import Record


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How a Stable Diffusion pipeline is asked.

    Attributes:
        lora: of a Stable Diffusion pipeline: the folder or file of a LoRA to add to it
        stages: judge every stage of this folder of `finetune` and say which to keep
        captions: JSON lines of {"file_name": ..., "text": ...} for --train, in place of those in it
        prompts: a text file of prompts that nothing was trained with, a line each
        guidance: how closely to hold to a prompt
        steps: of the pipeline's own sampler
    """

    lora: str | None = None
    stages: str | None = None
    captions: str | None = None
    prompts: str | None = None
    guidance: float = 7.5
    steps: int = 50


class KindTally(Record, frozen=True, kw_only=True):
    """How many samples of one kind of prompt are named.

    Attributes:
        kind: `training` captions or `held-out` prompts. prompts: different ones.
        of, named, ci95: samples, those named, and the interval of their share.
        own: of training captions, samples named as a copy of the picture of this very caption.
    """

    kind: str
    prompts: Count
    of: Count
    named: Count
    ci95: Interval
    own: Count | None = None


class Stage(Record, frozen=True, kw_only=True):
    """A stage of a fine-tune, or the pipeline alone, as step 0.

    Attributes:
        answer: the key of its audit's answer. kinds: by kind of prompt.
        fit: how often a sample of a held-out picture's caption is nearest to that picture among
            held-out ones; None without such pictures.
    """

    step: Count
    answer: str
    kinds: tuple[KindTally, ...]
    fit: Fit | None = None


class Stages(Record, frozen=True, kw_only=True):
    """Which stage of a fine-tune to keep.

    Attributes:
        stages: the pipeline alone first. keep: a step; None where nothing can be said.
        why: in a sentence.
    """

    model: str
    stages: tuple[Stage, ...]
    keep: Count | None
    why: str
