"""Comparisons over seeds: planted differences, and paths whose answer is known by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import convert, to_builtins
from msgspec.structs import replace
from scipy import stats

from ambient.cli import main
from ambient.copies.records import Report, Sample
from ambient.diffusion.schedule import SamplerConfig
from ambient.reports.comparison import (
    Mean,
    Paired,
    Unpaired,
    apart,
    changed,
    on_same_noise,
    sampled,
    shaped,
)
from ambient.reports.records import Audit
from ambient.runs.folder import open_run


def test_the_interval_is_scipys() -> None:
    values = [0.31, 0.42, 0.28, 0.55]
    m = Mean.of(values)
    assert m is not None
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (m.value, m.low, m.high) == pytest.approx((np.mean(values), low, high))


def test_one_run_says_nothing_of_others_and_none_nothing_at_all() -> None:
    one = Mean.of([0.4])
    assert one is not None
    assert (one.value, one.count) == (0.4, 1)
    assert math.isinf(one.high)
    assert Mean.of([]) is None


def test_two_runs_are_compared_on_the_same_noise() -> None:
    first = np.array([True] * 60 + [False] * 40)
    second = np.roll(first, 10)  # as many copies, ten of them other ones
    same = Paired.of(first, second)
    assert (same.both, same.first, same.second, same.neither) == (50, 10, 10, 30)
    assert same.difference == 0 and same.low < 0 < same.high
    fewer = Paired.of(first, first & (np.arange(100) >= 30))
    assert fewer.difference == pytest.approx(-0.3)
    share = stats.binom.interval(0.95, 100, 0.3)  # 30 of 100 pairs changed, all one way
    assert (fewer.low, fewer.high) == pytest.approx((-share[1] / 100, -share[0] / 100), abs=0.015)


def _of_table(both: int, lost: int, gained: int, neither: int) -> Paired:
    first = np.repeat([True, True, False, False], [both, lost, gained, neither])
    return Paired.of(first, np.repeat([True, False, True, False], [both, lost, gained, neither]))


def test_pairs_are_compared_as_tango_does() -> None:
    found = _of_table(1, 1, 7, 12)  # Fagerland, Lydersen and Laake (2014), table V: 0.026 to 0.517
    assert found.difference == pytest.approx(6 / 21)
    assert (found.low, found.high) == pytest.approx((0.026, 0.517), abs=5e-4)
    turned = _of_table(1, 7, 1, 12)
    assert (turned.low, turned.high) == (-found.high, -found.low)


@pytest.mark.parametrize(("both", "neither"), [(0, 1000), (1000, 0), (190, 810), (0, 1)])
def test_pairs_that_all_agree_still_leave_an_interval(both: int, neither: int) -> None:
    found, n = _of_table(both, 0, 0, neither), both + neither
    reach = 1.96**2 / (n + 1.96**2)  # of Tango's statistic at b = c = 0, by hand
    assert (found.difference, found.low, found.high) == pytest.approx((0, -reach, reach), rel=1e-4)


@pytest.mark.parametrize(
    ("shares", "n"),
    [
        ([0.2, 0.15, 0.05], 1000),
        ([0.01, 0.003, 0.003], 1000),  # two good cutoffs: few copies, hardly a discordant pair
        ([0.5, 0.0, 0.002], 1000),  # both alike, and one in seven draws without any such pair
    ],
)
def test_paired_intervals_hold_the_truth_as_often_as_they_say(shares: list[float], n: int) -> None:
    tables = np.random.default_rng(0).multinomial(n, [*shares, 1 - sum(shares)], 500)
    truth = shares[2] - shares[1]
    kinds, counts = np.unique(tables[:, 1:3], axis=0, return_counts=True)  # all that they depend on
    found = [_of_table(0, lost, gained, n - lost - gained) for lost, gained in kinds]
    held = [p.low <= truth <= p.high for p in found]
    assert 0.92 < np.average(held, weights=counts) < 0.99


def test_two_independent_sets_are_compared_as_newcombe_does() -> None:
    found = Unpaired.of((48, 56), (80, 70))  # his example (a), table II, method 10
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    none = Unpaired.of((0, 0), (20, 10))  # (h): no event on either side still has a width
    assert (none.low, none.high) == pytest.approx((-0.1611, 0.2775), abs=5e-5)
    rng = np.random.default_rng(0)
    hits = rng.binomial([200, 300], [0.1, 0.25], (500, 2)).tolist()
    held = [Unpaired.of((a, b), (200, 300)) for a, b in hits]
    assert 0.92 < np.mean([u.low <= 0.15 <= u.high for u in held]) < 0.98


def _report(**changes: Any) -> Report:
    """The bundled report of digits-50-standard, changed."""
    report = open_run("digits-50-standard").report()
    assert report is not None
    return replace(shaped(report, open_run("digits-50-standard").config), **changes)


def _samples(copies: Mapping[int, bool]) -> tuple[Sample, ...]:
    """Samples by seed."""
    some = _report().samples[0]
    return tuple(replace(some, seed=s, copy=copy) for s, copy in copies.items())


def test_only_common_seeds_are_compared() -> None:
    first = _report(samples=_samples({s: s in (1, 5, 9) for s in range(10)}))
    second = _report(samples=_samples({s: s in (9, 12) for s in range(5, 20)}))
    found = on_same_noise(first, second)
    assert found is not None
    assert (found.count, found.both, found.first, found.second) == (5, 1, 1, 0)
    assert on_same_noise(_report(samples=first.samples[:3]), second) is None


def test_what_two_runs_differ_in() -> None:
    standard = open_run("emoji-300-standard").config
    ambient = open_run("emoji-300-ambient-1.0").config
    assert changed(standard, standard) == {}
    assert changed(standard, ambient) == {"cutoff": ("standard", "ambient 1")}
    digits = open_run("digits-50-standard").config
    assert {"corpus", "n_train", "steps"} <= set(changed(standard, digits))


@pytest.mark.parametrize(
    ("other", "differ"),
    [
        ({}, {}),
        ({"steps": 36}, {"sampler_steps": (18, 36)}),
        ({"sampler": "euler"}, {"sampler": ("heun", "euler")}),
        ({"sigma_min": 0.0100005}, {}),  # the lowest level of a usual pipeline
        ({"stop_at": 1.05}, {}),  # follows from the arm
        (None, {}),  # images of anyone's
    ],
)
def test_what_two_reports_were_sampled_by(
    other: dict[str, Any] | None, differ: dict[str, object]
) -> None:
    how = None if other is None else SamplerConfig(**other)
    assert sampled(_report(), _report(sampler=how)) == differ


# Models that are no runs


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The training and held-out images of the run digits-50-standard, as npz."""
    run, folder = open_run("digits-50-standard"), tmp_path_factory.mktemp("sets")
    corpus = run.corpus()
    split = run.split(corpus)
    for name, rows in (("train", split.train), ("heldout", split.heldout)):
        np.savez(folder / f"{name}.npz", images=corpus.images[rows])
    return folder / "train.npz", folder / "heldout.npz"


