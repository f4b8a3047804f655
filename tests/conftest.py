"""Shared small worlds: a corpus of a few blobs, and a run trained on it for a few steps."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["AMBIENT_NICE"] = "0"  # jobs are waited for here; servers of tests hear it too

from jaxtyping import install_import_hook
from xdist.scheduler import LoadScopeScheduling

# Before anything of the maths is imported: the shapes and types in its signatures are checked.
# Not where pictures come in (features): tests hand wrong ones over to read the error.
CHECKED = ["ambient.diffusion", *(f"ambient.copies.{m}" for m in ("rules", "intervals", "quality"))]
install_import_hook(CHECKED, "beartype.beartype")

from ambient.config import WORDS, configure
from ambient.diffusion import words
from ambient.images.corpus import Corpus, load_corpus
from ambient.runs.folder import SHEET_SIDE, Run
from ambient.runs.start import start_run
from ambient.runs.train import record


class Pieces(LoadScopeScheduling):
    """What shares servers or processes stays in one piece, and begins first; the rest is single.

    It stands for the groups of pytest-xdist, which newer pytests take no notice of (its #1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        if "/browser/" in file:
            return "browser"
        return file if "/slow/" in file or file.endswith("test_finetune.py") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Pieces:
    return Pieces(config, log)


@pytest.fixture(scope="session")
def digits() -> Corpus:
    return load_corpus("digits")


@pytest.fixture(scope="session")
def emoji() -> Corpus:
    return load_corpus("emoji")


@pytest.fixture(scope="session")
def kanji() -> Corpus:
    return load_corpus("kanji")


@pytest.fixture
def pixels() -> np.ndarray:
    """20 random 8x8 RGB pictures, uint8."""
    return np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, digits: Corpus) -> Run:
    """16 digits, 20 steps, checkpoints at 10 and 20."""
    folder: Path = tmp_path_factory.mktemp("runs") / "tiny"
    config = configure(
        digits, n_train=16, steps=20, batch=8, width=16, threads=1, checkpoint_every=10
    )
    run = start_run(folder, config)
    for _ in record(run, digits):
        pass
    return run


@pytest.fixture
def blank_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on the samples of each stage."""

    def blank(run: Run, _: object) -> np.ndarray:
        c = run.config
        return np.zeros((SHEET_SIDE**2, c.side, c.side, c.channels), np.uint8)

    monkeypatch.setattr("ambient.runs.train.sheet_samples", blank)


@pytest.fixture(scope="module")
def small_vocabulary() -> Iterator[None]:
    """A few hundred random vectors of words: the packages that bring real ones are not needed."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(500, WORDS[1], generator=generator).half()

    def find(text: str) -> list[int]:
        return [crc32(w.encode()) % 500 for w in text.split() if w not in ("a", "xyzzy")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "vocabulary", lambda: words.Vocabulary(find, vectors))
        yield
