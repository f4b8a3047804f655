"""Reproduce and export: every figure's command exists, and the zip holds what it says."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.cli import app as commands
from ui import cutoffs, data, pages, words
from ui.pictures import compared
from ui.reproduce import figures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def every() -> list[figures.Figure]:
    return figures.every()


def test_names_are_their_own_and_pages_exist(every: list[figures.Figure]) -> None:
    assert len({f.name for f in every}) == len(every) > 15
    assert {f.page for f in every} <= {name for name, *_ in pages.PAGES}
    assert all((f.chart is None) != (f.picture is None) for f in every)


def test_every_command_can_be_given(every: list[figures.Figure]) -> None:
    """Commands of ours parse; make targets and scripts are there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in {line for f in every for line in f.command.splitlines()}:
        words_ = line.split()
        if line.startswith("python -m ambient "):
            commands.parse_args(words_[3:])
        elif words_[0] == "make":
            assert re.search(rf"^{words_[1]}:", makefile, re.MULTILINE), line
        else:
            assert (ROOT / words_[1]).is_file(), line


def test_the_zip_holds_what_its_manifest_says(every: list[figures.Figure]) -> None:
    some = [
        next(f for f in every if f.picture),
        next(f for f in every if f.name == "surgery-100"),
    ]
    with zipfile.ZipFile(io.BytesIO(figures.archive(some))) as found:
        manifest = json.loads(found.read("manifest.json"))
        assert {f["file"] for f in manifest["files"]} | {"manifest.json"} == set(found.namelist())
        for entry in manifest["files"]:
            assert hashlib.sha256(found.read(entry["file"])).hexdigest() == entry["sha256"]
        rows = list(csv.DictReader(io.StringIO(found.read("surgery-100.csv").decode())))
        stored = cutoffs.stored("surgery")
        assert stored is not None
        expected = [r for r in stored["rows"] if r["n_train"] == 100]
        assert [float(r["copies"]) for r in rows] == [r["copies"] for r in expected]
        assert found.read(f"{some[0].name}.png").startswith(b"\x89PNG")
        page = found.read("surgery-100.html").decode()
        assert 'src="plotly.min.js"' in page
        assert "http" not in re.sub(r"https?://(www\.w3\.org|plot\.ly)\S*", "", page)
        assert found.read("sources/assets/results/surgery.json")


def test_the_headline_is_the_stored_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    app.switch_page("pages/reproduce.py").run()
    assert not app.exception
    table = data.with_cutoffs()
    n = next(iter(table))
    field = cutoffs.field(table[n], n, "Fréchet distance")
    standard = next(p for p in field.ends if p.arm == "standard")
    least = min(p.rate for p in field.ends if p.arm == "ambient")
    values = [m.value for m in app.metric]
    assert words.percent(standard.rate) in values[0]
    assert words.percent(least) in values[1]
    report = data.report(table[n][0.0])
    assert report is not None
    alarms = words.interval(report.copies.ratio.heldout_ci95)
    assert app.metric[2].delta == f"{alarms} of {(len(report.heldout_ratios) + 1) // 2}"


def test_a_field_of_a_sweep_is_the_mean_over_its_seeds() -> None:
    table = json.loads((ROOT / "assets/sweeps/emoji-100/table.json").read_text())
    last = max(r["step"] for r in table["rows"])
    rates = [r["copies"] for r in table["rows"] if r["arm"] == "fresh" and r["step"] == last]
    field = cutoffs.field({}, 100, "Fréchet distance")
    (point,) = (p for p in field.ends if p.arm == "fresh")
    assert point.rate == pytest.approx(sum(rates) / len(rates))
    assert point.low < point.rate < point.high
    assert point.runs == len(rates) == 3
    assert [p.step for p in field.paths["fresh-1"]] == sorted({r["step"] for r in table["rows"]})


def test_a_rival_that_is_as_good_is_named() -> None:
    def point(arm: str, step: int, rate: float, distance: float) -> cutoffs.Point:
        cutoff = 1.0 if arm == "ambient" else 0.0
        return cutoffs.Point(arm, cutoff, step, rate, 0, 1, distance, 0, 1, 1)

    path = [point("standard", 1, 0.1, 0.5), point("standard", 2, 0.6, 0.2)]
    ends = [path[-1], point("ambient", 2, 0.2, 0.6)]
    field = cutoffs.Field(ends, {"standard-0": path}, "", [], "make assets", 100)
    assert "step 1 does as well or better" in cutoffs.against_stopping_early(field, "ambient-1")
    better = cutoffs.Field(
        [path[-1], point("ambient", 2, 0.05, 0.3)], field.paths, "", [], "make assets", 100
    )
    assert "No earlier stage" in cutoffs.against_stopping_early(better, "ambient-1")


def test_the_valley_shows_the_final_reports_where_there_is_no_sweep() -> None:
    runs = data.with_cutoffs()[300]
    field = cutoffs.field(runs, 300)
    assert {p.cutoff for p in field.ends} == set(runs)
    for point in field.ends:
        report = data.report(runs[point.cutoff])
        assert report is not None
        assert point.rate == report.copies.ratio.rate
    assert f"{report.n_samples:,} samples" in field.about


def test_other_samples_of_the_same_networks_are_told_apart() -> None:
    runs = data.with_cutoffs()[300]
    stored = json.loads((ROOT / "assets/results/protocol.json").read_text(encoding="utf-8"))
    said = cutoffs.on_fresh_seeds(runs)
    assert "seeds, {:,} to {:,}".format(*stored["seeds"]) in said
    for row in stored["rows"]:
        if row["run"] in {r.name for r in runs.values()} and row["step"] == 18000:
            assert f"{100 * row['copies']:.1f}\u00a0% " in said
    assert cutoffs.on_fresh_seeds(data.with_cutoffs()[100]) == ""


def test_a_difference_of_nothing_is_said_and_not_drawn_black() -> None:
    a = np.zeros((8, 8, 3), np.uint8)
    strips = [Image.open(io.BytesIO(compared([a, b]))) for b in (a, a + 40)]
    side = strips[0].height
    equal, other = (np.asarray(s.crop((s.width - side, 0, s.width, side))) for s in strips)
    assert strips[0].size == strips[1].size
    assert (other[..., :3] == 120).all() and (other[..., 3] == 255).all()
    assert 0.02 < (equal[..., 3] > 0).mean() < 0.5  # words and a frame, no black square
