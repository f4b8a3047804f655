"""`ambient bench`: the rows it promises, and arithmetic that times nothing."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ambient.bench import copying, peers
from ambient.bench import suite as bench
from ambient.bench.rows import Calls, Row, absent, compared, in_turn
from ambient.cli import main
from ambient.files import InputError
from ambient.runs.folder import Run, open_run, step_name

HERE = ["arms", "matmul", "errors", "speed"]  # what needs no process of its own


def test_a_row_compares_block_by_block() -> None:
    ours, peer = np.array([10.0, 20.0, 30.0, 20.0]), np.array([5.0, 10.0, 15.0, 10.0])
    row = compared("x", "images/s", ours, peer)
    assert (row["ours"], row["peer"], row["ratio"]) == (20.0, 10.0, 2.0)
    assert row["ratio_ci95"] == [2.0, 2.0]
    assert "ratio_ci95" not in compared("x", "images/s", ours[:3], peer[:3])


def test_a_seed_that_does_not_get_there_is_said_and_the_others_count() -> None:
    row = copying.censored("x", "s", [(10.0, True), (60.0, False), (12.0, True)])
    assert (row["ours"], row["each"]) == (12.0, [10.0, None, 12.0])
    assert row["note"] == "1 of 3 seeds not within 60 s"
    row = copying.censored("x", "s", [(60.0, False), (61.0, False), (12.0, True)])
    assert (row["ours"], row["note"]) == (None, "2 of 3 seeds not within 60, 61 s")


def test_calls_take_turns_in_an_order_that_reverses() -> None:
    seen: list[str] = []
    calls: Calls = {name: lambda name=name: seen.append(name) for name in "ab"}  # type: ignore[misc]
    seconds = in_turn(calls, 2)
    assert "".join(seen) == "baabba"
    assert [len(v) for v in seconds.values()] == [2, 2]


@pytest.mark.slow
def test_quick_gives_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = peers.PEERS.copy()
    monkeypatch.setattr(peers.Peer, "require", _missing)  # the peers are optional here too
    target = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--only", *HERE, "--json", str(target)]) == 0
    record = json.loads(target.read_text())
    assert {"processor", "cores", "threads", "torch", "dtype"} <= set(record["machine"])
    rows = {row["name"]: row for row in record["rows"]}
    assert {"ambient_step_over_standard", "matmul_fraction"} <= set(rows)
    for row in rows.values():
        assert {"name", "ours", "peer", "ratio", "unit", "section", "load"} <= set(row)
    speeds = [
        f"{what}_images_per_second:{name}" for what in ("train", "forward") for name in installed
    ]
    for name in [*speeds, *(f"heldout_error:{name}" for name in installed)]:
        assert rows[name]["ratio"] is None
        assert "pip install -r requirements-bench.txt" in rows[name]["note"]


def test_sections_that_are_not_measured_stay(tmp_path: Path) -> None:
    target, kept = tmp_path / "bench.json", {"name": "x", "ours": 1.0, "peer": None}
    kept |= {"ratio": None, "unit": "s", "section": "errors"}
    target.write_text(json.dumps({"rows": [kept, {**kept, "section": "arms"}]}))
    assert main(["bench", "--quick", "--only", "arms", "--json", str(target)]) == 0
    rows = json.loads(target.read_text())["rows"]
    assert [row["name"] for row in rows] == ["ambient_step_over_standard", "x"]


def test_a_section_that_fails_says_why_and_the_others_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bench.json"

    def gone(_: object) -> Iterator[Row]:
        yield absent("half", "s", "")
        raise subprocess.CalledProcessError(3, ["python", "-c", "a program"])

    def broken(_: object) -> Iterator[Row]:
        assert [row["name"] for row in json.loads(target.read_text())["rows"]] == ["half", "audit"]
        raise ValueError("no such thing\nat all")

    monkeypatch.setitem(bench.SECTIONS, "audit", gone)
    monkeypatch.setitem(bench.SECTIONS, "speed", broken)
    words = ["--quick", "--only", "audit", "speed", "--json", str(target)]
    assert main(["bench", *words]) == 0
    rows = {row["name"]: row for row in json.loads(target.read_text())["rows"]}
    assert rows["audit"]["note"] == "a process of its own ended with 3"
    assert rows["speed"]["note"] == "no such thing"


def test_wrong_choices_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "bench.json")
    assert main(["bench", "--json", target, "--only", "magic"]) == 2
    assert "--only is 'magic'; expected one of arms, matmul" in capsys.readouterr().err


def _missing(peer: peers.Peer) -> None:
    raise InputError(f"'{peer.name}' is not installed; pip install -r requirements-bench.txt.")


def test_half_copies_are_found_between_two_stages(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages at 10, 20, ... seconds, and copies planted in each."""
    run = open_run(Path(shutil.copytree(tiny_run.path, tmp_path / "run")))
    for step in range(30, 90, 10):
        first = run.checkpoint(10)
        shutil.copy(first, first.with_name(f"{step_name(step)}.safetensors"))
    steps, judged = run.steps, list[int]()
    rates = dict(zip(steps, np.linspace(0, 1, 2 * len(steps) + 1)[1::2], strict=True))

    def drawn(_: object, seeds: range, step: int) -> Iterator[np.ndarray]:
        judged.append(step)
        yield np.zeros((1, 8, 8, 1), np.uint8)

    def verdict(_: object) -> SimpleNamespace:
        rule = SimpleNamespace(rated=SimpleNamespace(rate=rates[judged[-1]]))
        return SimpleNamespace(copies=SimpleNamespace(ratio=rule))

    monkeypatch.setattr(copying, "draw", drawn)
    monkeypatch.setattr(copying, "judge_images", verdict)
    for i, step in enumerate(steps):
        os.utime(run.checkpoint(step), (1000 + 10 * (i + 1),) * 2)
    found, reached = copying.half_copies(run, 1000.0, 1)
    assert reached
    times = 10.0 * np.arange(1, len(steps) + 1)
    assert found == pytest.approx(np.interp(0.5, list(rates.values()), times))
    assert len(judged) <= 1 + math.log2(len(steps) + 1)
    rates.update(dict.fromkeys(steps, 0.2))
    assert copying.half_copies(run, 1000.0, 1) == (times[-1], False)
