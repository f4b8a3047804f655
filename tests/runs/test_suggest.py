"""`suggest-cutoff`: one line with what it is, the curves behind it, and one line where it fails."""

import json
from pathlib import Path

import pytest

from ambient.cli import main

SUGGEST = ["suggest-cutoff", "--corpus", "digits"]


def test_the_suggestion_comes_with_its_rule_and_its_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "s.json"
    assert main([*SUGGEST, "--n-train", "50", "--json", str(target)]) == 0
    value = json.loads(target.read_text())
    cutoff = value["suggested_cutoff"]
    said = capsys.readouterr().err
    low, high = value["suggested_ci95"]
    assert low < cutoff < high
    assert f"suggested cutoff {cutoff:.3g} (95 % {low:.3g} to {high:.3g}): the largest" in said
    assert "a heuristic of this project" in said
    below = [level["sigma"] for level in value["levels"] if level["coverage"] <= 0.05]
    above = [level["sigma"] for level in value["levels"] if level["sigma"] > below[-1]]
    assert below[-1] <= cutoff < above[0]
    assert set(value["levels"][0]) == {
        "sigma", "loss_ideal", "posterior_max", "coverage", "leakage", "image_leakage_bound"
    }  # fmt: skip
    assert (value["corpus"], value["n_train"], value["split_seed"]) == ("digits", 50, 0)
