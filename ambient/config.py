"""What a run is: one record, each field of it declared once, stored beside the weights.

Of every field this module says its type and bounds, what it is in words, and of those that a
person chooses the usual value, the names to choose from and whether it belongs in a run's name.
The command line, the training form, sweeps, uploads and comparisons read these declarations.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
import numpy as np
from msgspec import UNSET, Meta

from ambient import __version__
from ambient.files import InputError, Record, read_json
from ambient.images.captions import digest
from ambient.images.corpus import MAX_IMAGES, Corpus, split_corpus, to_unit
from ambient.images.read import MAX_SIDE, MIN_SIDE, plain

ARMS = {
    "standard": "ordinary denoising of clean images at every noise level",
    "ambient": "above the cutoff, only one frozen noisy copy of each image",
    "fresh": "as ambient, but the copy is redrawn at every visit (isolates the freezing)",
    "reweight": "clean images, ambient's smaller weight above the cutoff (isolates the weight)",
    "noisy-only": "only the frozen noisy copies, only above the cutoff",
}
NETWORKS = {
    "concat": "pixels of a patch side by side, skipped levels concatenated: the bundled emoji runs",
    "bands": "frequency bands of a patch, each scaled by itself, skipped levels added: faster",
}
CAPTIONS = {
    "name": "each image by its own caption",
    "category": "each by its category alone",
    "shuffled": "captions dealt out anew among the images, once: labels that mean nothing",
    "redrawn": "its caption or its category, drawn anew at each visit",
    "doubled": "one image in twenty shown five times as often, by its caption",
    "paraphrased": "the same images as often, by one of five captions each time",
}
DTYPES = {
    "float32": "exact and everywhere fast",
    "bfloat16": "faster on machines that compute in it",
}
PEAK_RATES = {"concat": 1e-3, "bands": 8e-3}  # the usual learning rate of each network
WORDS = (8, 256)  # words of a caption that a network reads, and numbers a word
TOLD = 7  # numbers that tell a network how an image was moved (`ambient.diffusion.augment`)
SHARED_SIDE = 32  # pixels along an image's side from which on two threads share a step well
MAX_BATCH = 4096
MAX_SEED = 2**63 - 1  # the largest that generators of noise take
MAX_STEPS = 10_000_000
RETIRED = ("mode",)  # in config.json of older versions; it changed the speed alone

Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Steps = Annotated[int, Meta(ge=1, le=MAX_STEPS)]


@dataclass(frozen=True)
class Field:
    """What is told of a field of `Config`, beside its type and bounds.

    Attributes:
        title: its name in a reader's words.
        usual: of a choice: its value where nobody chooses, None where it follows from the other
            choices. Of what nobody chooses: UNSET.
        help: what it is, where the title does not say all.
        default: how the usual value is told, where it is not simply that value.
        among: the names it may take, with their meaning.
        offered: whether a form for visitors asks for it, beside the images.
        named: whether it stands in the name of a run for which it was chosen.
        compared: whether a difference in it makes two runs different; else it follows from other
            fields, or only orders sums.
    """

    title: str
    usual: Any = UNSET
    help: str = ""
    default: str = ""
    among: dict[str, str] | None = None
    offered: bool = False
    named: bool = False
    compared: bool = True


def _one_of(names: dict[str, str]) -> Meta:
    return Meta(pattern=rf"^({'|'.join(names)})\Z")


_WIDTH = "48, 1.1 to 1.3 million parameters"
_RATES = ", ".join(f"{rate:g} for {name}" for name, rate in PEAK_RATES.items())
_FASTER = "auto, the faster one here"
_SIGMA = "noise level sigma_n of the frozen copies, in units of images in [-1, 1]"
_TEXT = "train with captions, to sample by prompt (needs requirements-text.txt)"
_DROPPED = "share of visits that tell an image without its caption, which guidance needs"
_MOVES = (
    "train on mirrored, shifted and recolored images too; the network is told, so samples are not"
)


class Config(Record, frozen=True, kw_only=True):
    """Every choice that changes a trained model. A run is rebuilt from this and its weights.

    There is no annealing: the learning rate falls as 1/sqrt(step) whatever `steps` says, so a run
    stopped at k steps IS the run of k steps, and stages of different runs compare fairly.

    Make one with `configure`, `Config.of` or `replace`, which check every field.
    """

    corpus: Annotated[str, Field("images", "emoji", "see `corpora`", compared=False)]
    corpus_sha256: Annotated[str, Field("hash of the images")]
    n_train: Annotated[
        int, Meta(ge=2, le=MAX_IMAGES), Field("number of training images", 100, offered=True)
    ]
    split_seed: Annotated[Seed, Field("which images are trained on", 0)]
    arm: Annotated[
        str, _one_of(ARMS), Field("way of training", "standard", among=ARMS, offered=True)
    ]
    cutoff: Annotated[float, Meta(ge=0, lt=100), Field("cutoff", 0.0, _SIGMA, offered=True)]
    steps: Annotated[Steps, Field("training steps", 3000, offered=True)]
    network: Annotated[
        str,
        _one_of(NETWORKS),
        Field("kind of network", "concat", among=NETWORKS, offered=True, named=True),
    ] = "concat"
    augment: Annotated[bool, Field("augmentation", False, _MOVES, offered=True)] = False
    text: Annotated[bool, Field("captions", False, _TEXT, offered=True)] = False
    caption_control: Annotated[
        str, _one_of(CAPTIONS), Field("what captions say", "name", among=CAPTIONS, named=True)
    ] = "name"
    caption_dropout: Annotated[
        float, Meta(ge=0, le=1), Field("captions left out", 0.15, _DROPPED, named=True)
    ] = 0.15
    captions_sha256: Annotated[str, Field("hash of the captions")] = ""
    width: Annotated[
        int,
        Meta(ge=16, le=512, multiple_of=16),
        Field("width of the network", 48, default=_WIDTH, offered=True, named=True),
    ]
    lr: Annotated[
        float,
        Meta(gt=0, le=1),
        Field("peak learning rate", None, default=_RATES, offered=True, named=True),
    ]
    batch: Annotated[
        int, Meta(ge=1, le=MAX_BATCH), Field("images a step", 32, offered=True, named=True)
    ]
    lr_hold: Annotated[Steps, Field("steps at the peak rate")]  # then it falls as 1/sqrt
    warmup: Annotated[Steps, Field("steps of warm-up")]  # Adam's second moments are noise at first
    ema: Annotated[float, Meta(ge=0, le=1), Field("averaging of weights")]  # shorter early on
    # A training sigma is exp(N(p_mean, p_std^2)).
    p_mean: Annotated[float, Meta(ge=-10, le=10), Field("middle of the noise levels")]
    p_std: Annotated[float, Meta(ge=0.01, le=10), Field("spread of the noise levels")]
    sigma_data: Annotated[
        float, Meta(ge=0.001, le=2), Field("standard deviation of the images", compared=False)
    ]
    side: Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE), Field("pixels along a side")]
    channels: Annotated[int, Meta(ge=1, le=3), Field("colors")]
    patch: Annotated[int, Meta(ge=1, le=4), Field("pixels merged into one")]
    seed: Annotated[
        Seed, Field("seed", 0, "of weights, batches, noise and frozen copies", offered=True)
    ]
    # Sums are ordered by thread, so their number is part of the result.
    threads: Annotated[
        int,
        Meta(ge=1, le=256),
        Field("threads", 1, default="1, or 2 for images of 32 pixels or more", compared=False),
    ]
    dtype: Annotated[
        str, _one_of(DTYPES), Field("arithmetic", "float32", default=_FASTER, among=DTYPES)
    ]
    checkpoint_every: Annotated[
        Steps,
        Field("steps from stage to stage", None, default="a tenth of the run", compared=False),
    ]
    version: Annotated[str, Field("version", compared=False)] = __version__
    parent: Annotated[
        str,
        Meta(pattern=r"^(.+@[0-9]{1,12})?\Z"),
        Field("weights it began from", help="the name of a run, @ and a step"),
    ] = ""

    def __post_init__(self) -> None:
        if self.arm == "standard" and self.cutoff:
            raise InputError(
                f"cutoff is {self.cutoff} with arm 'standard', which has none; "
                "use --arm ambient or leave the cutoff out."
            )
        if self.arm not in ("standard", "ambient") and not self.cutoff:
            raise InputError(f"arm '{self.arm}' needs a cutoff above 0; pass one, such as 1.0.")
        if not self.text and (self.caption_control, self.caption_dropout) != ("name", 0.15):
            raise InputError("captions are told how, but not that they are used; give text too.")

    @classmethod
    def of(cls, **fields: Any) -> Config:
        """A config of these fields.

        Raises:
            InputError: the first field of another type or out of bounds, or choices at odds.
        """
        return cls(**{name: check(name, value) for name, value in fields.items()})

    def replace(self, **changes: Any) -> Config:
        """The same with some fields changed; raises as `of`."""
        return Config.of(**msgspec.structs.asdict(self) | changes)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of the network at each resolution, the finest first: multiples of 16."""
        middle = 16 * math.ceil(self.width / 12) if self.network == "bands" else 2 * self.width
        return self.width, middle, 2 * middle if self.network == "bands" else middle

    @property
    def label(self) -> str:
        """A name for its folder: corpus, n, arm, cutoff, whether augmented or captioned."""
        cutoff = f"-{self.cutoff:g}" if self.cutoff else ""
        more = ("-augment" if self.augment else "") + ("-text" if self.text else "")
        return f"{Path(self.corpus).stem or 'corpus'}-{self.n_train}-{self.arm}{cutoff}{more}"

    def to_json(self) -> str:
        usual = {f.name: f.default for f in msgspec.structs.fields(self)} | {"version": None}
        fields = {k: v for k, v in msgspec.structs.asdict(self).items() if v != usual[k]}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> Config:
        """Read `config.json`.

        Raises:
            InputError: not JSON, or fields missing, unknown or of the wrong type: each named.
        """
        fields = {k: v for k, v in (read_json(path) or {}).items() if k not in RETIRED}
        needed = {f.name for f in msgspec.structs.fields(cls) if f.required}
        missing, unknown = sorted(needed - set(fields)), sorted(set(fields) - set(FIELDS))
        if missing or unknown:
            raise InputError(
                f"'{path}' was written by version {fields.get('version', 'unknown')} and this is "
                f"{__version__}: missing {', '.join(missing) or 'nothing'}, unknown "
                f"{', '.join(unknown) or 'nothing'}; retrain, or use that version."
            )
        try:
            return cls.of(**fields)
        except InputError as e:
            raise InputError(f"'{path}': {e}") from e


