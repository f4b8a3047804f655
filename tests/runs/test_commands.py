"""The command line: what it does, and the one line it says when it cannot."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ambient.cli import main
from ambient.files import ASSETS
from ambient.images.corpus import Corpus
from ambient.runs.folder import Run, open_run
from ambient.runs.job import State, pulse
from tests.jobs import until

TRAIN = ["train", "--corpus", "digits", "--n-train", "16", "--batch", "8", "--width", "16"]
TRAIN += ["--threads", "1"]  # two test processes share two cores
PIXELS = ["--features", "pixels"]
pytestmark = pytest.mark.usefixtures("blank_sheets")


def test_train_sample_evaluate_export(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*TRAIN, "--steps", "12", "--out", str(run)]) == 0
    assert open_run(run).status == "done"
    assert (
        main(["sample", str(run), "--n", "5", "--seed", "7", "--out", str(tmp_path / "x.npz")]) == 0
    )
    with np.load(tmp_path / "x.npz") as data:
        assert data["images"].shape == (5, 8, 8, 1)
        assert data["images"].dtype == np.uint8
        assert data["seeds"].tolist() == [7, 8, 9, 10, 11]
    assert main(["sample", str(run), "--n", "5", "--out", str(tmp_path / "x.png")]) == 0
    assert Image.open(tmp_path / "x.png").size == (3 * 68, 2 * 68)
    report = tmp_path / "report.json"
    assert main(["evaluate", str(run), "--n", "40", *PIXELS, "--json", str(report)]) == 0
    value = json.loads(report.read_text())
    assert value["n_samples"] == len(value["samples"]) == 40
    low, high = value["copies"]["ratio"]["ci95"]
    assert low <= value["copies"]["ratio"]["rate"] <= high
    assert value["quality"]["kid"] > 0
    assert main(["export", str(run), "--out", str(tmp_path / "run.zip")]) == 0
    assert (tmp_path / "run.zip").stat().st_size > 10_000


def test_training_ends_with_a_verdict_where_asked(
    tmp_path: Path, digits: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, run = folder_of(digits, 126, tmp_path / "pictures"), tmp_path / "run"
    train = ["train", "--corpus", str(pictures), *TRAIN[3:], "--steps", "2", "--evaluate", "100"]
    assert main([*train, "--out", str(run)]) == 0
    kept, report = open_run(run).samples(), open_run(run).report()
    assert report.n_samples == len(kept[0]) == 100
    assert report.copies.rate is not None and report.quality is not None
    assert report.quality.frechet is None and report.quality.kid is not None
    assert open_run(run).status == "done"
    assert open_run(run).state.judging is None
    stored = (run / "report.json").stat().st_mtime_ns
    assert main(["train", "--resume", str(run), "--evaluate", "100"]) == 0
    assert (run / "report.json").stat().st_mtime_ns == stored  # the same weights, judged before
    said = capsys.readouterr().err
    assert said.count("run, step 2: ") == 2 and "KID " in said
    assert "is done: 2 of 2 steps" in said
    assert main(["export", str(run), "--out", str(tmp_path / "run.zip")]) == 0
    assert main([*train[:-1], "0", "--out", str(tmp_path / "other")]) == 2
    assert "--evaluate is 0; expected 1 or more" in capsys.readouterr().err


def test_too_few_samples_refuse_to_conclude(tiny_run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert main(["evaluate", str(tiny_run.path), "--n", "15", "--json", str(report)]) == 0
    value = json.loads(report.read_text())
    assert value["copies"]["ratio"]["rate"] is None
    assert value["quality"] is None
    assert value["warnings"] == ["15 samples are too few for a rate; take at least 20."]
    assert len(value["samples"]) == 15


def folder_of(corpus: Corpus, count: int, folder: Path) -> Path:
    """The first distinct images of a corpus as pictures."""
    folder.mkdir()
    for i in np.unique(corpus.groups)[:count]:
        Image.fromarray(corpus.images[i].squeeze()).save(folder / f"{i}.png")
    return folder


def test_no_unseen_images_are_no_verdict_and_no_curves(
    tmp_path: Path, digits: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, run = folder_of(digits, 16, tmp_path / "pictures"), str(tmp_path / "run")
    train = ["train", "--corpus", str(pictures), *TRAIN[3:], "--steps", "2", "--out", run]
    assert main(train) == 0
    assert main(["evaluate", run, "--n", "100", "--json", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["copies"]["ratio"]["rate"] is None
    assert report["quality"] is None
    assert report["samples"][0]["nearest_heldout"] is None
    assert (
        "no held-out images and 16 different training images are too few" in report["warnings"][0]
    )
    assert main(["curves", run, "--json", str(tmp_path / "c.json")]) == 2
    assert "leaves 0 unseen ones" in capsys.readouterr().err
    assert not (tmp_path / "c.json").exists()


def test_a_run_is_compared_with_an_audit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored, out = ASSETS / "audit" / "emoji-300-standard.json", tmp_path / "compared.json"
    command = ["compare", "emoji-100-standard", str(stored), "--json", str(out)]
    assert main(command) == 0
    said, found = capsys.readouterr().err, json.loads(out.read_text())
    assert "nobody knows from which noise" in said and "between independent sets" in said
    report = open_run(command[1]).report()
    shares = [report.copies.ratio.rate, _read(stored)["copies"]["ratio"]["rate"]]
    assert found["paired"] is None and found["changed"] == {}
    assert found["unpaired"]["difference"] == pytest.approx(shares[1] - shares[0])
    assert found["unpaired"]["low"] < shares[1] - shares[0] < found["unpaired"]["high"]
    assert main(["compare", "emoji-100-standard", str(out)]) == 2
    assert "is no report; expected what `audit --json FILE` writes" in capsys.readouterr().err
    assert main(["compare", "emoji-100-standard", "none.json"]) == 2
    assert "'none.json' does not exist" in capsys.readouterr().err


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_run_in_training_is_left_alone(
    tmp_path: Path, tiny_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copy)
    pid = os.getppid()
    open_run(copy).write(State(status="running", **pulse(pid)))
    assert main(["train", "--resume", str(copy)]) == 2
    assert f"is being trained by process {pid}" in capsys.readouterr().err


def test_resume_trains_longer_and_takes_no_other_setting(
    tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, whole = tmp_path / "copy", tmp_path / "whole"
    shutil.copytree(tiny_run.path, copy)
    for words in (["--lr", "0.1"], ["--dtype", "float32"], ["--out", "x"], ["--threads", "1"]):
        assert main(["train", "--resume", str(copy), *words]) == 2
        assert f"{words[0]} goes with a new run; --resume takes" in capsys.readouterr().err
    assert main(["train", "--resume", str(copy), "--steps", "20"]) == 2
    assert "steps is 20; run 'copy' is set to 20: expected more" in capsys.readouterr().err
    assert main(["train", "--resume", str(copy), "--steps", "30"]) == 0
    dtype = tiny_run.config.dtype
    assert main([*TRAIN, "--steps", "30", "--dtype", dtype, "--out", str(whole)]) == 0
    left, right = (open_run(p).checkpoint(30).read_bytes() for p in (copy, whole))
    assert left == right


def test_a_new_run_from_weights_and_settings_of_another(
    tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = tmp_path / "child"
    words = ["train", "--from", str(tiny_run.path), "--from-step", "10", "--steps", "3"]
    assert main([*words, "--arm", "ambient", "--out", str(child)]) == 2
    assert "needs --cutoff" in capsys.readouterr().err
    more = ["--arm", "ambient", "--cutoff", "0.5", "--lr", "0.0005", "--out", str(child)]
    assert main([*words, *more]) == 0
    config = open_run(child).config
    assert (config.parent, config.arm, config.cutoff, config.lr) == (
        "tiny@10",
        "ambient",
        0.5,
        5e-4,
    )
    kept = ("corpus_sha256", "n_train", "batch", "width", "dtype", "threads")
    assert all(getattr(config, k) == getattr(tiny_run.config, k) for k in kept)
    assert open_run(child).steps == [1, 2, 3]


def test_corpora_lists_sizes_and_licenses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpora", "--json", "-"]) == 0
    out = capsys.readouterr().out
    assert "Apache-2.0" in out
    assert "CC BY 4.0" in out
    rows = json.loads(out.splitlines()[-1])["corpora"]
    assert {r["name"]: r["images"] for r in rows} == {"emoji": 1636, "digits": 1797, "kanji": 6355}


SMALL = " ".join([*TRAIN, "--out RUN"])
REFUSED = [
    ("sample TINY --n 2.5 --out x.png", "'2.5' is no whole number"),
    ("train --out RUN --steps 9.9", "'9.9' is no whole number"),
    ("train", "train needs --out RUN"),
    (f"{SMALL} --cutoff -1 --arm ambient", "cutoff is -1.0; expected"),
    (f"{SMALL} --cutoff 1", "arm 'standard', which has none"),
    (f"{SMALL} --n-train 9999", "has only 1787 distinct images"),
    (f"{SMALL} --device tpu", "device is 'tpu'; expected auto or one of"),
    ("train --out RUN --corpus nowhere", "'nowhere' is no corpus"),
    ("train --from TINY --out RUN --from-step 3", "has no step 3; the"),
    ("train --from TINY --out RUN --width 32", "own shape"),
    ("train --out RUN --preset magic", "preset is 'magic'; expected one of"),
    (f"sample TINY --out x.png --seed {2**63 - 1}", "the last image's seed"),
    ("sample nowhere --out x.png", "'nowhere' does not exist; expected a run folder"),
    ("sample TINY --out x.gif", "expected a name ending in .npz or .png"),
    ("sample TINY --out x.png --n 0", "--n is 0; expected 1 or more"),
    ("sample TINY --out x.npz --above TINY", "only --above is given; --above RUN and --switch"),
    ("sample TINY --out x.npz --above TINY --switch 0", "expected a noise level above 0"),
    ("sample TINY --out x.npz --above emoji-100-standard --switch 1", "splice runs of one shape"),
    ("evaluate TINY --n 5 --json no/where.json", "is no folder"),
    ("suggest-cutoff --corpus digits --n-train 1787", "n_train is 1787, every distinct image of"),
    ("suggest-cutoff --corpus digits --n-train 1", "n_train is 1; at least 2"),
    ("suggest-cutoff --corpus digits --json no/where.json", "is no folder"),
    ("advise --corpus digits --n-train 0", "--n-train is 0; expected 1 or more"),
    ("advise --corpus digits --n-train 5000", "choose n_train <= 1787"),
    (f"advise --corpus digits --batch {10**400}", "batch is ...0"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: str, message: str, tiny_run: Run, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words.replace("TINY", str(tiny_run.path)).split()) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_a_terminated_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ambient", *TRAIN, "--steps", "100000", "--out", "run"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    until(metrics.exists, process)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Go on with: python -m ambient train --resume" in error
    run = open_run(tmp_path / "run")
    assert run.status == "paused"
    assert run.last_step == run.state.step >= 10


def test_a_stored_report_is_not_replaced_by_a_smaller_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = open_run("digits-50-standard").report()
    assert main(["evaluate", "digits-50-standard", "--n", "3", "--store"]) == 2
    said = capsys.readouterr().err
    assert "stored report of 1000 samples and --n is 3" in said
    assert open_run("digits-50-standard").report() == before
