"""How long a large audit takes and how much memory: part of `ambient bench`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ambient.bench.rows import Row, absent
from ambient.images.corpus import load_corpus

ROOT = Path(__file__).resolve().parent.parent.parent
COPIED = 0.1  # of the generated images
THREADS = 2


def pictures(count: int, side: int, seed: int) -> NDArray[np.uint8]:
    """As many different pictures, uint8 (count, side, side, 3): two emoji in one, and a color."""
    rng = np.random.default_rng([seed, 0xA0D1])
    emoji = load_corpus("emoji").images
    scale = -(-side // emoji.shape[1])
    found = np.empty((count, side, side, 3), np.uint8)
    for i in range(count):
        a, b = emoji[rng.integers(len(emoji), size=2)]
        weight = rng.uniform(0.3, 0.7)
        mixed = weight * np.roll(a, rng.integers(8), axis=1) + (1 - weight) * b[::-1]
        large = mixed.repeat(scale, axis=0).repeat(scale, axis=1)[:side, :side]
        found[i] = np.clip(large * rng.uniform(0.6, 1, 3), 0, 255)
    return found


def measure(generated: int, train: int, side: int) -> Iterator[Row]:
    """Rows of a bench: seconds, those of processors, and peak memory of one audit in a process, and
    what it found."""
    known, copies = pictures(train, side, 0), round(COPIED * generated)
    made = np.concatenate([known[:copies], pictures(generated - copies, side, 1)])
    what = f"{generated:,} against {train:,} at {side} px"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, images in (("made", made), ("train", known)):
            np.savez(place / f"{name}.npz", images=images)
        del known, made
        command = [sys.executable, "-m", "ambient", "audit", "--skip-quality"]
        command += ["--generated", str(place / "made.npz"), "--train", str(place / "train.npz")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(THREADS)}
        began = time.perf_counter()
        child = subprocess.Popen(
            [*command, "--json", str(place / "audit.json")],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            raise ChildProcessError(f"the audit ended with {status}")
        named = json.loads((place / "audit.json").read_bytes())["answer"]["named"]
    rate = named / generated
    note = f"{100 * COPIED:.0f} % planted, {100 * rate:.1f} % named; {THREADS} threads"
    yield {**absent("audit_seconds", f"s, {what}", note), "ours": seconds}
    spent = usage.ru_utime + usage.ru_stime
    yield {**absent("audit_processor_seconds", f"s, {what}", ""), "ours": spent}
    memory = usage.ru_maxrss / 1000
    yield {**absent("audit_peak_megabytes", f"MB, {what}", ""), "ours": memory}
