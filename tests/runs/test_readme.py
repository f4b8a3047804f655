"""The README's figures are those of the bundled files, and its example runs."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from ambient.runs.folder import open_run
from scripts import performance, quality, results

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_pages_of_results_are_made_of_the_bundled_files() -> None:
    for path, text in results.pages().items():
        assert text == path.read_text(encoding="utf-8"), f"make results writes another {path.name}"
    assert performance.page() == performance.TARGET.read_text(encoding="utf-8")
    assert quality.page() == quality.PAGE.read_text(encoding="utf-8")


def test_the_example_prints_a_real_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example
    out = io.StringIO()  # of fewer pictures: those of the whole corpus take a minute
    with contextlib.redirect_stdout(out):
        exec(example[1].replace('train="emoji"', "train=run.corpus().images[:200]"), {})
    report = open_run("emoji-100-standard").report()
    assert out.getvalue().startswith(f"{report.copies.rate:.1%} copies")
    assert "training images" in (tmp_path / "audit.html").read_text(encoding="utf-8")
