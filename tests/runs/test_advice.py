"""Advice on small sets: a planted law is found, its interval covers, and words say what it is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from ambient.cli import main
from ambient.diffusion.levels import cutoff_report
from ambient.files import encode_record
from ambient.images.corpus import Corpus
from ambient.reports.onset import (
    Started,
    UntriedError,
    expected_onset,
    laws,
    seen_at_onset,
    stored_rows,
    usual_n_train,
)


def planted(power: float, noise: float, seed: int, count: int = 12) -> list[Started]:
    rng = np.random.default_rng(seed)
    sizes = np.resize([25, 50, 100, 200], count)
    seen = 400 * sizes**power * np.exp(noise * rng.standard_normal(count))
    return [
        Started(corpus="planted", n_train=int(n), seen=float(s))
        for n, s in zip(sizes, seen, strict=True)
    ]


def test_the_onset_is_read_off_between_two_stages() -> None:
    path = [(100, 0.0), (200, 0.05), (300, 0.25), (400, 0.5)]
    assert seen_at_onset(path, batch=32) == pytest.approx(32 * 225)
    assert seen_at_onset(path[:2], batch=32) is None  # it never began
    assert seen_at_onset(path[2:], batch=32) is None  # it began before anyone looked


def test_a_planted_law_is_found() -> None:
    rows = planted(1.2, 0.0, 0)
    found = expected_onset(140, 32, rows)
    assert laws(rows)["planted"].power == pytest.approx(1.2)
    assert found.step == found.low == found.high == round(400 * 140**1.2 / 32)


def test_the_interval_covers_another_run_nineteen_times_of_twenty() -> None:
    """With scatter of runs alone, and with that of numbers of images, which runs there share."""
    rng = np.random.default_rng(1)
    for shared in (0.0, 0.3):
        inside = 0
        for seed in range(300):
            common = dict(zip((25, 50, 100, 200), shared * rng.standard_normal(4), strict=True))
            rows = [
                replace(r, seen=r.seen * math.exp(common[r.n_train]))
                for r in planted(1.0, 0.3, seed)
            ]
            found = expected_onset(140, 1, rows)
            scatter = math.hypot(shared, 0.3) * rng.standard_normal()
            inside += found.low <= 400 * 140 * math.exp(scatter) <= found.high
        assert inside / 300 >= 0.93


def test_no_number_is_given_beyond_what_was_tried() -> None:
    rows = planted(1.0, 0.1, 0)
    assert "near step" in expected_onset(200, 32, rows).in_words()
    for n_train in (24, 201, 5000):
        with pytest.raises(UntriedError, match="the 12 stored runs, on planted, had 25 to 200"):
            expected_onset(n_train, 32, rows)


def test_kinds_have_their_own_slopes_and_are_left_out_in_turn() -> None:
    some = [replace(r, corpus="a") for r in planted(1.0, 0.05, 0)]
    other = [replace(r, corpus="b", seen=9 * r.seen) for r in planted(1.5, 0.05, 1)]
    found = expected_onset(100, 1, [*some, *other])
    powers = [law.power for law in laws([*some, *other]).values()]
    assert powers == pytest.approx([1.0, 1.5], abs=0.1)
    assert found.low < 400 * 100 < 9 * 400 * 100**1.5 < found.high
    assert (found.held, found.asked) == (0, 24)
    alike = [replace(r, corpus="b") for r in planted(1.0, 0.05, 1)]
    assert expected_onset(100, 1, [*some, *alike]).held >= 22


# The command


def test_the_command_says_what_the_stored_runs_and_closed_forms_say(
    digits: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "advice.json"
    command = ["advise", "--corpus", "digits", "--n-train", "100", "--batch", "64", "--seed", "3"]
    assert main([*command, "--json", str(out)]) == 0
    found, said = json.loads(out.read_text()), capsys.readouterr().err
    law = expected_onset(100, 64, stored_rows())
    assert found["onset"] == json.loads(encode_record(law))
    assert f"near step {law.step:,}; single runs from {law.low:,} to {law.high:,}" in said
    assert f"stop before step {law.low:,} and judge the stages" in said
    report = cutoff_report(digits, 100, 3, 3)
    assert found["cutoff"] == json.loads(encode_record(report))
    low, high = report.suggested_ci95
    assert low < report.suggested_cutoff < high
    assert (
        f"Suggested cutoff {report.suggested_cutoff:.2g} (95 % {low:.2g} to {high:.2g}): " in said
    )
    assert (found["images"], found["distinct"], found["notes"]) == (1797, 1787, [])
    assert said.startswith("1797 images, 1787 distinct; 100 to train on.\n")


def test_the_command_leaves_a_quarter_unseen_and_tells_what_was_done_to_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=np.concatenate([own, own[:4]]))
    assert main(["advise", "--corpus", str(tmp_path / "own.npz")]) == 0
    said = capsys.readouterr().err
    assert usual_n_train(40) == 30
    assert said.startswith("44 images, 40 distinct; 30 to train on.\n")
    assert "coverage comes from only 10 held-out images" in said
