"""A run's curves: complete, its own, and a return test with known answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import asdict, replace
from torch import Tensor
from torch.testing import assert_close

from ambient.config import Config
from ambient.copies.intervals import clopper_pearson
from ambient.diffusion.levels import cutoff_report
from ambient.diffusion.records import Curves
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import decode_record, encode_record
from ambient.images.corpus import to_unit
from ambient.reports.curves import Returns, intervals, noise_level_curves, own_samples
from ambient.runs.folder import Run, open_run
from tests.ideal import ideal

HOW = SamplerConfig(steps=9)


def test_bootstrap_covers_a_known_ratio() -> None:
    rng = np.random.default_rng(0)
    hits = np.zeros(3, dtype=int)
    truth = {"loss_train_ci95": 5, "loss_heldout_ci95": 10, "gap_ratio_ci95": 2}
    for seed in range(100):
        found = intervals(rng.gamma(5, 1, 80), rng.gamma(5, 2, 80), seed)
        hits += [low <= truth[k] <= high for k, (low, high) in found.items()]
    for count in hits:
        assert clopper_pearson(int(count), 100)[1] > 0.93


def test_curves_of_a_run_are_complete_and_in_range(tiny_run: Run) -> None:
    heard: list[tuple[int, int]] = []
    pack = noise_level_curves(
        tiny_run, images=16, noises=2, returns=5, tell=lambda _, *far: heard.append(far)
    )
    assert heard == [(k, 24) for k in range(25)] and len(pack.levels) == 24
    assert decode_record(encode_record(pack), Curves, "curves") == pack  # shares lie in [0, 1]
    for level in pack.levels:
        for name in ("loss_train", "loss_heldout", "gap_ratio", *RETURNS):
            low, high = getattr(level, f"{name}_ci95")
            assert low <= getattr(level, name) <= high
        # Nothing beats the ideal denoiser on the images it knows.
        assert level.loss_ideal <= level.loss_train * 1.02 + 1e-9
    bound = [level.image_leakage_bound for level in pack.levels]
    assert bound == sorted(bound, reverse=True)
    density = [level.train_density for level in pack.levels]
    steps = np.diff(np.log([level.sigma for level in pack.levels]))
    # The lognormal's mass between 0.02 and 20, by the trapezoid rule.
    area = ((np.array(density[1:]) + density[:-1]) / 2 * steps).sum()
    assert area == pytest.approx(1.0, abs=0.01)


RETURNS = ("return_train", "return_heldout", "return_generated")


def test_errors_are_the_networks_own(tiny_run: Run) -> None:
    """At huge noise every denoiser can only answer the mean: the error is the data's variance."""
    pack = noise_level_curves(tiny_run, images=16, noises=2, returns=2)
    corpus = tiny_run.corpus()
    train = torch.from_numpy(corpus.images[tiny_run.split(corpus).train]).float() / 127.5 - 1
    spread = ((train - train.mean(0)) ** 2).mean()
    assert_close(torch.tensor(pack.levels[-1].loss_ideal), spread, rtol=0.05, atol=0)


def test_the_closed_forms_are_those_of_a_suggestion(tiny_run: Run) -> None:
    pack = noise_level_curves(tiny_run, images=16, noises=2, returns=2)
    report = cutoff_report(tiny_run.corpus(), 16, images=16, noises=2)
    for level, closed in zip(pack.levels, report.levels, strict=True):
        same = {k: v for k, v in asdict(closed).items() if k != "coverage"}  # of all held-out ones
        assert same.items() <= asdict(level).items()


