"""The README's figures are those of the bundled files, and its example runs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
from pathlib import Path
from typing import Any

from ambient.runs.folder import open_run

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_are_the_protocols() -> None:
    result = json.loads((ROOT / "assets/results/protocol.json").read_text(encoding="utf-8"))
    rows = [r for r in result["rows"] if r["step"] == open_run(r["run"]).last_step]
    assert len(rows) >= 4
    for row in rows:
        assert f"{100 * row['copies']:.1f} %" in README, row["run"]
        assert row["checkpoint_sha256"] == open_run(row["run"]).checkpoint_sha256()
    reports = [open_run(row["run"]).report() for row in rows]
    shown = [f"{100 * r['copies']['ratio']['rate']:.0f}" for r in reports if r]
    assert f"seeds 0 to 999: {', '.join(shown[:-1])} and {shown[-1]} %" in " ".join(README.split())
    chosen = next(r for r in rows if r["run"].endswith(f"ambient-{result['cutoff']}"))
    gap, low, high = chosen["difference"]
    sentence = f"copying falls by {-100 * gap:.0f} points\n  (95 % interval {-100 * high:.0f} to "
    assert f"{sentence}{-100 * low:.0f})" in README


def test_the_results_page_is_made_of_the_bundled_files() -> None:
    results = _script("results")
    assert results.page() == results.PAGE.read_text(encoding="utf-8")


def test_the_page_of_scale_holds_what_was_measured() -> None:
    scale = _script("scale")
    text = scale.PAGE.read_text(encoding="utf-8")
    record = json.loads(scale.RESULT.read_text(encoding="utf-8"))
    assert scale.page(record, text) == text


def test_results_at_100_are_the_sweeps() -> None:
    results = _script("results")
    sweep = results.Sweep(results.SWEEP)

    def at(arm: str, cutoff: float) -> float:
        return 100 * sweep.at_end((arm, cutoff), results.copies).value

    def less(control: str, cutoff: float) -> tuple[float, float, float]:
        m = sweep.difference((control, cutoff), results.AMBIENT, results.copies)
        return 100 * m.value, 100 * m.low, 100 * m.high

    text = " ".join(README.split())
    assert f"{at('standard', 0):.0f} % of samples are copies without a cutoff" in text
    gap, low, high = less("standard", 0.0)
    fall = f"{at('ambient', 1):.0f} % at cutoff 1: {gap:.0f} points fewer ({low:.0f} to {high:.0f})"
    assert fall in text
    gap, low, high = less("fresh", 1.0)
    assert f"ambient copies {gap:.0f} points fewer ({low:.0f} to {high:.0f})" in text
    assert low < 0 < high
    gap, low, high = less("reweight", 1.0)
    assert f"{gap:.0f} points more than ambient ({low:.0f} to {high:.0f})" in text
    for quality in results.QUALITY.values():
        found, _, _ = sweep.at_equal_quality(results.AMBIENT, ("standard", 0.0), quality, False)
        assert found.high >= 0, "ambient beats early stopping: say so"
    flagged = 100 * sweep.at_end(("standard", 0.0), lambda r: r["heldout"]).value
    assert f"unseen images the rule flags {flagged:.1f} %. - Redrawing" in text


def test_surgery_is_as_the_readme_says() -> None:
    results = _script("results")
    every = results.load("surgery")["rows"]
    sizes = {r["n_train"] for r in every}
    assert sizes == {100, 300}
    half = [h for n in sizes for h in results.halfway([r for r in every if r["n_train"] == n])]
    assert f"decided below noise level {max(half):.2f}" in README
    agreed = results.PAGE.read_text(encoding="utf-8")
    assert f"decided below sigma {max(half):.2f};" in agreed


def test_the_example_prints_a_real_number() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(example[1], {})
    report = open_run("emoji-100-standard").report()
    assert report is not None
    assert out.getvalue().startswith(f"{report['copies']['ratio']['rate']:.1%} copies")
