"""Train the feature encoder and say how well it finds copies: `python -m scripts.train_encoder`.

Six minutes on one core, then two for the report.

A picture and a random copy of it should get similar features, different pictures dissimilar ones
(NT-Xent, Chen et al. 2020, "A Simple Framework for Contrastive Learning"; without a projection
head, because the features are compared by cosine similarity as in Pizzi et al. 2022, "A
Self-Supervised Descriptor for Image Copy Detection").

It trains on all pictures of the bundled corpora, without labels, before any of them is split: the
encoder treats those that later become training images and those that become held-out ones alike,
so neither side of a verdict or of a quality figure gains. It is fitted to emoji and digits, though;
on other corpora only the calibration on held-out images keeps the false-alarm rate.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from ambient.copies.features import WEIGHTS, Encoder, encode, load_encoder, standardize
from ambient.copies.judge import similarities
from ambient.copies.rules import judge
from ambient.copies.spaces import FEATURES
from ambient.images.corpus import Corpus, load_corpus, split_corpus, to_bytes, to_unit

Scores = NDArray[np.float32]

SEED = 0
STEPS = 800
PICTURES = 256  # in a batch, each with a copy
TEMPERATURE = 0.07
# In 32nds of the side: 3 pixels of an emoji, 2 pixels of an 8x8 digit.
MAX_SHIFT = {"emoji": 3, "digits": 8}
SCHEDULE = ("emoji", "emoji", "digits")  # one corpus a batch: the other's pictures are too easy
N_TRAIN = {"emoji": 200, "digits": 100}
SPLIT_SEEDS = range(5)
HUE = 0.5  # radians, of the planted recolored copies
NOISE = 0.1  # sigma of the planted noisy copies, in [-1, 1] units


def color_matrix(
    hue: Float[Tensor, " b"], saturation: Float[Tensor, " b"]
) -> Float[Tensor, "b 3 3"]:
    """Turn colors around the gray axis by `hue` radians and stretch them away from it."""
    gray = torch.full((3, 3), 1 / 3)
    turn = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = hue.cos()[:, None, None], hue.sin()[:, None, None]
    return gray + saturation[:, None, None] * (cos * (torch.eye(3) - gray) + sin * turn)


def augment(
    x: Float[Tensor, "b 3 h w"], max_shift: float, generator: torch.Generator
) -> Float[Tensor, "b 3 h w"]:
    """A random copy of pictures in [-1, 1]: mirrored, moved, scaled, recolored and slightly noised.

    They move by at most `max_shift` pixels; the edge's color fills what that uncovers.
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(x), generator=generator)

    mirror = uniform(-1, 1).sign()
    scale = uniform(0.95, 1.05)
    reach = 2 * max_shift / x.shape[-1]  # grids span [-1, 1]
    theta = torch.zeros(len(x), 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = mirror * scale, scale
    theta[:, 0, 2], theta[:, 1, 2] = uniform(-reach, reach), uniform(-reach, reach)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    colors = color_matrix(uniform(-0.6, 0.6), uniform(0.7, 1.3))
    x = torch.einsum("b k c, b c h w -> b k h w", colors, x)
    x = uniform(0.9, 1.1)[:, None, None, None] * x + uniform(-0.1, 0.1)[:, None, None, None]
    sigma = uniform(0, 0.1)[:, None, None, None]
    return x.clamp(-1, 1) + sigma * torch.randn(x.shape, generator=generator)


def contrast(
    a: Float[Tensor, "b d"], b: Float[Tensor, "b d"], groups: Int[Tensor, " b"]
) -> Float[Tensor, ""]:
    """NT-Xent: each picture must pick its copy among all else in the batch, and the reverse.

    Twins of a picture are neither its copy nor wrong answers.
    """
    z = F.normalize(torch.cat([a, b]), dim=1)
    n = len(a)
    partner = (torch.arange(2 * n) + n) % (2 * n)
    twins = groups.repeat(2)[:, None] == groups.repeat(2)
    twins[torch.arange(2 * n), partner] = False
    return F.cross_entropy((z @ z.T / TEMPERATURE).masked_fill(twins, -torch.inf), partner)


def train(encoder: Encoder, corpora: dict[str, Corpus], steps: int, seed: int) -> Iterator[float]:
    """Train in place; yields the loss of each step."""
    generator = torch.Generator().manual_seed(seed)
    images = {k: standardize(torch.from_numpy(to_unit(c.images))) for k, c in corpora.items()}
    groups = {k: torch.from_numpy(c.groups) for k, c in corpora.items()}
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    for step in range(steps):
        name = SCHEDULE[step % len(SCHEDULE)]
        rows = torch.randperm(len(groups[name]), generator=generator)[:PICTURES]
        x = images[name][rows]
        copy = augment(x, MAX_SHIFT[name], generator)
        with torch.autocast("cpu", torch.bfloat16):
            a, b = encoder.look(torch.cat([x, copy])).chunk(2)
        loss = contrast(a, b, groups[name][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield loss.item()


def shift(images: NDArray[np.uint8], pixels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Move each picture along a random diagonal by `pixels` in x and y; the edge fills in."""
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    corners = rng.choice([0, 2 * pixels], (len(images), 2)).tolist()
    return np.stack(
        [p[y : y + height, x : x + width] for p, (y, x) in zip(padded, corners, strict=True)]
    )


def plant(images: NDArray[np.uint8], seed: int) -> dict[str, NDArray[np.uint8]]:
    """Copies as a model might make them: each a change a person would not be fooled by."""
    x = to_unit(images)
    rng = np.random.default_rng([seed, 0xC0B1])
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    copies = {
        "exact": images,
        "mirrored": images[:, :, ::-1],
        "shifted 1 px": shift(images, 1, rng),
        "shifted 2 px": shift(images, 2, rng),
        "noisy": to_bytes(x + NOISE * noise),
    }
    if images.shape[-1] == 3:  # a gray picture has no hue
        turn = color_matrix(torch.tensor([HUE]), torch.ones(1))[0].numpy()
        copies["recolored"] = to_bytes(np.einsum("k c, n c h w -> n k h w", turn, x))
    return copies


def flatten(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return rearrange(to_unit(images), "n c h w -> n (c h w)")


def find(heldout: Scores, planted: dict[str, Scores], seed: int) -> dict[str, Any]:
    """Calibrate a rule on held-out images and apply it; `Scores` are those of `rules.judge`.

    Returns:
        Its threshold, its false alarms among the other half of the held-out images with their
        interval, and the share of the planted copies that it finds, by the kind of change.
    """
    verdicts = {
        change: judge(scores, heldout, "similarity", seed) for change, scores in planted.items()
    }
    exact = verdicts["exact"]
    return {
        "threshold": exact.threshold,
        "false_alarms": exact.heldout_rate,
        "false_alarms_ci95": exact.heldout_ci95,
        "recall": {change: verdict.rate for change, verdict in verdicts.items()},
    }


def compare_rules(corpus: Corpus, n_train: int, split_seed: int) -> dict[str, dict[str, Any]]:
    """The cosine of the encoder's features beside that of pixels, on one split."""
    split = split_corpus(corpus, n_train, split_seed)
    train_images = corpus.images[split.train]
    keys, pixels = encode(train_images), flatten(train_images)
    rules = {
        FEATURES: lambda images: similarities(encode(images), keys)[0],
        "pixel cosine": lambda images: similarities(flatten(images), pixels)[0],
    }
    heldout, planted = corpus.images[split.heldout], plant(train_images, split_seed)
    return {
        name: find(
            score(heldout),
            {change: score(images) for change, images in planted.items()},
            split_seed,
        )
        for name, score in rules.items()
    }


def report(corpus: Corpus) -> dict[str, object]:
    """Every split, and over splits the mean of each rule's figures."""
    n_train = N_TRAIN[corpus.name]
    splits = [compare_rules(corpus, n_train, seed) for seed in SPLIT_SEEDS]
    mean = {
        rule: {
            "false_alarms": fmean(s[rule]["false_alarms"] for s in splits),
            "recall": {
                change: fmean(s[rule]["recall"][change] for s in splits)
                for change in splits[0][rule]["recall"]
            },
        }
        for rule in splits[0]
    }
    return {
        "sha256": corpus.sha256,
        "n_train": n_train,
        "mean_over_splits": mean,
        "splits": [
            {"split_seed": seed, "rules": rules}
            for seed, rules in zip(SPLIT_SEEDS, splits, strict=True)
        ],
    }


def write_report(corpora: dict[str, Corpus]) -> None:
    """Measure the encoder on disk, and write `report.json` beside it."""
    facts = {
        "features": FEATURES,
        "command": "python -m scripts.train_encoder",
        "weights_sha256": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        "seed": SEED,
        "steps": STEPS,
        "pictures_per_step": PICTURES,
        "planted": {
            "shifted": "along a random diagonal, by so many pixels in x and in y",
            "noisy": f"sigma {NOISE} in [-1, 1]",
            "recolored": f"hue turned by {HUE} rad",
        },
        "corpora": {name: report(corpus) for name, corpus in corpora.items()},
    }
    WEIGHTS.with_name("report.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def main() -> None:
    torch.set_num_threads(1)  # one thread adds in one order: the same weights every time
    corpora = {name: load_corpus(name) for name in N_TRAIN}
    torch.manual_seed(SEED)  # initial weights come from the global generator
    encoder = Encoder().to(memory_format=torch.channels_last)
    for step, loss in enumerate(train(encoder, corpora, STEPS, SEED), start=1):
        if step % 50 == 0:
            print(f"step {step} of {STEPS}, loss {loss:.3f}", flush=True)
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() for k, v in encoder.state_dict().items()}, WEIGHTS)
    load_encoder.cache_clear()
    write_report(corpora)


if __name__ == "__main__":
    main()
