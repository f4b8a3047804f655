"""Copy or new?: its numbers and marks are the stored ones, its game knows its answer."""

from __future__ import annotations

from typing import Any

import pytest

from ambient.runs.folder import open_run
from tests.pages.driver import film, text, visit
from ui import stages, words
from ui.home import game

STANDARD, AMBIENT = "emoji-100-standard", "emoji-100-ambient-1.0"


def _stage(name: str, step: int) -> Any:
    """What is stored of a stage; of the last one, the run's own report, of more samples."""
    run = open_run(name)
    report = run.report() if step == run.last_step else run.report(step)
    assert report is not None
    return report


@pytest.mark.parametrize("name", ["100 emoji", "50 digits"])
def test_the_film_says_and_marks_what_the_reports_say(name: str) -> None:
    sent, runs = film(visit("home", set=name)), stages.pairs()[name]
    steps = stages.steps(runs)
    assert sent["frames"] == [f"{step:,}" for step in steps]
    rates = [
        [_stage(run.name, step).copies.ratio.rated.rate for step in steps] for run in runs.values()
    ]
    apart = [a - b for a, b in zip(rates[0], rates[-1], strict=True)]
    assert sent["index"] == (apart.index(max(apart)) if len(runs) > 1 else len(steps) - 1)
    signs = {"copy": "=", "resembles": "~", "new": "."}
    for row, run in zip(sent["rows"], runs.values(), strict=True):
        for i, step in enumerate(steps):
            report = _stage(run.name, step)
            assert row["numbers"][i] == words.percent(report.copies.ratio.rated.rate)
            judged = {sample.seed: sample for sample in report.samples}
            assert row["marks"][i] == "".join(signs[words.mark(judged[s])] for s in range(12))
            names = stages.data.sets(run).train_names
            near = [sent["pool"][pair[0]][1] for pair in row["near"][i]]
            assert near == [names[judged[s].nearest] for s in range(12)]


@pytest.mark.parametrize("page", ["home", ""])
def test_old_links_find_their_size_and_step(page: str) -> None:
    sent = film(visit(page, n="100", step="2800"))
    assert (sent["frames"][sent["index"]], len(sent["rows"])) == ("2,800", 2)
    assert sent["rows"][0]["numbers"][-1] == words.percent(
        _stage(STANDARD, 3500).copies.ratio.rated.rate
    )


def test_a_deal_has_one_odd_picture_and_no_two_alike() -> None:
    run = open_run(STANDARD)
    for hand in range(20):
        dealt = game.dealt(run, _stage(STANDARD, 3500), hand)
        assert dealt is not None
        assert [row.copy for row in dealt.rows].count(dealt.odd_is_copy) == 1
        assert len({row.nearest for row in dealt.rows}) == 6
        assert "ABCDEF"[dealt.place] == dealt.answer


def test_the_game_keeps_its_answer_until_a_picture_is_tapped() -> None:
    run = open_run(STANDARD)
    dealt = game.dealt(run, _stage(STANDARD, 3500), 3)
    assert dealt is not None
    asked = film(visit("home", set="100 emoji", hand="3"), 1)
    assert asked["rows"][0]["marks"] == []
    assert asked["pool"] == []
    for tapped in (dealt.place, (dealt.place + 1) % 6):
        tap = {f"guess-{STANDARD}-3": f"0-{tapped}"}
        app = visit("home", set="100 emoji", hand="3", **tap)
        assert film(app, 1)["rows"][0]["marks"] == [
            "".join("=" if r.copy else "." for r in dealt.rows)
        ]
        right = f"**Yes, {dealt.answer} is {dealt.kind}.**" in text(app)
        assert right == (tapped == dealt.place)
        assert right or f"it is {dealt.answer}." in text(app)
