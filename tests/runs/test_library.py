"""The library: the lines of the README, from training to a page to hand on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ambient
from ambient.diffusion.corruption import corrupt as frozen
from ambient.images.corpus import to_unit
from ambient.runs.folder import Run


def test_whole_jobs_are_a_line_each(tmp_path: Path) -> None:
    """An audit is one too: `test_readme.py` runs it."""
    run = ambient.train("digits", n_train=50, cutoff=1.0, steps=2, width=16, out=tmp_path / "run")
    assert (run.last_step, run.config.arm, run.config.cutoff) == (2, "ambient", 1.0)
    report = ambient.evaluate(run, n=20, features="pixels")
    assert 0 <= report.copies.low <= report.copies.rate <= report.copies.high <= 1
    with pytest.raises(ambient.InputError, match="expected a name ending in .npz or .png"):
        ambient.sample(run, [9], steps=4).save(tmp_path / "x.gif")


class Net:
    """No model: it has no shape and no images."""

    def __call__(self, x: object, sigma: object) -> object:
        return x


PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
ASKED: list[tuple[str, dict[str, Any], str]] = [
    ("evaluate", {"n": 0}, "n is 0; expected a whole number from 1"),
    ("evaluate", {"seed": -1}, "seed is -1"),
    ("evaluate", {"run": Net()}, "a Net is no run and no model; give a run, its folder, or"),
    ("evaluate", {"how": "heun"}, "how is heun; expected such as run.sampler('heun', 18)"),
    ("evaluate", {"run": "nowhere"}, "'nowhere' does not exist"),
    ("noise_level_curves", {"images": 0}, "images is 0"),
    ("sample", {"seeds": []}, "seeds is []; expected one or more"),
    ("sample", {"seeds": [1.5]}, "a seed is 1.5"),
    ("sample", {"steps": 0}, "steps is 0"),
    ("corrupt", {"cutoff": float("nan")}, "cutoff is nan"),
    ("corrupt", {"indices": [1]}, "1 indices for 60 images"),
    ("corrupt", {"images": PIXELS / np.float32(0)}, "hold NaN or infinity"),
    ("suggest_cutoff", {"corpus": None}, "own images: NoneType is no number"),
    ("audit", {"train": PIXELS[:3]}, "train: 'own images' has 3 images; at least 4"),
]


@pytest.mark.parametrize(("name", "changes", "words"), ASKED)
def test_what_cannot_be_done_is_one_line(
    name: str, changes: dict[str, Any], words: str, tiny_run: Run, tmp_path: Path
) -> None:
    usual: dict[str, dict[str, Any]] = {
        "evaluate": {"run": tiny_run, "n": 2},
        "noise_level_curves": {"run": tiny_run},
        "sample": {"run": tiny_run},
        "corrupt": {"images": PIXELS, "indices": range(60), "cutoff": 1.0},
        "suggest_cutoff": {"corpus": PIXELS, "n_train": 20},
        "train": {"corpus": PIXELS, "n_train": 20, "out": tmp_path / "run"},
        "audit": {"generated": PIXELS, "train": PIXELS},
    }
    with pytest.raises(ambient.InputError) as caught:
        getattr(ambient, name)(**usual[name] | changes)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_images_in_memory_are_trained_on_and_kept(tmp_path: Path) -> None:
    run = ambient.train(list(PIXELS), n_train=20, steps=2, width=16, out=tmp_path / "run")
    np.testing.assert_array_equal(ambient.open_run(run.path).corpus().images, PIXELS)


def test_frozen_copies_are_those_of_a_training(tiny_run: Run) -> None:
    corpus = tiny_run.corpus()
    unit = torch.from_numpy(to_unit(corpus.images[:5]))
    for images in (corpus.images[:5], list(corpus.images[:5]), unit.double()):
        torch.testing.assert_close(
            ambient.corrupt(images, range(5), 0.5, seed=3), frozen(unit, range(5), 0.5, 3)
        )