def test_the_gap_of_a_planted_denoiser_is_exact(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denoiser that answers 0: each error is the image's mean square, at every level."""
    monkeypatch.setattr(Run, "denoiser", lambda run, step=None: lambda x, sigma: 0 * x)
    pack = noise_level_curves(tiny_run, images=1000, noises=1, returns=2)
    corpus = tiny_run.corpus()
    split = tiny_run.split(corpus)
    rows = {"train": split.train, "heldout": split.heldout[list(pack.subset.heldout)]}
    power = {k: (to_unit(corpus.images[v]).astype(float) ** 2).mean() for k, v in rows.items()}
    for level in pack.levels:
        assert level.gap_ratio == pytest.approx(power["heldout"] / power["train"], rel=1e-6)


def pictures(n: int, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, 8, 8, generator=g) * 2 - 1


def returns_of(train: Tensor, groups: np.ndarray, seed: int = 0) -> Returns:
    """All training images, and as many unseen ones; "generated" ones are copies of the former."""
    kinds = {"train": train, "heldout": pictures(len(train), 99), "generated": train}
    return Returns.of(kinds, train, groups, groups, seed)


def test_with_the_ideal_denoiser_training_images_return_and_others_go_to_them() -> None:
    train = pictures(20, 0)
    found = returns_of(train, np.arange(20)).shares(ideal(train), 0.1, HOW)
    assert [found[k] for k in RETURNS] == [1.0, 0.0, 0.0]
    assert found["return_train_ci95"] == clopper_pearson(20, 20)


def test_from_huge_noise_a_training_image_returns_by_chance() -> None:
    train = pictures(4, 0)
    back = [
        returns_of(train, np.arange(4), seed).came_back(ideal(train), 1e3, HOW)[:4]
        for seed in range(50)
    ]
    hits = int(torch.cat(back).sum())
    low, high = clopper_pearson(hits, 200, level=0.999)
    assert low <= 1 / 4 <= high


def test_a_twin_is_not_another_image() -> None:
    """Doubled images: the ideal denoiser answers either, and both are a return."""
    train = pictures(10, 0)
    doubled, groups = train.repeat(2, 1, 1, 1), np.tile(np.arange(10), 2)
    twins = returns_of(doubled, groups).shares(ideal(doubled), 0.1, HOW)
    strangers = returns_of(doubled, np.arange(20)).shares(ideal(doubled), 0.1, HOW)
    assert (twins["return_train"], strangers["return_train"]) == (1.0, 0.0)


def test_a_denoiser_that_leaves_the_noise_returns_what_the_noise_allows() -> None:
    """It ends where it began, sigma sqrt(d) from home: at low noise back, at high noise lost."""
    train = pictures(20, 0)
    test = returns_of(train, np.arange(20))
    for sigma, share in ((0.02, 1.0), (5.0, 0.0)):
        found = test.shares(lambda x, sigma: x, sigma, HOW)
        assert (found["return_train"], found["return_heldout"]) == (share, share)


def with_config(run: Run, folder: Path, **changes: object) -> Run:
    shutil.copytree(run.path, folder)
    config = Config.from_json(folder / "config.json").replace(**changes)
    (folder / "config.json").write_text(config.to_json())
    return open_run(folder)


def test_a_noisy_only_run_returns_from_where_it_is_sampled(tiny_run: Run, tmp_path: Path) -> None:
    run = with_config(tiny_run, tmp_path / "noisy", arm="noisy-only", cutoff=1.0)
    pack = noise_level_curves(run, images=4, noises=1, returns=2)
    assert len(pack.levels) == 25
    for level in pack.levels:
        known = level.sigma > 1.05
        for name in (*RETURNS, *(f"{kind}_ci95" for kind in RETURNS)):
            assert (getattr(level, name) is not None) == known


def test_stored_samples_are_taken_if_they_are_these_weights(tiny_run: Run, tmp_path: Path) -> None:
    run = with_config(tiny_run, tmp_path / "copy")
    drawn = own_samples(run, None, 3)
    assert drawn.shape == (3, 1, 8, 8)
    black = np.zeros((5, 8, 8, 1), np.uint8)
    np.savez(run.path / "samples.npz", images=black, seeds=np.arange(5))
    report = open_run("digits-50-standard").report()
    assert report is not None
    how, sha256 = run.sampler(), run.checkpoint_sha256()
    report = replace(report, sampler=how, checkpoint_sha256=sha256)
    for change, taken in (
        ({}, True),
        ({"checkpoint_sha256": "other"}, False),
        ({"sampler": None}, False),
    ):
        replace(report, **change).save(run.path / "report.json")
        assert bool((own_samples(run, None, 3) == -1).all()) == taken
        assert taken or torch.equal(own_samples(run, None, 3), drawn)
    report.save(run.path / "report.json")
    assert torch.equal(own_samples(run, None, 6)[:3], drawn)  # too few stored
    assert not torch.equal(own_samples(run, 10, 3), drawn)
