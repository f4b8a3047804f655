"""Two runs spliced at a noise level, in the library and on the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ambient.cli import main
from ambient.config import Config
from ambient.files import InputError
from ambient.models.splice import spliced
from ambient.runs.folder import Run, open_run


def other(run: Run, folder: Path, **changes: object) -> Run:
    """The same weights under a changed config."""
    shutil.copytree(run.path, folder)
    config = Config.from_json(folder / "config.json").replace(**changes)
    (folder / "config.json").write_text(config.to_json())
    return open_run(folder)


def test_each_run_answers_on_its_side(tiny_run: Run, tmp_path: Path) -> None:
    """The switch itself belongs to the run below."""
    above = other(tiny_run, tmp_path / "above", sigma_data=0.3)
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([0.5, 0.8, 0.81])
    found = spliced(tiny_run, above, 0.8, step=10)(x, sigma)
    below, high = tiny_run.denoiser(10)(x, sigma), above.denoiser()(x, sigma)
    assert torch.allclose(found, torch.cat([below[:2], high[2:]]), atol=1e-6)
    assert not torch.allclose(below, high, atol=1e-3)


def drawn(path: Path, *words: str) -> np.ndarray:
    assert main(["sample", *words, "--n", "3", "--out", str(path)]) == 0
    with np.load(path) as data:
        return data["images"]


def test_the_command_splices(tiny_run: Run, tmp_path: Path) -> None:
    run, above = str(tiny_run.path), str(other(tiny_run, tmp_path / "b", sigma_data=0.3).path)
    alone, rival = drawn(tmp_path / "a.npz", run), drawn(tmp_path / "r.npz", above)
    out = tmp_path / "x.npz"
    assert np.array_equal(drawn(out, run, "--above", above, "--switch", "99"), alone)
    assert np.array_equal(drawn(out, run, "--above", above, "--switch", "0.001"), rival)
    middle = drawn(out, run, "--above", above, "--switch", "0.8")
    assert not np.array_equal(middle, alone)
    assert not np.array_equal(middle, rival)


def test_a_noisy_only_run_is_not_asked_below_its_knowledge(tiny_run: Run, tmp_path: Path) -> None:
    above = other(tiny_run, tmp_path / "noisy", arm="noisy-only", cutoff=1.0)
    spliced(tiny_run, above, 1.05)
    with pytest.raises(InputError, match="'noisy' knows nothing below 1.05; switch there"):
        spliced(tiny_run, above, 0.8)
