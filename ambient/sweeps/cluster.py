"""The jobs of a sweep as tasks on a Ray cluster: needs the optional package ray.

A job's run folder is made on the node that does it and comes back whole, so that nothing has to be
shared between machines. Code, bundled images and the weights of features travel with the
sweep; its own images travel once. What a node needs is Python, requirements.txt and the same ray.
"""

from __future__ import annotations

import io
import logging
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from ambient.config import Config
from ambient.files import InputError, write_atomically
from ambient.images.corpus import BUNDLED
from ambient.images.zips import zipped
from ambient.runs.folder import IMAGES_FILE, OWN
from ambient.runs.start import packed
from ambient.sweeps.spec import Sweep, images_of
from ambient.sweeps.sweep import Here, do_job

ROOT = Path(__file__).resolve().parent.parent.parent
TRAVEL = (
    "ambient",
    *(f"assets/{part}" for part in ("corpora", "encoder", "features", "imagenet")),
)  # what a job reads
NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}  # jobs ask for none; versions of Ray differ in hiding them
WAITING = 1000  # jobs at most that a cluster is given at once
ATTEMPTS = 4  # at a job whose node dies
PATIENCE = 5.0  # seconds for an address to answer at all
TRIAL = 30.0  # seconds for it to answer as a Ray cluster; Ray itself tries for two minutes
TRY = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)"


@contextmanager
def cluster(address: str) -> Iterator[There]:
    """Connect to a running Ray cluster; what `carry_out` needs to do jobs there.

    Args:
        address: host:port of its head, ray://host:port from outside of it, or `auto`.

    Raises:
        InputError: no ray installed, or no cluster of this ray and Python at the address.
    """
    try:
        import ray
    except ImportError as e:
        raise InputError(
            "--ray needs Ray, which is not installed; `pip install -r requirements-ray.txt`."
        ) from e
    _check_address(address)
    with tempfile.TemporaryDirectory(prefix="ambient-") as code:
        for part in TRAVEL:
            shutil.copytree(ROOT / part, Path(code) / part)
        ray.init(
            address,
            runtime_env={"working_dir": code, "env_vars": NO_GPU},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield There(ray)
    finally:
        ray.shutdown()


class There(Here):
    """Does jobs on a cluster, one CPU each; a thread here waits for each of them."""

    def __init__(self, ray: Any) -> None:
        super().__init__(workers=WAITING)
        self.ray, self.lock = ray, Lock()
        self.task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_do_there)
        self.images: dict[tuple[str, bool], Any] = {}
        self.jobs: set[Any] = set()

    def do(self, spec: Sweep, out: Path, name: str) -> None:
        config = spec.jobs[name]
        began = zipped(out, (out / name).rglob("*"))
        with self.lock:
            asked = config.corpus, config.text
            if config.corpus not in BUNDLED and asked not in self.images:
                self.images[asked] = self.ray.put(packed(images_of(*asked)))
            job = self.task.remote(
                replace(spec, jobs={name: config}), began, self.images.get(asked)
            )
            self.jobs.add(job)
        try:
            files, error = self.ray.get(job)
        except self.ray.exceptions.RayError as e:
            why = str(getattr(e, "cause", e)).strip()
            raise ChildProcessError(why.splitlines()[0]) from e
        with self.lock:
            self.jobs.discard(job)
            _unzip(files, out, name)
        if error:
            raise ChildProcessError(error)

    def end(self) -> None:
        """End all jobs that are still at work."""
        with self.lock:
            for job in self.jobs:
                self.ray.cancel(job, force=True)


def _check_address(address: str) -> None:
    """Refuse in seconds what `ray.init` would try for minutes."""
    expected = "expected host:port of a running Ray cluster, ray://host:port or auto"
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if not host or not port.isdecimal():
            raise InputError(f"--ray is '{address}'; {expected}.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        except (OSError, OverflowError) as e:
            raise InputError(
                f"--ray is '{address}', where nothing answers ({e}); {expected}. "
                "`ray start --head` starts one."
            ) from e
    try:
        tried = subprocess.run(
            [sys.executable, "-c", TRY, address],
            capture_output=True,
            text=True,
            timeout=TRIAL,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise InputError(f"--ray is '{address}', which is no Ray cluster; {expected}.") from e
    if tried.returncode:
        why = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"--ray is '{address}', which cannot be used: {why}; {expected}.")


def _do_there(spec: Sweep, began: bytes, images: bytes | None) -> tuple[bytes, str | None]:
    """On a node: go on with the one job of `spec` from the files that there are of it.

    Returns:
        Its run folder and log as a zip, and why it failed or None. Only of an unfinished run the
        resume states come along.
    """
    ((name, config),) = spec.jobs.items()
    error = None
    with tempfile.TemporaryDirectory(prefix="ambient-") as scratch:
        root, folder = Path(scratch), Path(scratch) / name
        zipfile.ZipFile(io.BytesIO(began)).extractall(root)
        if images:
            _bring(folder, config, images)
        try:
            do_job(folder, config, spec)
        except ChildProcessError as e:
            error = str(e)
        if images:
            _take_away(folder, config)
        files = (p for p in root.rglob("*") if error or p.parent.name != "resume")
        return zipped(root, files), error


def _bring(folder: Path, config: Config, images: bytes) -> None:
    """Images that are not at the same place here go into the run folder, as an upload's do."""
    write_atomically(folder / IMAGES_FILE, images)
    write_atomically(folder / "config.json", config.replace(corpus=OWN).to_json())


def _take_away(folder: Path, config: Config) -> None:
    """At home the images are where the config says."""
    (folder / IMAGES_FILE).unlink()
    write_atomically(folder / "config.json", config.to_json())


def _unzip(files: bytes, out: Path, name: str) -> None:
    """Put a run folder that came back in its place, and its log behind ours."""
    with tempfile.TemporaryDirectory(prefix=".arriving-", dir=out) as scratch:
        zipfile.ZipFile(io.BytesIO(files)).extractall(scratch)
        with (out / "log.txt").open("a", encoding="utf-8") as f:
            f.write((Path(scratch) / "log.txt").read_text(encoding="utf-8"))
        if (out / name).exists():
            shutil.rmtree(out / name)
        (Path(scratch) / name).rename(out / name)
