"""What a run is: one frozen record, stored beside the weights as `config.json`."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ambient import __version__
from ambient.errors import InputError
from ambient.images.corpus import Corpus, split_corpus, to_unit

ARMS = {
    "standard": "ordinary denoising of clean images at every noise level",
    "ambient": "above the cutoff, only one frozen noisy copy of each image",
    "fresh": "as ambient, but the copy is redrawn at every visit (isolates the freezing)",
    "reweight": "clean images, ambient's smaller weight above the cutoff (isolates the weight)",
    "noisy-only": "only the frozen noisy copies, only above the cutoff",
}
MODES = ("eager", "compiled")
NETWORKS = {
    "concat": "pixels of a patch side by side, skipped levels concatenated: the bundled emoji runs",
    "bands": "frequency bands of a patch, each scaled by itself, skipped levels added: faster",
}
PEAK_RATES = {"concat": 1e-3, "bands": 8e-3}  # the usual learning rate of each
TOLD = 7  # numbers that tell a network how an image was moved (`ambient.diffusion.augment`)
MAX_CUTOFF = 100.0
SHARED_SIDE = 32  # pixels along an image's side from which on two threads share a step well
MAX_BATCH = 4096
MAX_SEED = 2**63 - 1  # the largest that generators of noise take


def check_cutoff(cutoff: float) -> None:
    """Raises InputError unless 0 <= cutoff < 100."""
    if not 0 <= cutoff < MAX_CUTOFF:
        raise InputError(
            f"cutoff is {cutoff}; expected a noise level from 0 (ordinary training) to below "
            f"{MAX_CUTOFF:.0f}, in units of images in [-1, 1]."
        )


def check_network(name: str) -> None:
    """Raises InputError unless it is one of NETWORKS."""
    if name not in NETWORKS:
        raise InputError(f"network is '{name}'; expected {' or '.join(NETWORKS)}.")


def check_seed(name: str, seed: int) -> None:
    """Raises InputError unless 0 <= seed < 2**63."""
    if seed < 0:
        raise InputError(f"{name} is {seed}; expected 0 or more.")
    if seed > MAX_SEED:
        raise InputError(f"{name} is {seed}; expected at most {MAX_SEED}.")


@dataclass(frozen=True)
class Config:
    """Every choice that changes a trained model. A run is rebuilt from this and its weights.

    There is no annealing: the learning rate falls as 1/sqrt(step) whatever `steps` says, so a run
    stopped at k steps IS the run of k steps, and stages of different runs compare fairly.
    """

    corpus: str  # what load_corpus was given
    corpus_sha256: str  # of its images, so that a changed folder is noticed
    n_train: int
    split_seed: int
    arm: str  # one of ARMS
    cutoff: float  # sigma_n; 0 for standard
    steps: int
    batch: int
    lr: float  # peak rate
    lr_hold: int  # steps at the peak before the 1/sqrt decay
    warmup: int  # linear warm-up: Adam's second moments are noise at first
    ema: float  # longest average; shorter early on (1 - 9/k)
    p_mean: float  # training sigma is exp(N(p_mean, p_std^2))
    p_std: float
    sigma_data: float  # standard deviation of the training images
    side: int  # image height and width
    channels: int
    width: int  # of the network's finest level
    patch: int  # pixel-unshuffle in front of the network
    seed: int  # of weights, batches, noise and frozen copies
    threads: int  # part of the result: sums are ordered by thread
    dtype: str  # the network's arithmetic: float32 or bfloat16
    checkpoint_every: int
    version: str = __version__
    parent: str = ""  # run@step whose weights it started from; none: from scratch
    mode: str = "eager"  # or compiled: sums are then ordered by the compiler
    network: str = "concat"  # one of NETWORKS
    augment: bool = False  # trained on moved images too (`ambient.diffusion.augment`)

    def __post_init__(self) -> None:
        if self.arm not in ARMS:
            raise InputError(f"arm is '{self.arm}'; expected one of {', '.join(ARMS)}.")
        check_cutoff(self.cutoff)
        if self.arm == "standard" and self.cutoff:
            raise InputError(
                f"cutoff is {self.cutoff} with arm 'standard', which has none; "
                "use --arm ambient or leave the cutoff out."
            )
        if self.arm not in ("standard", "ambient") and not self.cutoff:
            raise InputError(f"arm '{self.arm}' needs a cutoff above 0; pass one, such as 1.0.")
        for name in ("seed", "split_seed"):
            check_seed(name, getattr(self, name))
        if self.batch > MAX_BATCH:
            raise InputError(f"batch is {self.batch}; expected {MAX_BATCH} or fewer.")
        for name in ("n_train", "steps", "batch", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected 1 or more.")
        if not (math.isfinite(self.lr) and 0 < self.lr <= 1):
            raise InputError(f"lr is {self.lr}; expected a rate above 0 and at most 1.")
        if self.width % 16 or not 16 <= self.width <= 512:
            raise InputError(f"width is {self.width}; expected a multiple of 16 from 16 to 512.")
        if self.dtype not in ("float32", "bfloat16"):
            raise InputError(f"dtype is '{self.dtype}'; expected float32 or bfloat16.")
        if self.mode not in MODES:
            raise InputError(f"mode is '{self.mode}'; expected one of {', '.join(MODES)}.")
        check_network(self.network)
        if self.parent and not re.fullmatch(r".+@[0-9]{1,12}", self.parent):
            raise InputError(
                f"parent is '{self.parent}'; expected the name of a run, @ and a step."
            )

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels of the network at each resolution, the finest first: multiples of 16."""
        middle = 16 * math.ceil(self.width / 12) if self.network == "bands" else 2 * self.width
        return self.width, middle, 2 * middle if self.network == "bands" else middle

    @property
    def label(self) -> str:
        """A name for its folder: corpus, n, arm, cutoff and whether it is augmented."""
        cutoff = f"-{self.cutoff:g}" if self.cutoff else ""
        augment = "-augment" if self.augment else ""
        return f"{Path(self.corpus).stem or 'corpus'}-{self.n_train}-{self.arm}{cutoff}{augment}"

    def to_json(self) -> str:
        usual = {f.name: f.default for f in dataclasses.fields(self)} | {"version": None}
        fields = {k: v for k, v in dataclasses.asdict(self).items() if v != usual[k]}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, path: Path) -> Config:
        """Read `config.json`.

        Raises:
            InputError: not JSON, or fields missing, unknown or of the wrong type: each named.
        """
        try:
            fields: Any = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise InputError(
                f"'{path}' is not a readable config ({e}); expected a run's JSON."
            ) from e
        if not isinstance(fields, dict):
            raise InputError(f"'{path}' holds a {type(fields).__name__}; expected a JSON object.")
        known = {f.name: f.type for f in dataclasses.fields(cls)}
        needed = {f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING}
        missing, unknown = sorted(needed - set(fields)), sorted(set(fields) - set(known))
        if missing or unknown:
            raise InputError(
                f"'{path}' was written by version {fields.get('version', 'unknown')} and this is "
                f"{__version__}: missing {', '.join(missing) or 'nothing'}, unknown "
                f"{', '.join(unknown) or 'nothing'}; retrain, or use that version."
            )
        types: dict[str, tuple[type, ...]] = {
            "int": (int,), "float": (int, float), "str": (str,), "bool": (bool,),
        }  # fmt: skip
        for name, value in fields.items():
            kind = str(known[name])
            if not isinstance(value, types[kind]) or isinstance(value, bool) != (kind == "bool"):
                raise InputError(f"'{path}': {name} is {value!r}; expected {kind}.")
        return cls(**fields)


