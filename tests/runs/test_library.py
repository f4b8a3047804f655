"""The library: the lines of the README, from training to a page to hand on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ambient
from ambient.runs.folder import Run


def test_whole_jobs_are_a_line_each(tmp_path: Path) -> None:
    made = tmp_path / "made.npz"
    run = ambient.train("digits", n_train=50, cutoff=1.0, steps=2, width=16, out=tmp_path / "run")
    assert (run.last_step, run.config.arm, run.config.cutoff) == (2, "ambient", 1.0)
    report = ambient.evaluate(run, n=100, features="pixels")
    assert 0 <= report.copies.low <= report.copies.rate <= report.copies.high <= 1
    report.save(tmp_path / "report.json")
    assert (tmp_path / "report.json").stat().st_size > 10_000
    ambient.sample(run, seeds=range(30), steps=4).save(made)
    found = ambient.audit(generated=made, train="digits", features="pixels", quality=False)
    found.html(tmp_path / "audit.html")
    assert "</html>" in (tmp_path / "audit.html").read_text(encoding="utf-8")


def test_an_image_depends_on_its_seed_alone(tiny_run: Run, tmp_path: Path) -> None:
    some, one = (
        ambient.sample(tiny_run, seeds=[5, 9], steps=4),
        ambient.sample(tiny_run, [9], steps=4),
    )
    assert some.seeds.tolist() == [5, 9]
    np.testing.assert_array_equal(some.images[1:], one.images)
    with pytest.raises(ambient.InputError, match="expected a name ending in .npz or .png"):
        some.save(tmp_path / "x.gif")


def test_what_could_not_be_trained_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ambient.InputError, match="'depth' is no choice; expected some of corpus"):
        ambient.train("digits", depth=3, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