def _compared(first: object, second: object, folder: Path) -> dict[str, Any]:
    out = folder / "compared.json"
    assert main(["compare", str(first), str(second), "--json", str(out)]) == 0
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_a_run_and_a_sampled_model_pair_on_the_same_seeds(
    tmp_path: Path, sets: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The model is the run's own network: the same noise makes the same samples."""
    name, target = "digits-50-standard", tmp_path / "audit.json"
    command = ["audit", "--model", name, "--n", "100", "--seed", "30", "--features", "pixels"]
    command += ["--train", str(sets[0]), "--heldout", str(sets[1]), "--skip-quality"]
    assert main([*command, "--json", str(target)]) == 0
    found = _compared(name, target, tmp_path)["paired"]
    assert "on 100 common seeds" in capsys.readouterr().err
    report = open_run(name).report()
    assert report is not None
    judged = {s.seed: s.copy for s in report.samples}
    copies = sum(judged[seed] for seed in range(30, 130))
    assert found["count"] == 100 and found["both"] + found["first"] == copies
    assert found["first"] + found["second"] <= 2  # another kind of machine rounds otherwise


ANOTHER = {"corpus": replace(_report().corpus, sha256="another")}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        (ANOTHER, ""),
        ({"sampler": SamplerConfig("euler", sigma_min=0.02)}, ""),
        ({"sampler": None}, "nobody knows from which noise"),  # images of anyone's
        (ANOTHER | {"shape": None}, "does not say how large"),
        (ANOTHER | {"shape": (16, 16, 1)}, "different sizes"),
        ({"sampler": SamplerConfig(sigma_max=20.0)}, "begin at different noise levels"),
        ({"seed": 1000}, "no seed was judged on both sides"),
    ],
)
def test_which_samples_are_of_the_same_noise(changes: dict[str, Any], why: str) -> None:
    report, made = _report(), {"file": "a", "nearest_file": "b", "second_file": "c"}
    samples = [to_builtins(sample) | made for sample in report.samples[:2]]
    fields = to_builtins(report) | {"run": None, "seed": 5, "samples": samples}
    other = convert(fields | {"generated": {"name": "x", "sha256": "y"}}, Audit)
    other = replace(other, **changes)
    for found in (apart(report, other), apart(other, report)):
        assert why in found if why else found == ""
    pairs = on_same_noise(report, other)
    assert why or (pairs is not None and pairs.count == 2)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"samples": []}, "it has no samples"),
        ({"seed": None}, "Expected `int`, got `null` - at `$.seed`"),
        ({"run": None}, "it: Object missing required field `file`"),
    ],
)
def test_a_report_of_another_form_is_one_line(
    tmp_path: Path,
    changes: dict[str, Any],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(to_builtins(_report()) | changes), encoding="utf-8")
    assert main(["compare", "digits-50-standard", str(path)]) == 2
    said = capsys.readouterr().err.strip()
    assert "is no report; expected what `audit --json FILE` writes" in said
    assert complaint in said and "\n" not in said
