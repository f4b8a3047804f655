"""The page that sets two runs side by side: its numbers, its pairs, and what it says of causes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ambient.run import BUNDLED_RUNS
from ui import words

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/compare.py")
    return app


def _open(app: AppTest, **query: str) -> AppTest:
    app.query_params.update(query)
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def _report(name: str) -> dict[str, Any]:
    return json.loads((BUNDLED_RUNS / name / "report.json").read_text(encoding="utf-8"))


def _text(app: AppTest) -> str:
    return "\n".join(e.value for e in [*app.markdown, *app.caption])


def test_it_opens_on_two_runs_that_differ_in_one_thing(app: AppTest) -> None:
    _open(app)
    assert "**One thing is changed:** way of training (*standard* and *ambient 1*)" in _text(app)
    shown = {m.label: m.value for m in app.metric}
    for name in ("emoji-300-standard", "emoji-300-ambient-1.0"):
        rate = words.percent(_report(name)["copies"]["ratio"]["rate"])
        assert rate in shown[f"{name}: copied"]
    assert len(app.get("image")) == 2 and len(app.get("plotly_chart")) == 2


def test_the_difference_is_that_of_the_pairs(app: AppTest) -> None:
    names = ("emoji-100-standard", "emoji-300-ambient-4.0")
    _open(app, first=names[0], second=names[1])
    copies = [{s["seed"]: s["copy"] for s in _report(name)["samples"]} for name in names]
    seeds = copies[0].keys() & copies[1].keys()
    change = 100 * sum(copies[1][s] - copies[0][s] for s in seeds) / len(seeds)
    metric = next(m for m in app.metric if m.label.startswith("Difference in points"))
    assert metric.value == f"{change:+.1f}".replace("-", "−")
    alone = sum(copies[0][s] and not copies[1][s] for s in seeds)
    assert f"the first alone in **{alone}**" in _text(app)
    assert "3 things differ" in _text(app) and "nothing below has one cause" in _text(app)


@pytest.mark.parametrize(("order", "copies"), [("Both copy", 12), ("One copies", 12)])
def test_pairs_are_what_they_are_called(app: AppTest, order: str, copies: int) -> None:
    _open(app, pairs=order)
    alts = [e.proto.imgs[0].alt for e in app.get("image")]
    framed = [int(alt.split("; ")[-1].split()[0]) for alt in alts]
    assert sum(framed) == (24 if order == "Both copy" else copies)


def test_a_run_beside_itself_shows_no_difference(app: AppTest) -> None:
    _open(app, first="emoji-100-standard", second="emoji-100-standard")
    assert "Nothing differs" in _text(app)
    metric = next(m for m in app.metric if m.label.startswith("Difference in points"))
    assert metric.value in ("+0.0", "−0.0")


def test_a_spoiled_link_opens_the_page(app: AppTest) -> None:
    _open(app, first="no-such-run", pairs="x")
    assert app.selectbox(key="first").value == "emoji-300-standard"


def test_images_of_different_sizes_make_no_pairs(app: AppTest) -> None:
    _open(app, first="digits-50-standard", second="emoji-300-standard")
    assert "No pairs: these two make images of different sizes" in _text(app)
    assert not any(m.label.startswith("Difference") for m in app.metric)
    assert not app.get("image") and app.get("plotly_chart")
