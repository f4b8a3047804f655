"""Run folders: resume bit for bit, damaged parts named, bundled runs whole."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from ambient.config import Config, configure
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.reports.evaluate import draw
from ambient.runs import train as recorder
from ambient.runs.folder import BUNDLED_RUNS, START_FILE, STOP_FILE, Run, list_runs, open_run
from ambient.runs.start import lengthen, start_run
from ambient.runs.train import record

pytestmark = pytest.mark.usefixtures("blank_sheets")


def small(corpus: Corpus, **choices: object) -> Config:
    settings = {"n_train": 16, "steps": 24, "batch": 8, "width": 16, "threads": 1}
    return configure(corpus, **{**settings, "checkpoint_every": 8, **choices})  # type: ignore[arg-type]


def trained(run: Run, corpus: Corpus) -> Run:
    """A run at its end."""
    for _ in record(run, corpus):
        pass
    return run


def weights(run: Run) -> dict[str, np.ndarray]:
    return load_file(run.checkpoint())


def assert_same(a: Run, b: Run) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name])
    losses = [[(m["step"], m["loss"]) for m in r.metrics()] for r in (a, b)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("arm", "network", "augment"),
    [
        ("standard", "bands", True),
        ("ambient", "concat", True),
    ],
)
def test_a_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path, digits: Corpus, arm: str, network: str, augment: bool
) -> None:
    cutoff = 0.5 if arm == "ambient" else 0.0
    config = small(digits, arm=arm, cutoff=cutoff, network=network, augment=augment)
    whole = trained(start_run(tmp_path / "whole", config), digits)
    cut = start_run(tmp_path / "cut", config)
    steps = record(cut, digits)
    for done in steps:
        if done.step == 20:  # a crash here loses what came after the checkpoint at 16
            break
    shutil.copytree(cut.path, tmp_path / "crashed")
    steps.close()
    for path in (cut.path, tmp_path / "crashed"):
        again = open_run(path)
        trained(again, digits)
        assert again.status == "done"
        assert_same(whole, again)


@pytest.mark.parametrize("damage", ["flipped", "cut", "foreign"])
def test_a_resume_state_with_one_wrong_bit_is_not_used(
    tmp_path: Path, digits: Corpus, tiny_run: Run, damage: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    newest = sorted((copy / "resume").glob("*.pt"))[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1  # in the middle of a tensor: torch.load alone would take it
    newest.write_bytes({"flipped": data, "cut": data[:1000], "foreign": b"PK\3\4 no"}[damage])
    trained(open_run(copy), digits)
    assert_same(tiny_run, open_run(copy))


def test_a_run_made_longer_is_one_started_with_that_length(tmp_path: Path, digits: Corpus) -> None:
    whole = start_run(tmp_path / "whole", small(digits, steps=30, checkpoint_every=10))
    short = start_run(tmp_path / "short", small(digits, steps=20, checkpoint_every=10))
    for run in (whole, short):
        trained(run, digits)
    with pytest.raises(InputError, match="steps is 20; run 'short' is set to 20: expected more"):
        lengthen(short, 20)
    trained(lengthen(short, 30), digits)
    assert open_run(short.path).config == whole.config
    assert open_run(short.path).checkpoint().read_bytes() == whole.checkpoint().read_bytes()
    assert_same(whole, open_run(short.path))


def test_a_run_starts_from_weights_of_another(tmp_path: Path, tiny_run: Run) -> None:
    config = small(tiny_run.corpus(), steps=1, lr=1e-8, n_train=20, split_seed=3)
    child = start_run(tmp_path / "child", config, (tiny_run, 10))
    assert child.config.parent == "tiny@10"
    assert (child.path / START_FILE).read_bytes() == tiny_run.checkpoint(10).read_bytes()
    trained(child, child.corpus())
    ours, theirs = weights(child), load_file(tiny_run.checkpoint(10))
    for name, value in theirs.items():  # one tiny step away, and not from fresh weights
        np.testing.assert_allclose(ours[name], value, atol=2e-4)
    with pytest.raises(InputError, match="width 16, patch 1 and network concat, the new run"):
        start_run(tmp_path / "wide", small(tiny_run.corpus(), width=32), (tiny_run, None))
    with pytest.raises(InputError, match="network concat, the new run .* concat, augmented"):
        start_run(tmp_path / "wide", small(tiny_run.corpus(), augment=True), (tiny_run, None))
    assert not (tmp_path / "wide").exists()
    (child.path / START_FILE).unlink()
    shutil.rmtree(child.path / "resume")
    with pytest.raises(InputError):
        next(record(child, child.corpus()))


def test_a_run_is_saved_between_its_stages(tmp_path: Path, digits: Corpus) -> None:
    run = start_run(tmp_path / "run", small(digits, checkpoint_every=100))
    steps = record(run, digits, save_every=0.0)
    for done in steps:
        if done.step == 7:
            break
    assert run.resume_steps == [6, 7]
    assert run.steps == []
    shutil.copytree(run.path, tmp_path / "killed")
    steps.close()
    again = open_run(tmp_path / "killed")
    steps = record(again, digits)
    assert next(steps).step == 8
    assert again.steps == []  # what a kill left is no stage


@pytest.mark.parametrize("write", [0, 2, 5])
def test_a_full_disk_ends_a_run_in_one_line_and_costs_nothing(
    tmp_path: Path, digits: Corpus, tiny_run: Run, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    run, fsync, calls = start_run(tmp_path / "run", tiny_run.config), os.fsync, iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full: '.*run' could not be written"):
        trained(run, digits)
    assert run.status == "failed"
    assert run.state.error.startswith("the disk is full")
    assert run.state.step == run.saved_step
    for step in run.steps:
        assert run.checkpoint(step).read_bytes() == tiny_run.checkpoint(step).read_bytes()
    assert not list(run.path.rglob(".step-*"))
    trained(run, digits)
    assert run.status == "done"
    assert_same(tiny_run, run)


def test_a_run_is_trained_by_one_process_at_a_time(
    tmp_path: Path, digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "HANDOVER", 0.1)
    run = start_run(tmp_path / "run", small(digits))
    first = record(run, digits)
    next(first)
    with pytest.raises(InputError, match="is being trained by another process"):
        next(record(run, digits))
    assert run.status == "running"
    first.close()
    assert run.status == "paused"


def test_weights_without_a_resume_state_are_never_traded_for_a_restart(
    tmp_path: Path, tiny_run: Run, digits: Corpus
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    shutil.rmtree(copy / "resume")
    altered(tiny_run, copy, steps=40)
    run = open_run(copy)
    before = {p.name: p.read_bytes() for p in (copy / "checkpoints").iterdir()}
    with pytest.raises(InputError, match="weights of step 20 but no readable resume state"):
        next(record(run, digits))
    assert {p.name: p.read_bytes() for p in (copy / "checkpoints").iterdir()} == before
    assert run.metrics() == tiny_run.metrics()


def test_a_diverged_run_says_so_and_keeps_its_weights(tmp_path: Path, digits: Corpus) -> None:
    run = start_run(tmp_path / "run", small(digits))
    steps = record(run, digits)
    for done in steps:
        if done.step == 8:
            break
    steps.close()
    trainer = torch.load(run.path / "resume/step-000008.pt", weights_only=True)
    for value in trainer["weights"].values():
        value.fill_(float("nan"))
    torch.save(trainer, run.path / "resume/step-000008.pt")
    with pytest.raises(FloatingPointError, match="lower --lr"):
        next(record(run, digits))
    assert run.status == "failed"
    assert run.steps == [8]
    run.denoiser()


def test_a_stop_file_pauses_a_run(tmp_path: Path, digits: Corpus) -> None:
    run = start_run(tmp_path / "run", small(digits))
    for done in record(run, digits):
        if done.step == 5:
            (run.path / STOP_FILE).touch()
    assert run.status == "paused"
    assert run.last_step == 5
    assert not (run.path / STOP_FILE).exists()


def altered(run: Run, folder: Path, **fields: object) -> Path:
    """A folder with the config of a run, changed; None: without that field."""
    config = json.loads(run.config.to_json()) | fields
    kept = {name: value for name, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def test_configs_of_other_versions(tmp_path: Path, tiny_run: Run) -> None:
    assert open_run(altered(tiny_run, tmp_path, mode="compiled")).config == tiny_run.config
    with pytest.raises(InputError, match="version 9.9 .* missing sigma_data, unknown magic"):
        open_run(altered(tiny_run, tmp_path, magic=1, version="9.9", sigma_data=None))
    with pytest.raises(InputError, match="a int is no run folder; give its path or its name"):
        open_run(3)  # type: ignore[arg-type]


def test_every_bundled_run_is_whole() -> None:
    runs = list_runs(BUNDLED_RUNS)
    assert runs
    for run in runs:
        report, samples = run.report(), run.samples()
        images, seeds = samples
        assert report.checkpoint_sha256 == run.checkpoint_sha256()
        assert report.corpus.sha256 == run.config.corpus_sha256 == run.corpus().sha256
        assert seeds.tolist() == [s.seed for s in report.samples] == list(range(len(images)))
        rate = np.mean([s.copy for s in report.samples])
        assert rate == pytest.approx(report.copies.ratio.rate)
        # The half of unseen images that it is calibrated on has its luck too.
        assert report.copies.ratio.heldout_ci95[0] <= 0.015
        assert run.checkpoint().stat().st_size < 5_000_000
        assert run.config.text or run.curves() is not None


@pytest.mark.slow
def test_bundled_pictures_come_from_the_bundled_weights() -> None:
    for run in list_runs(BUNDLED_RUNS):
        stored = run.samples()
        drawn = np.concatenate(list(draw(run, range(2)))).astype(float)
        # Another machine's arithmetic moves a few pixels a little; other weights move them all.
        assert np.abs(drawn - stored[0][:2]).mean() < 6.0, run.name