TYPES: dict[str, Any] = get_type_hints(Config, include_extras=True)
FIELDS: dict[str, Field] = {name: hint.__metadata__[-1] for name, hint in TYPES.items()}
CHOICES = {name: field for name, field in FIELDS.items() if field.usual is not UNSET}


def check(name: str, value: Any, called: str = "") -> Any:
    """A value as the field of that name takes it: a whole number may stand for a fraction.

    Args:
        called: what the person calls it; else its name.

    Raises:
        InputError: of another type, or out of bounds.
    """
    try:
        return msgspec.convert(value, TYPES[name])
    except msgspec.ValidationError as e:
        raise InputError(
            f"{called or name} is {plain(repr(value), 40)}; expected {expected(name)}."
        ) from e


def expected(name: str) -> str:
    """What a field takes, in words."""
    field, hint = FIELDS[name], TYPES[name]
    if field.among:
        return f"one of {', '.join(field.among)}"
    kind = hint.__origin__
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
    bounds = next((a for a in hint.__metadata__ if isinstance(a, Meta)), Meta())
    if bounds.multiple_of:
        words = f"a multiple of {bounds.multiple_of}"
    if kind in (int, float):
        words += f" from {bounds.ge}" if bounds.ge is not None else f" above {bounds.gt}"
        words += f" to {bounds.le}" if bounds.le is not None else f" to below {bounds.lt}"
    return f"{words} ({field.help})" if field.help and kind in (float, str) else words


