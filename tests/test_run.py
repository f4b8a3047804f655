"""Run folders: resume bit for bit, damaged parts named, bundled runs whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from ambient.archive import export_run, import_run
from ambient.config import Config, configure
from ambient.corpus import Corpus
from ambient.errors import InputError
from ambient.evaluation import draw
from ambient.recorder import record
from ambient.run import BUNDLED_RUNS, STOP_FILE, Run, list_runs, open_run, start_run


def small(corpus: Corpus, **choices: object) -> Config:
    settings = {"n_train": 16, "steps": 24, "batch": 8, "width": 16, "threads": 1}
    return configure(corpus, **{**settings, "checkpoint_every": 8, **choices})  # type: ignore[arg-type]


def weights(run: Run) -> dict[str, np.ndarray]:
    return load_file(run.checkpoint())


def assert_same(a: Run, b: Run) -> None:
    left, right = weights(a), weights(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        np.testing.assert_array_equal(value, right[name])
    losses = [[(m["step"], m["loss"]) for m in r.metrics()] for r in (a, b)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("arm", ["standard", "ambient"])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, digits: Corpus, arm: str) -> None:
    config = small(digits, arm=arm, cutoff=0.5 if arm == "ambient" else 0.0)
    whole = start_run(tmp_path / "whole", config)
    for _ in record(whole, digits):
        pass
    cut = start_run(tmp_path / "cut", config)
    steps = record(cut, digits)
    for done in steps:
        if done.step == 20:  # a crash here loses what came after the checkpoint at 16
            break
    shutil.copytree(cut.path, tmp_path / "crashed")
    steps.close()
    for path in (cut.path, tmp_path / "crashed"):
        again = open_run(path)
        for _ in record(again, digits):
            pass
        assert again.state["status"] == "done"
        assert_same(whole, again)


def test_a_damaged_resume_state_falls_back_to_the_one_before(
    tmp_path: Path, digits: Corpus, tiny_run: Run
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    newest = sorted((copy / "resume").glob("*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    run = open_run(copy)
    for _ in record(run, digits):
        pass
    assert_same(tiny_run, run)


def test_weights_without_a_resume_state_are_never_traded_for_a_restart(
    tmp_path: Path, tiny_run: Run, digits: Corpus
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    shutil.rmtree(copy / "resume")
    fields = {**json.loads(tiny_run.config.to_json()), "steps": 40}
    (copy / "config.json").write_text(json.dumps(fields))
    run = open_run(copy)
    before = {p.name: p.read_bytes() for p in (copy / "checkpoints").iterdir()}
    with pytest.raises(InputError, match="weights of step 20 but no readable resume state"):
        next(record(run, digits))
    assert {p.name: p.read_bytes() for p in (copy / "checkpoints").iterdir()} == before
    assert run.metrics() == tiny_run.metrics()


def test_a_crash_between_resume_state_and_weights_loses_no_stage(
    tmp_path: Path, tiny_run: Run, digits: Corpus
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    fields = {**json.loads(tiny_run.config.to_json()), "steps": 30}
    (copy / "config.json").write_text(json.dumps(fields))
    open_run(copy).checkpoint().unlink()
    for _ in record(open_run(copy), digits):
        pass
    assert open_run(copy).steps == [10, 20, 30]
    assert open_run(copy).checkpoint(20).read_bytes() == tiny_run.checkpoint(20).read_bytes()


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
    assert run.state["status"] == "failed"
    assert run.steps == [8]
    run.denoiser()


def test_a_stop_file_pauses_a_run(tmp_path: Path, digits: Corpus) -> None:
    run = start_run(tmp_path / "run", small(digits))
    for done in record(run, digits):
        if done.step == 5:
            (run.path / STOP_FILE).touch()
    assert run.state["status"] == "paused"
    assert run.last_step == 5
    assert not (run.path / STOP_FILE).exists()


def test_sheet_holds_the_samples_of_its_seeds(tiny_run: Run) -> None:
    sheet = tiny_run.sheet()
    assert sheet is not None
    drawn = np.concatenate(list(draw(tiny_run, range(36))))
    # The stored weights are in half precision, those behind the sheet were not.
    assert np.abs(sheet.astype(int) - drawn).mean() < 1.0


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, digits: Corpus) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="exists already; choose another --out"):
        start_run(tmp_path, small(digits))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_config_of_another_version(tmp_path: Path, tiny_run: Run) -> None:
    fields = json.loads(tiny_run.config.to_json())
    del fields["sigma_data"]
    (tmp_path / "config.json").write_text(json.dumps({**fields, "magic": 1, "version": "9.9"}))
    with pytest.raises(InputError, match="version 9.9 .* missing sigma_data, unknown magic"):
        open_run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "many"}, "steps is 'many'; expected int"),
        ({"arm": "magic"}, "arm is 'magic'; expected one of standard, ambient"),
        ({"width": 17}, "width is 17; expected a multiple of 16"),
        ({"cutoff": -1.0, "arm": "ambient"}, "cutoff is -1.0; expected a noise level"),
    ],
)
def test_impossible_configs_are_named(
    tmp_path: Path, tiny_run: Run, change: dict[str, object], message: str
) -> None:
    fields = {**json.loads(tiny_run.config.to_json()), **change}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(InputError, match=message):
        open_run(tmp_path)


def test_truncated_and_foreign_weights(tmp_path: Path, tiny_run: Run, digits: Corpus) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    path = open_run(copy).checkpoint()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="is not a whole safetensors file"):
        open_run(copy).denoiser()
    wide = start_run(tmp_path / "wide", small(digits, width=32, steps=1))
    for _ in record(wide, digits):
        pass
    shutil.copy(wide.checkpoint(), path)
    with pytest.raises(InputError, match="does not fit its config"):
        open_run(copy).denoiser()


def test_export_and_import_give_the_same_pictures(tmp_path: Path, tiny_run: Run) -> None:
    again = import_run(export_run(tiny_run), tmp_path)
    assert again.config == tiny_run.config
    before, after = (np.concatenate(list(draw(r, range(4)))) for r in (tiny_run, again))
    np.testing.assert_array_equal(before, after)
    assert import_run(export_run(tiny_run), tmp_path).path == again.path


def test_bad_zips_leave_nothing_behind(tmp_path: Path, tiny_run: Run) -> None:
    whole = export_run(tiny_run)
    for data, message in (
        (whole[: len(whole) // 2], "not a readable zip"),
        (b"hello", "not a readable zip"),
        (b"PK\x05\x06" + bytes(18), "holds no run"),
    ):
        with pytest.raises(InputError, match=message):
            import_run(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_bundled_run_is_whole() -> None:
    runs = list_runs(BUNDLED_RUNS)
    assert runs
    for run in runs:
        report, samples = run.report(), run.samples()
        assert report is not None
        assert samples is not None
        images, seeds = samples
        assert report["checkpoint_sha256"] == run.checkpoint_sha256()
        assert report["corpus"]["sha256"] == run.config.corpus_sha256 == run.corpus().sha256
        assert seeds.tolist() == [s["seed"] for s in report["samples"]] == list(range(len(images)))
        rate = np.mean([s["copy"] for s in report["samples"]])
        assert rate == pytest.approx(report["copies"]["ratio"]["rate"])
        assert report["copies"]["ratio"]["heldout_ci95"][0] <= 0.01
        assert run.checkpoint().stat().st_size < 5_000_000
        assert run.curves() is not None


@pytest.mark.slow
def test_bundled_pictures_come_from_the_bundled_weights() -> None:
    for run in list_runs(BUNDLED_RUNS):
        stored = run.samples()
        assert stored is not None
        drawn = np.concatenate(list(draw(run, range(8)))).astype(float)
        # Another machine's arithmetic moves a few pixels a little; other weights move them all.
        assert np.abs(drawn - stored[0][:8]).mean() < 6.0, run.name
