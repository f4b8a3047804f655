"""Sweeps on a real Ray cluster on this machine: the table is that of a local sweep."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambient.cli import main
from ambient.images.corpus import Corpus
from ambient.runs.folder import open_run
from ambient.sweeps import cluster
from ambient.sweeps.spec import read_sweep
from tests.jobs import until

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


@dataclass
class TwoNodes:
    """A head, which the sweep talks to and which does no jobs, and a node that does, and may go."""

    ray: Any
    second: Any
    scratch: Path  # where jobs make their runs

    @property
    def address(self) -> str:
        return str(self.ray.address)


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    pytest.importorskip("ray", reason="ray is not installed: requirements-ray.txt")
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-") as short, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", short)  # short: paths of sockets have at most 107 letters
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        often = {"health_check_period_ms": 500}  # else half a minute until a lost node is noticed
        head = {**NODE, "num_cpus": 0, "include_dashboard": False, "_system_config": often}
        two = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield TwoNodes(two, two.add_node(**NODE), Path(short))
        finally:
            two.shutdown()


@pytest.fixture
def spec(tmp_path: Path, digits: Corpus) -> Path:
    """A job, on images that lie at a path of this machine."""
    np.savez(tmp_path / "own.npz", images=digits.images[:60])
    own = {"corpus": str(tmp_path / "own.npz"), "n_train": 8}
    content = {
        "common": {**own, "steps": 4, "batch": 8, "width": 16},
        "arms": [{"arm": "ambient", "cutoff": 0.5}],
        "seeds": [3],
        "stages": 1,
        "samples": 60,
    }
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def start(spec: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "ambient", "sweep", "--spec", str(spec), "--out", str(out)]
    return subprocess.Popen([*line, *more], stderr=subprocess.PIPE, text=True)


def table(out: Path) -> dict[str, Any]:
    """The table without the seconds, which are the machine's."""
    found: dict[str, Any] = json.loads((out / "table.json").read_text(encoding="utf-8"))
    for row in found["rows"]:
        del row["seconds"]
    return found


def begun(scratch: Path) -> set[Path]:
    """The runs that nodes make, or made when they were lost."""
    return set(scratch.glob("ambient-*/*/config.json"))


def at_work(scratch: Path) -> list[str]:
    """Command lines of the jobs that run."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone meanwhile
            words = line.read_bytes().decode(errors="replace").split("\0")
            found += [" ".join(words)] if f"{scratch}/ambient-" in " ".join(words) else []
    return found


@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_table_of_a_local_sweep(
    nodes: TwoNodes, spec: Path, tmp_path: Path
) -> None:
    ((name, config),) = read_sweep(spec).jobs.items()
    swept = start(spec, tmp_path / "there", "--ray", nodes.address)
    until(lambda: bool(begun(nodes.scratch)))
    lost = begun(nodes.scratch)
    nodes.ray.remove_node(nodes.second, allow_graceful=False)  # at once: the job takes seconds
    assert swept.poll() is None, "the job ended before its node was lost"
    nodes.ray.add_node(**NODE)
    until(lambda: bool(begun(nodes.scratch) - lost))
    said = swept.communicate()[1]
    assert swept.returncode == 0, said
    assert "1 of 1 runs" in said

    local = start(spec, tmp_path / "here")
    assert local.wait() == 0, local.communicate()[1]
    assert table(tmp_path / "there") == table(tmp_path / "here")
    there, here = (open_run(tmp_path / place / name) for place in ("there", "here"))
    assert there.config == here.config == config
    assert there.corpus().sha256 == here.corpus().sha256
    assert there.checkpoint_sha256() == here.checkpoint_sha256()
    assert not (there.path / "images.npz").exists()
    assert here.resume_steps
    assert not there.resume_steps


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc to look up processes in")
def test_a_sweep_that_is_stopped_leaves_no_job_behind(
    nodes: TwoNodes, spec: Path, tmp_path: Path
) -> None:
    before = begun(nodes.scratch)  # a lost node's job may still be at work
    swept = start(spec, tmp_path / "s", "--ray", nodes.address)
    until(lambda: bool(begun(nodes.scratch) - before))
    swept.send_signal(signal.SIGINT)
    assert swept.communicate()[1].splitlines()[-1] == "stopped."
    assert swept.returncode == 1
    until(lambda: not at_work(nodes.scratch))


def test_without_ray_one_line_says_what_to_install(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    line = ["sweep", "--spec", str(spec), "--out", str(tmp_path / "s"), "--ray", "127.0.0.1:6379"]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "pip install -r requirements-ray.txt" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "s").exists()


def refused(address: str, spec: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    pytest.importorskip("ray", reason="ray is not installed: requirements-ray.txt")
    began = time.monotonic()
    assert main(["sweep", "--spec", str(spec), "--out", str(out), "--ray", address]) == 2
    assert time.monotonic() - began < 20
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"--ray is '{address}'" in said
    assert "expected host:port" in said
    assert not out.exists()
    return said


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999"])
def test_an_address_without_a_cluster_is_refused(
    address: str, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(address, spec, tmp_path / "s", capsys)


def test_another_server_is_no_cluster(
    spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cluster, "TRIAL", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert "no Ray cluster" in refused(address, spec, tmp_path / "s", capsys)