def usual_threads(side: int) -> int:
    """Threads of a training that is not told how many, on images of so many pixels a side.

    With two on two cores training is 1.6 times as fast at 32 pixels and 1.3 times at 8
    (`docs/performance.md`), where the small networks of the presets gain nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 2 if side >= SHARED_SIDE and (cores or 1) > 1 else 1


def configure(corpus: Corpus, **choices: Any) -> Config:
    """A config for `corpus`, with what follows from its images and network filled in.

    Args:
        choices: some of `CHOICES`; None or none: the usual value.

    Raises:
        InputError: no such choice, or any the run could not be trained with.
    """
    if unknown := sorted(set(choices) - set(CHOICES)):
        raise InputError(f"'{unknown[0]}' is no choice; expected some of {', '.join(CHOICES)}.")
    given = {name: check(name, value) for name, value in choices.items() if value is not None}
    chosen = {name: choice.usual for name, choice in CHOICES.items()} | given
    split = split_corpus(corpus, chosen["n_train"], chosen["split_seed"])
    height, side, channels = corpus.images.shape[1:]
    if height != side or side % 4:
        raise InputError(
            f"the images are {height}x{side} pixels; expected squares to train on, of a multiple "
            "of 4. Read them at another side."
        )
    if chosen["text"] and not corpus.captions:
        raise InputError(f"corpus '{corpus.name}' has no captions; load it with `captioned`.")
    follows = {
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "captions_sha256": digest(corpus.captions) if chosen["text"] else "",
        "lr": chosen["lr"] or PEAK_RATES[chosen["network"]],
        "lr_hold": 1000,
        "warmup": 100,
        "ema": 0.999,
        # At 32x32 and above, more weight on low noise: at -0.6 samples stay grainy.
        "p_mean": -0.9 if side >= 32 else -0.6,
        "p_std": 1.2,
        "sigma_data": round(float(np.std(to_unit(corpus.images[split.train]))), 6),
        "side": side,
        "channels": channels,
        # The network works on 8x8 to 16x16 positions where it can.
        "patch": 4 if side >= 64 and side % 16 == 0 else 2 if side >= 32 and side % 8 == 0 else 1,
        "checkpoint_every": chosen["checkpoint_every"] or max(1, chosen["steps"] // 10),
    }
    return Config.of(**chosen | follows)
