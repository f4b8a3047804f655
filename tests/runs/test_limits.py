"""What a public server refuses, in one line, and that nothing is capped elsewhere."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ambient.config import Config, configure
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.runs.archive import export_run, import_run
from ambient.runs.folder import Run
from ambient.runs.job import mark_owner
from ambient.runs.limits import UNLIMITED, Limits
from ambient.runs.start import start_run

CORES = os.cpu_count() or 1


@pytest.fixture
def config(digits: Corpus) -> Config:
    return configure(digits, n_train=16, batch=8, width=16, steps=10)


def wait_in_line(folder: Path, config: Config, owner: str) -> None:
    run = start_run(folder, config)
    run.tell(status="queued")
    mark_owner(run.path, owner)


def test_nothing_is_capped_on_a_machine_of_ones_own(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_MAX_STEPS", "1")
    for value in ("", "0"):
        monkeypatch.setenv("AMBIENT_PUBLIC", value)
        assert Limits.here() == UNLIMITED
    Limits.here().check(config.replace(steps=10**7), tmp_path)


def test_a_public_server_has_caps_that_the_environment_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    assert Limits.here() == Limits()
    assert all(math.isfinite(getattr(Limits(), name)) for name in Limits.__dataclass_fields__)
    monkeypatch.setenv("AMBIENT_MAX_QUEUED_EACH", "7")
    assert Limits.here() == Limits(queued_each=7)
    for value in ("many", "nan"):
        monkeypatch.setenv("AMBIENT_MAX_STEPS", value)
        with pytest.raises(InputError, match=f"AMBIENT_MAX_STEPS is '{value}'; expected a number"):
            Limits.here()


@pytest.mark.parametrize(
    ("choice", "value"),
    [("steps", 10_001), ("batch", 129), ("width", 80), ("n_train", 2001), ("threads", CORES + 1)],
)
def test_a_cap_is_named_with_the_value(
    config: Config, tmp_path: Path, choice: str, value: int
) -> None:
    expected = f"{choice} is {value}; this server trains at most"
    with pytest.raises(InputError, match=expected):
        Limits().check(config.replace(**{choice: value}), tmp_path)  # type: ignore[arg-type]


def test_a_model_that_is_too_large_does_not_come_in_as_a_zip(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export_run(tiny_run)
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    for name, value, cap in (("WIDTH", 16, 15), ("SIDE", 8, 7), ("N_TRAIN", 16, 15)):
        with monkeypatch.context() as lower:
            lower.setenv(f"AMBIENT_MAX_{name}", str(cap))
            with pytest.raises(InputError, match=f"is {value}; this server trains at most"):
                import_run(whole, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert import_run(whole, tmp_path).config == tiny_run.config


def test_the_line_has_an_end_for_one_and_for_all(config: Config, tmp_path: Path) -> None:
    for number, owner in enumerate("aab"):
        wait_in_line(tmp_path / f"{number}", config, owner)
    Limits(queued=4).check(config, tmp_path, "b")
    with pytest.raises(InputError, match="2 runs of yours are training or waiting"):
        Limits().check(config, tmp_path, "a")
    with pytest.raises(InputError, match="3 runs are training or waiting, and this server takes 3"):
        Limits(queued=3).check(config, tmp_path, "c")
    (tmp_path / "1" / "state.json").write_text("{")  # counts for nobody, stops nobody
    Limits().check(config, tmp_path, "a")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux caps a process's memory so")
def test_memory_that_does_not_suffice_is_one_line_and_a_failed_run(tmp_path: Path) -> None:
    words = ["train", "--corpus", "digits", "--n-train", "16", "--width", "64", "--out", "run"]
    root = str(Path(__file__).resolve().parents[2])
    capped = {"AMBIENT_PUBLIC": "1", "AMBIENT_MAX_MEMORY": "2e7", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "ambient", *words, "--batch", "128"],
        cwd=tmp_path, env={"PYTHONPATH": root, **capped}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "ambient train: the memory does not suffice; train again with a smaller batch or width.\n"
    )
    assert json.loads((tmp_path / "run/state.json").read_text())["status"] == "failed"
