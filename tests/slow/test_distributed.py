"""Several processes train as one does: the same weights, one run folder, one line when it fails."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from ambient.cli import main
from ambient.config import ARMS
from ambient.diffusion import distributed
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import expand
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.runs.folder import STOP_FILE, Run, open_run
from tests.jobs import until

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 240  # seconds that a launch may take on a busy machine; half a dozen on a free one
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
# A batch of 9: two processes take 4 and 5 images, three take 3 each.
TINY = ["--corpus", "digits", "--n-train", "16", "--batch", "9", "--width", "16"]
TINY += ["--arm", "ambient", "--cutoff", "0.5", "--dtype", "float32", "--checkpoint-every", "6"]


def torchrun(processes: int, *words: object) -> subprocess.CompletedProcess[str]:
    """`torchrun` of what follows, on this machine."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*launch, f"--nproc_per_node={processes}", *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=LIMIT
    )


def begin(processes: int, *words: object) -> list[subprocess.Popen[str]]:
    """The same processes without torchrun, which would end them all when one ends."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    world = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    world |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "ambient", "train", *map(str, words)], cwd=ROOT, text=True,
            env={**ENVIRONMENT, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for rank in range(processes)
    ]  # fmt: skip


def state(run: Run) -> dict[str, Any]:
    return torch.load(run.path / f"resume/step-{run.saved_step:06d}.pt", weights_only=True)


def assert_alike(a: Run, b: Run) -> None:
    """The same run up to the order of sums."""
    assert (a.path / "config.json").read_bytes() == (b.path / "config.json").read_bytes()
    left, right = state(a), state(b)
    for part in ("step", "weights", "average", "optimizer", "losses"):
        assert_close(left[part], right[part], rtol=1e-4, atol=1e-6)
    losses = [[(m["step"], m["loss"]) for m in run.metrics()] for run in (a, b)]
    assert_close(*losses, rtol=1e-5, atol=2e-6)
    # But for what a slow machine saves between stages.
    files = [
        {str(p.relative_to(run.path)) for p in run.path.rglob("*") if p.parent.name != "resume"}
        for run in (a, b)
    ]
    assert files[0] == files[1]
    assert a.status == b.status == "done"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one`, by one process, and `half`, its first half by two."""
    folder = tmp_path_factory.mktemp("distributed")
    half = torchrun(2, "-m", "ambient", "train", *TINY, "--steps", 6, "--out", folder / "half")
    assert half.returncode == 0, half.stderr
    for name in ("one", "first"):
        assert main(["train", *TINY, "--steps", "6", "--out", str(folder / name)]) == 0
    assert main(["train", "--resume", str(folder / "one"), "--steps", "12"]) == 0
    return folder


def test_two_processes_train_as_one(runs: Path) -> None:
    assert_alike(open_run(runs / "first"), open_run(runs / "half"))


@pytest.mark.parametrize("processes", [1, 3])
def test_another_number_of_processes_goes_on(runs: Path, tmp_path: Path, processes: int) -> None:
    shutil.copytree(runs / "half", tmp_path / "run")
    words = ["train", "--resume", str(tmp_path / "run"), "--steps", "12"]
    if processes == 1:
        assert main(words) == 0
    else:
        launched = begin(processes, *words[1:])
        said = [p.communicate(timeout=LIMIT)[0] for p in launched]
        assert [p.returncode for p in launched] == [0] * processes, said
    assert_alike(open_run(runs / "one"), open_run(tmp_path / "run"))


def test_a_stop_ends_all_processes_at_the_same_step(tmp_path: Path) -> None:
    out = tmp_path / "run"
    many = ["--steps", "100000", "--checkpoint-every", "100000", "--width", "16"]
    processes = begin(2, "--preset", "digits-copy", *many, "--out", out)
    until((out / "metrics.jsonl").exists)
    (out / STOP_FILE).write_text("pause")
    said = [p.communicate(timeout=LIMIT)[0] for p in processes]
    assert [p.returncode for p in processes] == [0, 0], said
    run = open_run(out)
    assert run.status == "paused"
    assert 0 < run.saved_step < 100000
    assert f"stopped as asked, saved at step {run.saved_step}" in said[0]
    assert said[1] == ""
    assert not (out / STOP_FILE).exists()


def test_bad_input_is_one_line_under_torchrun(tmp_path: Path) -> None:
    few = [*TINY, "--batch", 1, "--out", tmp_path / "run"]
    failed = torchrun(2, "-m", "ambient", "train", *few)
    assert failed.returncode != 0
    lines = [line for line in failed.stderr.splitlines() if line.startswith("ambient train")]
    assert lines == [
        "ambient train: batch is 1 and 2 processes are to share it; start fewer with "
        "--nproc_per_node, or give a larger --batch."
    ]
    assert not (tmp_path / "run").exists()


def test_all_processes_end_when_the_first_fails(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(runs / "half", out)
    broken = state(open_run(out))
    for weight in broken["weights"].values():
        weight *= 1e30
    torch.save(broken, out / "resume/step-000006.pt")
    processes = begin(2, "--resume", out, "--steps", 8)
    said = [p.communicate(timeout=LIMIT)[0] for p in processes]
    assert [p.returncode for p in processes] == [1, 1], said
    line = "ambient train: the loss is nan at step 7; train again with a lower --lr."
    assert said[0].splitlines()[-1].startswith(line)
    assert said[1] == ""
    assert open_run(out).status == "failed"


def test_a_lost_process_ends_the_others(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    processes = begin(2, *TINY, "--steps", 100000, "--checkpoint-every", 100000, "--out", out)
    until((out / "metrics.jsonl").exists)
    processes[1].send_signal(signal.SIGKILL)
    said = processes[0].communicate(timeout=LIMIT)[0]
    processes[1].communicate()
    assert processes[0].returncode == 1
    assert "ambient train: another process of this training is gone" in said
    assert "go on from the last saved step with --resume" in said
    assert open_run(out).status == "failed"


def test_every_image_of_a_batch_is_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    for size, batch in ((1, 8), (2, 9), (3, 8), (8, 8)):
        monkeypatch.setattr(distributed, "size", lambda size=size: size)
        taken = []
        for rank in range(size):
            monkeypatch.setattr(distributed.dist, "get_rank", lambda rank=rank: rank)
            taken += list(range(batch))[distributed.rows(batch)]
        assert taken == list(range(batch))
        with pytest.raises(InputError, match=f"batch is {size - 1} and {size} processes"):
            distributed.rows(size - 1)


@pytest.mark.parametrize("arm", ARMS)
def test_a_process_draws_the_noise_of_the_whole_batch(arm: str, digits: Corpus) -> None:
    images = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    sigma = torch.linspace(0.1, 3, 9)

    def losses(*rows: slice) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return denoising_loss(
            lambda x, s: x / (1 + expand(s)), arm, images, images + 0.5, sigma, 0.5, 1.0,
            generator, *rows,
        )  # fmt: skip

    assert torch.equal(torch.cat([losses(slice(0, 4)), losses(slice(4, 9))]), losses())