def usual_threads(side: int) -> int:
    """Threads of a training that is not told how many, on images of so many pixels a side.

    With two on two cores training is 1.6 times as fast at 32 pixels and 1.3 times at 8
    (`docs/performance.md`), where the small networks of the presets gain nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return 2 if side >= SHARED_SIDE and (cores or 1) > 1 else 1


def configure(
    corpus: Corpus,
    *,
    n_train: int = 100,
    split_seed: int = 0,
    arm: str = "standard",
    cutoff: float = 0.0,
    steps: int = 3000,
    batch: int = 32,
    lr: float | None = None,
    width: int = 48,
    seed: int = 0,
    threads: int = 1,
    dtype: str = "float32",
    mode: str = "eager",
    network: str = "concat",
    augment: bool = False,
    checkpoint_every: int | None = None,
) -> Config:
    """A config for `corpus`, with what follows from its images and network filled in.

    Args:
        lr: peak learning rate; None: the network's usual one.

    Raises:
        InputError: any choice the run could not be trained with.
    """
    check_cutoff(cutoff)
    check_seed("split_seed", split_seed)
    check_network(network)
    split = split_corpus(corpus, n_train, split_seed)
    height, side, channels = corpus.images.shape[1:]
    if height != side:
        raise InputError(
            f"the images are {height}x{side} pixels; expected squares to train on. Give them as a "
            "folder or zip, which is cropped."
        )
    return Config(
        corpus=corpus.name,
        corpus_sha256=corpus.sha256,
        n_train=n_train,
        split_seed=split_seed,
        arm=arm,
        cutoff=float(cutoff),
        steps=steps,
        batch=batch,
        lr=PEAK_RATES[network] if lr is None else lr,
        lr_hold=1000,
        warmup=100,
        ema=0.999,
        # At 32x32 and above, more weight on low noise: at -0.6 samples stay grainy.
        p_mean=-0.9 if side >= 32 else -0.6,
        p_std=1.2,
        sigma_data=round(float(np.std(to_unit(corpus.images[split.train]))), 6),
        side=side,
        channels=channels,
        width=width,
        # The network works on 8x8 to 16x16 positions where it can.
        patch=4 if side >= 64 and side % 16 == 0 else 2 if side >= 32 and side % 8 == 0 else 1,
        seed=seed,
        threads=threads,
        dtype=dtype,
        mode=mode,
        network=network,
        augment=augment,
        checkpoint_every=checkpoint_every or max(1, steps // 10),
    )
