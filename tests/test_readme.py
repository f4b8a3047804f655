"""The README's figures are those of the bundled files, and its example runs."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
from pathlib import Path

from ambient.run import open_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_results_are_the_protocols() -> None:
    result = json.loads((ROOT / "assets/results/protocol.json").read_text(encoding="utf-8"))
    rows = [r for r in result["rows"] if r["step"] == open_run(r["run"]).last_step]
    assert len(rows) >= 4
    for row in rows:
        assert f"{100 * row['copies']:.1f} %" in README, row["run"]
        assert row["checkpoint_sha256"] == open_run(row["run"]).checkpoint_sha256()
    chosen = next(r for r in rows if r["run"].endswith(f"ambient-{result['cutoff']}"))
    gap, low, high = chosen["difference"]
    sentence = f"copying falls by {-100 * gap:.0f} points\n  (95 % interval {-100 * high:.0f} to "
    assert f"{sentence}{-100 * low:.0f})" in README


def test_the_results_page_is_made_of_the_protocols_file() -> None:
    spec = importlib.util.spec_from_file_location("protocol", ROOT / "scripts/protocol.py")
    assert spec is not None
    assert spec.loader is not None
    protocol = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    result = json.loads(protocol.RESULT.read_text(encoding="utf-8"))
    assert protocol.page(result) == protocol.PAGE.read_text(encoding="utf-8")


def test_results_at_100_are_the_reports() -> None:
    rates = []
    for name in ("emoji-100-standard", "emoji-100-ambient-1.0"):
        report = open_run(name).report()
        assert report is not None
        rates.append(100 * report["copies"]["ratio"]["rate"])
    assert f"{rates[0]:.0f} % copies without a cutoff, {rates[1]:.0f} % at cutoff 1" in README


def test_the_example_prints_a_real_number() -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(example[1], {})
    report = open_run("emoji-100-standard").report()
    assert report is not None
    assert out.getvalue().startswith(f"{report['copies']['ratio']['rate']:.1%} copies")
