"""Sweeps: a table from a spec, kept work, and one line for what cannot be done."""

import json
import math
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambient.cli import main
from ambient.files import InputError
from ambient.images.corpus import Corpus
from ambient.reports import curves
from ambient.sweeps import sweep
from ambient.sweeps.spec import read_sweep
from scripts.sweep_tables import between

SPEC: dict[str, Any] = {
    "common": {"corpus": "digits", "n_train": 16, "steps": 4, "batch": 8, "width": 16},
    "arms": [{"arm": "standard"}, {"arm": "ambient", "cutoff": 0.5}],
    "seeds": [3],
    "stages": 2,
    "samples": 50,
}


def write(path: Path, **changes: object) -> Path:
    path.write_text(json.dumps({**SPEC, **changes}), encoding="utf-8")
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, blank_sheets: None) -> None:
    """Jobs run their commands in this process, and measure curves on few images."""

    def command(log: Path, *words: object) -> None:
        if main([*map(str, words)]):
            raise ChildProcessError(log)

    few = partial(curves.noise_level_curves, images=4, noises=1, returns=2)
    monkeypatch.setattr(curves, "noise_level_curves", few)
    monkeypatch.setattr(sweep, "command", command)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # jobs run in threads


@pytest.mark.usefixtures("quick")
def test_a_table_comes_back_from_finished_runs(tmp_path: Path, digits: Corpus) -> None:
    np.savez(tmp_path / "own.npz", images=digits.images[:150])
    common = {**SPEC["common"], "corpus": str(tmp_path / "own.npz")}
    spec, out = write(tmp_path / "spec.json", common=common), tmp_path / "s"
    names = list(read_sweep(spec).jobs)
    command = ["sweep", "--spec", str(spec), "--out", str(out)]
    assert main(command) == 0
    table = json.loads((out / "table.json").read_text())
    assert [(r["run"], r["step"]) for r in table["rows"]] == [(n, s) for n in names for s in (2, 4)]
    assert all(r["copies_ci95"][0] <= r["copies"] <= r["copies_ci95"][1] for r in table["rows"])
    assert [c["run"] for c in table["curves"]] == names
    assert table["missing"] == []
    weights = out / names[0] / "checkpoints" / "step-000004.safetensors"
    made = weights.stat().st_mtime_ns
    (out / "table.json").unlink()
    assert main(command) == 0
    assert json.loads((out / "table.json").read_text()) == table
    write(spec, common=common, samples=60, arms=SPEC["arms"][:1])  # another number is judged anew
    assert main(command) == 0
    rows = json.loads((out / "table.json").read_text())["rows"]
    assert [r["n_samples"] for r in rows] == [60, 60]
    with np.load(out / "records.npz") as records:
        assert np.bincount(records["row"]).tolist() == [60, 60]
    assert weights.stat().st_mtime_ns == made


def test_arms_may_differ_in_the_network(tmp_path: Path) -> None:
    arms = [{"arm": "standard", "network": name} for name in ("bands", "concat")]
    jobs = read_sweep(write(tmp_path / "spec.json", arms=arms)).jobs
    assert [c.network for c in jobs.values()] == ["bands", "concat"]
    assert "digits-16-standard-network-bands-width-16-batch-8-seed-3" in jobs
    assert list(read_sweep(write(tmp_path / "spec.json")).jobs) == [
        "digits-16-standard-width-16-batch-8-seed-3",
        "digits-16-ambient-0.5-width-16-batch-8-seed-3",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arms": [{"arm": "nonsense"}]}, "arm is 'nonsense'"),
        ({"arms": [{"arm": "standard", "depth": 3}]}, "the choice 'depth'"),
        ({"arms": [{"arm": "standard"}] * 2}, "twice"),
        ({"stage": 2}, "unknown field `stage`"),
        ({"common": {**SPEC["common"], "steps": 4.5}}, "steps is 4.5; expected a whole number"),
        ({"arms": [{"arm": "standard", "text": True}]}, "'digits' has no captions; give"),
    ],
)
def test_a_bad_spec_is_refused_before_training(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_sweep(write(tmp_path / "spec.json", **changes))


def test_a_folder_of_another_run_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = read_sweep(write(tmp_path / "spec.json", arms=[{"arm": "standard"}]))
    (name, config), *_ = spec.jobs.items()
    folder = tmp_path / "s" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json().replace('"steps": 4', '"steps": 5'))
    command = ["sweep", "--spec", str(tmp_path / "spec.json"), "--out", str(tmp_path / "s")]
    assert main(command) == 2
    assert "trained with steps 5 and the spec asks for 4" in capsys.readouterr().err


def test_paths_are_compared_where_both_have_one_quality() -> None:
    def path(offset: float) -> list[dict[str, float]]:
        return [{"kid": k, "copies": offset - math.log10(k) / 2} for k in (1.0, 0.3, 0.1, 0.04)]

    shorter = [row for row in path(0.1) if row["kid"] > 0.05]
    assert between(path(0.3), shorter) == pytest.approx(0.2)
    assert between(shorter, [{"kid": 3.0, "copies": 0.0}]) is None
