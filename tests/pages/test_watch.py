"""Watch it memorize: its numbers are the stored ones, its films what the runs made."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.runs.folder import BUNDLED_RUNS, open_run
from tests.pages.driver import pictures, press, ran, visit
from ui import stages, words
from ui.scrubber.training import training_film
from ui.watch_it_memorize.forming import forming

PAGE = "watch_it_memorize"


def _rule(name: str, step: int) -> dict[str, Any]:
    """What is stored of a stage; of the last one, the run's own report, of more samples."""
    run = open_run(name)
    report = run.report() if step == run.last_step else run.report(step)
    assert report is not None
    rule = report.copies.ratio
    kept = {name: getattr(rule, name) for name in ("rate", "ci95", "heldout_rate", "heldout_ci95")}
    return {**kept, "n_samples": report.n_samples, "n_unseen": words.checked_on(report)}


def _shown(app: AppTest) -> list[tuple[str, str]]:
    return [(m.value, m.delta) for m in app.metric]


def _stored(rule: dict[str, Any], arm: str, part: str = "") -> tuple[str, str]:
    rate, ci95 = rule[f"{part}rate"], rule[f"{part}ci95"]
    of = rule["n_unseen" if part else "n_samples"]
    return words.tinted(words.percent(rate), arm), f"{words.interval(ci95)} of {of:,}"


@pytest.mark.parametrize("n", [50, 100, 300, 1000])
def test_every_size_opens_with_the_stored_shares_and_intervals(n: int) -> None:
    app = visit(PAGE, n=str(n))
    runs = stages.table()[n]
    rules = {arm: _rule(run.name, stages.steps(runs)[-1]) for arm, run in runs.items()}
    *_, last = rules.values()
    expected = [_stored(rule, arm) for arm, rule in rules.items()]
    assert _shown(app) == [*expected, _stored(last, "unseen", "heldout_")]
    assert len(app.get("plotly_chart")) == 2
    assert len(app.get("bidi_component")) == 4  # two scrubbers, each with its strip


def test_the_step_in_the_address_sets_every_number() -> None:
    app = visit(PAGE, n="300", step="9000")
    assert _shown(app)[:2] == [
        _stored(_rule("emoji-300-standard", 9000), "standard"),
        _stored(_rule("emoji-300-ambient-1.0", 9000), "ambient"),
    ]
    frames = json.loads(app.get("bidi_component")[1].proto.json)
    assert frames["labels"][frames["index"]] == "step 9,000"
    assert "step 9,000" in "\n".join(c.value for c in app.caption)


def test_without_the_component_step_and_sampling_step_move() -> None:
    app = visit(PAGE, n="50", native="1")
    ran(app.select_slider[0].set_value(0).run())
    assert _shown(app)[0] == _stored(_rule("digits-50-standard", 300), "standard")
    assert "300" in app.query_params["step"]
    ran(app.select_slider[1].set_value(4).run())
    assert "5" in app.query_params["sampling"]
    found = forming(open_run("digits-50-standard"))
    assert found and f"noise level {found.sigmas[4]:.3g}" in list(pictures(app))[1]


@pytest.mark.parametrize(
    ("n", "guess", "said"),
    [(300, 9000, "Yes"), (300, 1800, "It is **step 9,000"), (1000, 300, "It is **never"),
     (1000, stages.NEVER, "Yes")],
)  # fmt: skip
def test_a_guess_is_asked_first_and_answered_from_the_reports(
    n: int, guess: int, said: str
) -> None:
    app = visit(PAGE, n=str(n), guess="true")
    assert not app.metric and not app.get("plotly_chart") and not app.get("bidi_component")
    ran(app.select_slider[0].set_value(guess).run())
    press(app, "Reveal")
    assert app.metric
    assert any(said in m.value for m in app.markdown)
    ran(app.toggle(key="guess").set_value(False).run())
    assert app.metric
    assert not any("You said" in m.value for m in app.markdown)


def test_onset_is_the_first_stage_above_a_tenth() -> None:
    run = open_run("emoji-300-standard")
    rates = {s: _rule(run.name, s)["rate"] for s in run.sheet_steps}
    first = stages.onset(run)
    assert rates[first] >= stages.ONSET
    assert all(rates[s] < stages.ONSET for s in rates if s < first)
    assert stages.onset(open_run("digits-1000-standard")) == stages.NEVER


@pytest.mark.parametrize("name", ["emoji-100-standard", "emoji-300-ambient-1.0"])
def test_a_stored_generation_ends_in_the_stored_samples(name: str) -> None:
    run = open_run(name)
    found, kept = forming(run), run.samples()
    assert found is not None and kept is not None
    assert found.checkpoint_sha256 == run.checkpoint_sha256()
    assert list(found.sigmas) == sorted(found.sigmas, reverse=True)
    samples, seeds = kept
    assert seeds[:12].tolist() == list(found.seeds) == list(range(12))
    apart = np.abs(found.images[-1].astype(int) - samples[:12].astype(int))
    assert np.median(apart) <= 1  # another batch size, so other roundings
    assert np.median(np.abs(found.images[0].astype(int) - samples[:12].astype(int))) > 10


def test_the_film_shows_the_sheets_and_frames_their_copies() -> None:
    runs = stages.table()[100]
    steps = stages.steps(runs)
    film = training_film(runs, steps)
    for panel, run in zip(film.panels, runs.values(), strict=True):
        for i, step in enumerate(steps):
            sheet = run.sheet(step) if step < steps[-1] else (run.samples() or [None])[0]
            assert sheet is not None
            for cell, image in zip(panel.frames[i], sheet, strict=False):
                drawn = np.asarray(cell.convert("RGB"))[5:33, 5:37]  # above the equals sign
                np.testing.assert_array_equal(drawn, image[:28])
            framed = sum(cell.getpixel((2, cell.height // 3))[3] > 0 for cell in panel.frames[i])
            assert panel.captions[i].startswith(f"{framed} of these {stages.SHOWN} ")
    assert not film.panels[0].captions[-1].startswith("0 ")


def test_both_scrubbers_end_in_the_same_verdicts() -> None:
    for n, runs in stages.table().items():
        for arm, run in runs.items():
            if found := forming(run):
                formed = stages.judge(run, found.images[-1]).copies[: stages.SHOWN]
                captions = training_film({arm: run}, [run.last_step]).panels[0].captions
                assert captions == [words.copies_of(formed)], n


def test_errors_are_of_the_weights_that_were_judged() -> None:
    run = open_run("emoji-300-standard")
    found = stages.errors(run)
    assert [row["step"] for row in found] == run.sheet_steps
    kept = [row for row in found if row["step"] in run.steps]
    assert kept
    for row in kept:
        weights = run.checkpoint(row["step"]).read_bytes()
        assert row["checkpoint_sha256"] == hashlib.sha256(weights).hexdigest()
    assert found[-1]["loss_heldout"] > 2 * found[-1]["loss_train"]


def test_missing_weights_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = stages.table()[100]
    assert not stages.missing_errors(runs)
    assert "ambient, cutoff 1: 1 of 10" in stages.missing_errors(stages.table()[300])
    monkeypatch.setattr(stages, "errors", lambda run: [])
    assert "standard: 0 of 5; ambient, cutoff 1: 0 of 5" in stages.missing_errors(runs)


def test_stored_strips_are_small() -> None:
    for path in BUNDLED_RUNS.glob("*/trajectory.png"):
        assert path.stat().st_size < 600_000
        with Image.open(path) as picture:
            side = open_run(path.parent).config.side
            assert picture.size == (12 * side, 18 * side)
