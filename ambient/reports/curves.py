"""Memorization noise level by noise level: what the data gives away, and what a network learned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from msgspec.structs import asdict, replace
from numpy.typing import NDArray
from torch import Tensor

from ambient.config import check
from ambient.copies.intervals import clopper_pearson
from ambient.diffusion.closed_forms import covariance_spectrum, noise_levels, squared_distances
from ambient.diffusion.denoiser import Denoiser
from ambient.diffusion.levels import Queries, closed_levels, shuffled
from ambient.diffusion.records import Curves, Level, Subset
from ambient.diffusion.samplers import finish, sample
from ambient.diffusion.schedule import RETURN_STEPS, SamplerConfig
from ambient.files import InputError, Tell, silent, whole
from ambient.images.corpus import Corpus, Split, to_bytes, to_unit
from ambient.models.subject import Subject, as_subject

RETURN_RATIO = 1 / 3  # came back: that much nearer to its origin than to any other training image


def draw_subset(split: Split, images: int, returns: int, noises: int, seed: int) -> Subset:
    """The images whose errors and returns are measured; returns are of the first drawn of those."""
    train, heldout = shuffled(split, seed)
    return Subset(
        train=_sorted(train[:images]),
        heldout=_sorted(heldout[:images]),
        return_train=_sorted(train[:returns]),
        return_heldout=_sorted(heldout[:returns]),
        noises=noises,
        seed=seed,
    )


def _sorted(positions: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.sort(positions).tolist())


def intervals(
    train: NDArray[np.float64], heldout: NDArray[np.float64], seed: int, draws: int = 1000
) -> dict[str, Any]:
    """95 % image-bootstrap intervals of mean(train), mean(heldout) and mean(heldout)/mean(train).

    Args:
        train, heldout: one error an image. Of training errors that are all zero, a perfect
            memory's, no ratio is taken: None.
    """
    rng = np.random.default_rng([seed, 0xB007])

    def means(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x[rng.integers(len(x), size=(draws, len(x)))].mean(1)

    unseen, seen = means(heldout), means(train)
    samples = {"loss_train": seen, "loss_heldout": unseen}
    if seen.all():
        samples["gap_ratio"] = unseen / seen
    found = {k: tuple(np.quantile(v, [0.025, 0.975]).tolist()) for k, v in samples.items()}
    return {f"{k}_ci95": found.get(k) for k in ("loss_train", "loss_heldout", "gap_ratio")}


def _in_batches(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    with torch.inference_mode():
        return torch.cat([denoiser(b, torch.full((len(b),), sigma)) for b in x.split(64)])


def is_home(
    ends: Float[Tensor, "q c h w"],
    origins: Float[Tensor, "q c h w"],
    train: Float[Tensor, "n d"],
    other: Bool[Tensor, "q n"],
) -> Bool[Tensor, " q"]:
    """Which ends are three times nearer to their origins than to every other training image."""
    rows = rearrange(ends, "q c h w -> q (c h w)")
    to_train = torch.from_numpy(squared_distances(rows.numpy(), train.numpy()))
    nearest = to_train.masked_fill(~other, math.inf).min(1).values
    return ((ends.double() - origins) ** 2).sum((1, 2, 3)) < RETURN_RATIO**2 * nearest


@dataclass(frozen=True)
class Returns:
    """The return test: noise an image, sample down from there, did it come back?

    It came back iff ||x' - x|| < (1/3) ||x' - nearest other training image||. One criterion for
    all: for a training image, `other` means of another twin group; elsewhere, any. So a generated
    copy of a training image does not come back: it goes to that image.

    Attributes:
        queries: all images of the test with one noise each.
        train: all training images, flat.
        other: which training images are not the query itself, nor its twin.
        parts: the images of each kind, as slices of `queries`.
    """

    queries: Queries
    train: Float[Tensor, "n d"]
    other: Bool[Tensor, "q n"]
    parts: dict[str, slice]

    @classmethod
    def of(
        cls,
        kinds: dict[str, Float[Tensor, "m c h w"]],
        train: Float[Tensor, "n c h w"],
        groups: NDArray[np.int64],
        own: NDArray[np.int64],
        seed: int,
    ) -> Returns:
        """Noise for each kind of image.

        Args:
            kinds: images by name; those of `train` are training images.
            groups: twin groups of the training images. own: those of `kinds["train"]`.
        """
        noised = [Queries.draw(x, 1, seed, 2 + tag) for tag, x in enumerate(kinds.values())]
        ends = np.cumsum([0, *map(len, kinds.values())]).tolist()
        parts = {k: slice(*ends[i : i + 2]) for i, k in enumerate(kinds)}
        other = torch.ones(ends[-1], len(train), dtype=torch.bool)
        other[parts["train"]] = torch.from_numpy(groups != own[:, None])
        return cls(
            Queries(torch.cat(list(kinds.values())), torch.cat([q.noise for q in noised])),
            rearrange(train, "n c h w -> n (c h w)"),
            other,
            parts,
        )

    def came_back(self, denoiser: Denoiser, sigma: float, how: SamplerConfig) -> Bool[Tensor, " q"]:
        """Which images came back from one level."""
        seeds = range(len(self.queries.images))
        ends = finish(denoiser, self.queries.at(sigma), seeds, how.below(sigma))
        return is_home(ends, self.queries.images, self.train, self.other)

    def shares(self, denoiser: Denoiser, sigma: float, how: SamplerConfig) -> dict[str, Any]:
        """The share of each kind that came back, with a 95 % interval; None where sampling ends."""
        if sigma <= max(how.sigma_min, how.stop_at):
            return {f"return_{k}{end}": None for k in self.parts for end in ("", "_ci95")}
        back = self.came_back(denoiser, sigma, how)
        found: dict[str, Any] = {}
        for kind, rows in self.parts.items():
            hits, n = int(back[rows].sum()), len(back[rows])
            found[f"return_{kind}"] = hits / n
            found[f"return_{kind}_ci95"] = clopper_pearson(hits, n)
        return found


def own_samples(run: Subject, step: int | None, count: int) -> Float[Tensor, "m c h w"]:
    """Its samples of seeds 0, 1, ... in [-1, 1]: stored ones of these weights, else drawn.

    Both have been through 8 bits, so they are the same images.
    """
    how = run.sampler()
    if (stored := _stored_samples(run, step, count, how)) is not None:
        return torch.from_numpy(to_unit(stored))
    drawn = sample(run.denoiser(step), range(count), run.shape, how)
    return torch.cat([torch.from_numpy(to_unit(to_bytes(x.numpy()))) for x in drawn])


def _stored_samples(
    run: Subject, step: int | None, count: int, how: SamplerConfig
) -> NDArray[np.uint8] | None:
    stored, report = run.samples(), run.report()
    if (
        stored is not None
        and report is not None
        and report.checkpoint_sha256 == run.checkpoint_sha256(step)
        and report.sampler == how
        and stored[1][:count].tolist() == list(range(count))
    ):
        return stored[0][:count]
    return None


def noise_level_curves(
    run: Subject,
    step: int | None = None,
    images: int = 100,
    noises: int = 8,
    seed: int = 0,
    returns: int = 48,
    tell: Tell = silent,
) -> Curves:
    """The pack of curves of a run, or of any model beside its images.

    Args:
        run: only levels that it knows are measured.
        images: train and held-out images each, drawn with `seed`.
        noises: noises an image.
        returns: training, held-out and generated images each that are sent to a level and back.
        tell: hears how many levels are done; may raise to end the work.

    Raises:
        InputError: an unusable run or corpus.
    """
    run, seed = as_subject(run), check("seed", seed)
    for name, count in {"images": images, "noises": noises, "returns": returns}.items():
        whole(count, name)
    corpus = run.corpus()
    split = run.split(corpus)
    if len(split.heldout) < 2:
        raise InputError(
            f"'{run.name}' trained on {len(split.train)} of {len(corpus)} images, which leaves "
            f"{len(split.heldout)} unseen ones; curves compare with at least 2. Train on fewer, or "
            "give a model of other libraries more with --heldout."
        )
    step = run.last_step if step is None else step  # a run in training may go on meanwhile
    low, high = run.levels
    sigmas = [sigma for sigma in noise_levels(run.cutoff) if low <= sigma <= high]
    sha256, subset = run.checkpoint_sha256(step), draw_subset(split, images, returns, noises, seed)
    tell("measuring noise levels", 0, len(sigmas))
    levels = []
    for level in _levels(run, corpus, split, subset, returns, step, sigmas):
        levels.append(level)
        tell("measuring noise levels", len(levels), len(sigmas))
    visited = replace(run.sampler(), stop_at=0.0).sigmas()[:-1]
    return Curves(
        run=run.name,
        step=step,
        checkpoint_sha256=sha256,
        cutoff=run.cutoff,
        subset=subset,
        return_sampler=run.sampler(steps=RETURN_STEPS),
        sampler_sigmas=tuple(round(float(s), 5) for s in visited),
        levels=tuple(levels),
    )


def _levels(
    run: Subject,
    corpus: Corpus,
    split: Split,
    subset: Subset,
    returns: int,
    step: int | None,
    sigmas: Sequence[float],
) -> Iterator[Level]:
    """Closed forms, errors and returns at each level."""
    denoiser, everything = run.denoiser(step), torch.from_numpy(to_unit(corpus.images))
    train, heldout = everything[split.train], everything[split.heldout]
    groups, seed = corpus.groups[split.train], subset.seed
    seen = Queries.draw(train[list(subset.train)], subset.noises, seed, 0)
    unseen = Queries.draw(heldout[list(subset.heldout)], subset.noises, seed, 1)
    returned, how = list(subset.return_train), run.sampler(steps=RETURN_STEPS)
    test = Returns.of(
        {
            "train": train[returned],
            "heldout": heldout[list(subset.return_heldout)],
            "generated": own_samples(run, step, returns),
        },
        train,
        groups,
        groups[returned],
        seed,
    )
    spectrum = covariance_spectrum(rearrange(everything, "n c h w -> n (c h w)").numpy())
    for closed in closed_levels(train, seen, unseen, spectrum, sigmas):
        sigma = closed.sigma
        on_train, on_heldout = (
            q.errors(_in_batches(denoiser, q.at(sigma), sigma)) for q in (seen, unseen)
        )
        yield Level(
            **asdict(closed),
            loss_train=float(on_train.mean()),
            loss_heldout=float(on_heldout.mean()),
            gap_ratio=float(on_heldout.mean() / on_train.mean()) if on_train.any() else None,
            **intervals(on_train, on_heldout, seed),
            **test.shares(denoiser, sigma, how),
            train_density=run.density(sigma),
        )
