"""Cutoff: what is stored of a family, its rivals, and the film that the visitor drags."""

import json
import shutil
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from ambient.files import ASSETS
from ambient.runs.folder import BUNDLED_RUNS
from tests.pages.driver import film, text, visit
from ui import cutoffs, data, words

TABLE = Path(ASSETS) / "sweeps" / "emoji-100" / "table.json"


def test_the_film_shows_every_cutoff_with_its_stored_share() -> None:
    runs = cutoffs.families()["300"]
    app = visit("cutoff", n="300", **{"cutoff-300": "4"})
    sent = film(app)
    row, standard, seen = sent["rows"]
    assert sent["index"] == len(runs) - 1
    for frame, run in enumerate(runs.values()):
        report = data.report(run)
        assert row["numbers"][frame] == words.percent(report.copies.ratio.rated.rate)
        signs = "".join("=" if r.copy else "x" for r in report.samples[:12])
        assert [a == "=" for a in row["marks"][frame]] == [b == "=" for b in signs]
    assert len(standard["tiles"]) == 1 and row["tiles"][0] == standard["tiles"][0]
    assert len({tuple(tiles) for tiles in seen["tiles"]}) == len(runs)  # each its own noise
    rule = data.report(runs[4.0])
    alts = [e.proto.alt for e in app.get("plotly_chart")]
    assert f"cutoff 4 {words.percent(rule.copies.ratio.rated.rate)}" in alts[1]


def test_a_field_of_a_sweep_is_the_mean_over_its_seeds() -> None:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    last = max(row["step"] for row in rows)
    rates = [r["copies"] for r in rows if r["arm"] == "fresh" and r["step"] == last]
    field = cutoffs.field(cutoffs.families()["100"])
    (point,) = (p for p in field.ends if p.arm == "fresh")
    assert point.rate == pytest.approx(sum(rates) / len(rates))
    assert point.low < point.rate < point.high
    assert point.runs == len(rates) == 3
    path = field.paths[point.label]
    assert [p.step for p in path] == sorted({row["step"] for row in rows})


def test_a_rival_that_is_as_good_is_named() -> None:
    def point(label: str, step: int, rate: float, distance: float) -> cutoffs.Point:
        return cutoffs.Point("standard", 0, label, step, rate, 0, 1, distance, 0, 1, 1)

    path = [point("no cutoff", 1, 0.1, 0.5), point("no cutoff", 2, 0.6, 0.2)]
    for end, says in (
        (point("cutoff 1", 2, 0.2, 0.6), "at step 1: 10"),
        (point("cutoff 1", 2, 0.05, 0.3), "No earlier stage"),
    ):
        field = cutoffs.Field({"no cutoff": path, "cutoff 1": [end]}, "", [], "make assets")
        assert says in cutoffs.against_stopping_early(field, "cutoff 1")
    assert cutoffs.against_stopping_early(field, "no cutoff") == ""


def test_the_switch_says_both_shares_and_another_cutoff_fills_the_form() -> None:
    runs = cutoffs.families()["300"]
    found = cutoffs.splices(runs)
    app = visit("cutoff", n="300", **{"switch-300": "0.8"})
    below, above = found.at(0.8)
    alt = next(a for e in app.get("plotly_chart") if (a := e.proto.alt).startswith("At switch"))
    assert words.percent(below["copies"]) in alt and words.percent(above["copies"]) in alt
    assert "no privacy guarantee" in text(app)
    app.number_input[0].set_value(0.3).run()
    link = next(e.proto for e in app.get("page_link") if e.proto.label.startswith("Train with"))
    form = visit("train", **dict(parse_qsl(link.query_string)))
    assert form.number_input(key="train-cutoff").value == 0.3
    assert form.number_input(key="train-n_train").value == 300
    assert form.number_input(key="train-steps").value == runs[0.0].config.steps
    assert form.selectbox(key="train-arm").value == "ambient"


def test_a_pair_trained_here_has_its_place_and_a_button_measures_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    for arm in ("standard", "ambient-1.0"):
        shutil.copytree(BUNDLED_RUNS / f"kanji-100-{arm}", tmp_path / f"mine-{arm}")
    (tmp_path / "mine-ambient-1.0" / "curves.json").unlink()
    app = visit("cutoff", family="my 100 kanji")
    assert [row["title"] for row in film(app)["rows"]][:2] == ["At this cutoff", "No cutoff"]
    assert [b.key for b in app.button if b.label == "Measure it"] == ["measure-mine-ambient-1.0"]
