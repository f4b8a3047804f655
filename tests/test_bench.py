"""`ambient bench`: the rows it promises, and arithmetic that times nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ambient import bench, peers
from ambient.__main__ import main
from ambient.errors import InputError

HERE = ["arms", "matmul", "errors", "speed"]  # what needs no process of its own


def test_a_row_compares_block_by_block() -> None:
    ours, peer = np.array([10.0, 20.0, 30.0]), np.array([5.0, 10.0, 15.0])
    row = bench.compared("x", "images/s", ours, peer)
    assert (row["ours"], row["peer"], row["ratio"]) == (20.0, 10.0, 2.0)
    assert row["ratio_ci95"] == [2.0, 2.0]


def test_calls_take_turns_in_an_order_that_reverses() -> None:
    seen: list[str] = []
    calls: bench.Calls = {name: lambda name=name: seen.append(name) for name in "ab"}  # type: ignore[misc]
    seconds = bench.in_turn(calls, 2)
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
    for name in [*speeds, f"heldout_error:{bench.FASTEST}"]:
        assert rows[name]["ratio"] is None
        assert "pip install -r requirements-bench.txt" in rows[name]["note"]


@pytest.mark.slow
def test_search_is_measured_beside_all_keys_and_faiss(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    assert main(["bench", "--quick", "--only", "search", "--json", str(target)]) == 0
    rows = {row["name"]: row for row in json.loads(target.read_text())["rows"]}
    assert {"search_seconds:all_keys", "search_seconds:faiss_IVFFlat"} <= set(rows)
    assert rows["search_recall"]["ours"] >= 0.98  # 500 queries, of which 400 chose the cells
    assert rows["search_duplicates"]["note"] == "20 of 20 planted twins"


def test_sections_that_are_not_measured_stay(tmp_path: Path) -> None:
    target, kept = tmp_path / "bench.json", {"name": "x", "ours": 1.0, "peer": None}
    kept |= {"ratio": None, "unit": "s", "section": "errors"}
    target.write_text(json.dumps({"rows": [kept, {**kept, "section": "arms"}]}))
    assert main(["bench", "--quick", "--only", "arms", "--json", str(target)]) == 0
    rows = json.loads(target.read_text())["rows"]
    assert [row["name"] for row in rows] == ["ambient_step_over_standard", "x"]


def test_wrong_choices_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "bench.json")
    assert main(["bench", "--json", target, "--only", "magic"]) == 2
    assert "--only is 'magic'; expected one of arms, matmul" in capsys.readouterr().err
    assert main(["bench", "--json", target, "--before", str(tmp_path)]) == 2
    assert "expected a checkout of this project" in capsys.readouterr().err


def _missing(peer: peers.Peer) -> None:
    raise InputError(f"'{peer.name}' is not installed; pip install -r requirements-bench.txt.")
