"""What is computed when a visitor asks: in turns, and never of a run that had the same name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from ambient.run import Run, open_run
from ui import data, live
from ui.evidence_room import sampling
from ui.evidence_room.exhibit import Exhibit
from ui.noise_microscope import microscope
from ui.noise_microscope.microscope import Answer, Specimen


@pytest.fixture
def run(tiny_run: Run, tmp_path: Path) -> Run:
    shutil.copytree(tiny_run.path, tmp_path / "digits-16-1")
    return open_run(tmp_path / "digits-16-1")


def replaced(run: Run, **changes: object) -> Run:
    """Another run of the same name: other settings, other weights."""
    path = run.path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")
    first, *_, last = run.steps
    shutil.copy(run.checkpoint(first), run.checkpoint(last))
    return open_run(run.path)


@pytest.mark.parametrize("changes", [{"seed": 5}, {"split_seed": 5}])
def test_noisy_copies_are_those_of_the_run_that_has_the_name_now(
    run: Run, changes: dict[str, int]
) -> None:
    run = replaced(run, arm="ambient", cutoff=1.0)
    before = live.frozen_copies(run, 4)
    again = replaced(run, **changes)
    after = live.frozen_copies(again, 4)
    assert not np.array_equal(before, after)
    assert np.array_equal(after, live.frozen_copies(again, 4))


def test_samples_and_answers_are_of_the_weights_that_a_run_has_now(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", session)
    images = data.sets(run).train[:2]
    session[f"live-{run.path}"] = made = Exhibit(images, live.judged(run, images, (0, 1)), True)
    specimen = Specimen(images[0], "a", "unseen", None)
    answer = Answer(images[0], 0.5)
    microscope._asked()[data.weights(run, 20), specimen.sha256] = {1.0: answer}
    assert sampling.drawn(run) is made
    assert microscope.network(run, 20, specimen, 1.0) is answer
    again = replaced(run)
    assert sampling.drawn(again) is None
    assert microscope.network(again, 20, specimen, 1.0) is None
    assert data.weights(again, 20) == again.checkpoint_sha256(20)
    assert data.weights(again, 15) == ""
