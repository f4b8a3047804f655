"""`ambient bench`: the rows it promises, and arithmetic that times nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from ambient.bench import peers
from ambient.bench.rows import compared
from ambient.cli import main
from ambient.files import InputError

HERE = ["arms", "matmul", "errors", "speed"]  # what needs no process of its own


def test_a_row_compares_block_by_block() -> None:
    ours, peer = np.array([10.0, 20.0, 30.0, 20.0]), np.array([5.0, 10.0, 15.0, 10.0])
    row = compared("x", "images/s", ours, peer)
    assert (row["ours"], row["peer"], row["ratio"]) == (20.0, 10.0, 2.0)
    assert row["ratio_ci95"] == [2.0, 2.0]
    assert "ratio_ci95" not in compared("x", "images/s", ours[:3], peer[:3])


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


def _missing(peer: peers.Peer) -> None:
    raise InputError(f"'{peer.name}' is not installed; pip install -r requirements-bench.txt.")
