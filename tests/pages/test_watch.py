"""Watch it memorize: its numbers are the stored ones, its films what the runs made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.runs.folder import BUNDLED_RUNS, open_run
from ui import stages, words
from ui.scrubber.training import training_film
from ui.watch_it_memorize import forming

ROOT = Path(__file__).resolve().parents[2]
FOUR = (50, 100, 300, 1000)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def _open(app: AppTest, **query: str) -> AppTest:
    app.run()
    app.switch_page("pages/watch_it_memorize.py").run()
    if query:
        app.session_state["n"] = int(query.pop("n", 100))
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
    assert not app.exception, app.exception[0].message
    return app


def _rule(name: str, step: int) -> dict:
    """What is stored of a stage; of the last one, the run's own report, of more samples."""
    run = open_run(name)
    report = run.report() if step == run.last_step else run.report(step)
    assert report is not None
    unseen = words.checked_on(report)
    return {**report["copies"]["ratio"], "n_samples": report["n_samples"], "n_unseen": unseen}


def _shown(app: AppTest) -> list[tuple[str, str]]:
    return [(m.value, m.delta) for m in app.metric]


def _stored(rule: dict, arm: str, part: str = "") -> tuple[str, str]:
    rate, ci95 = rule[f"{part}rate"], rule[f"{part}ci95"]
    of = rule["n_unseen" if part else "n_samples"]
    return words.tinted(words.percent(rate), arm), f"{words.interval(ci95)} of {of:,}"


def test_it_opens_with_the_stored_shares_and_intervals(app: AppTest) -> None:
    _open(app)
    standard = _rule("emoji-100-standard", 3500)
    ambient = _rule("emoji-100-ambient-1.0", 3500)
    assert _shown(app) == [
        _stored(standard, "standard"),
        _stored(ambient, "ambient"),
        _stored(ambient, "unseen", "heldout_"),
    ]
    assert len(app.get("plotly_chart")) == 2
    assert len(app.get("bidi_component")) == 4  # two scrubbers, each with its strip


def test_the_step_in_the_address_sets_every_number(app: AppTest) -> None:
    _open(app, n="300", step="9000")
    assert _shown(app)[:2] == [
        _stored(_rule("emoji-300-standard", 9000), "standard"),
        _stored(_rule("emoji-300-ambient-1.0", 9000), "ambient"),
    ]
    frames = [json.loads(e.proto.json) for e in app.get("bidi_component")][1]
    assert frames["labels"][frames["index"]] == "step 9,000"
    assert "step 9,000" in "\n".join(c.value for c in app.caption)


@pytest.mark.parametrize("n", FOUR)
def test_every_size_shows_what_is_stored_of_it(app: AppTest, n: int) -> None:
    _open(app, n=str(n))
    runs = stages.table()[n]
    assert len(app.metric) == len(runs) + 1
    last = stages.steps(runs)[-1]
    for metric, (arm, run) in zip(app.metric, runs.items(), strict=False):
        assert (metric.value, metric.delta) == _stored(_rule(run.name, last), arm)


def test_without_the_component_step_and_sampling_step_move(app: AppTest) -> None:
    _open(app, n="50", native="1")
    training, sampling = app.select_slider
    training.set_value(0).run()
    assert _shown(app)[0] == _stored(_rule("digits-50-standard", 300), "standard")
    assert "300" in app.query_params["step"]
    sampling = app.select_slider[1]
    sampling.set_value(4).run()
    assert "5" in app.query_params["sampling"]
    alts = [e.proto.imgs[0].alt for e in app.get("image")]
    sigma = forming.forming(open_run("digits-50-standard")).sigmas[4]
    assert f"noise level {sigma:.3g}" in alts[1]


@pytest.mark.parametrize(
    ("n", "guess", "said"),
    [(300, 9000, "Yes"), (300, 1800, "It is **step 9,000"), (1000, 300, "It is **never"),
     (1000, stages.NEVER, "Yes")],
)  # fmt: skip
def test_a_guess_is_asked_first_and_answered_from_the_reports(
    app: AppTest, n: int, guess: int, said: str
) -> None:
    _open(app)
    app.session_state["n"] = n
    app.toggle(key="guess").set_value(True).run()
    assert not app.metric
    assert not app.get("plotly_chart")
    assert not app.get("bidi_component")
    app.select_slider[0].set_value(guess).run()
    next(b for b in app.button if b.label == "Reveal").click().run()
    assert not app.exception
    assert app.metric
    assert any(said in m.value for m in app.markdown)
    app.toggle(key="guess").set_value(False).run()
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
    found = forming.forming(run)
    assert found is not None
    assert found.checkpoint_sha256 == run.checkpoint_sha256()
    assert found.seeds == tuple(range(12))
    assert list(found.sigmas) == sorted(found.sigmas, reverse=True)
    samples, seeds = run.samples()  # type: ignore[misc]
    assert seeds[:12].tolist() == list(found.seeds)
    apart = np.abs(found.images[-1].astype(int) - samples[:12].astype(int))
    assert np.median(apart) <= 1  # another batch size, so other roundings
    assert np.median(np.abs(found.images[0].astype(int) - samples[:12].astype(int))) > 10


def test_the_film_shows_the_sheets_and_frames_their_copies() -> None:
    runs = stages.table()[100]
    steps = stages.steps(runs)
    film = training_film(runs, steps)
    for panel, run in zip(film.panels, runs.values(), strict=True):
        for i, step in enumerate(steps):
            sheet = run.sheet(step) if step < steps[-1] else run.samples()[0]
            for cell, image in zip(panel.frames[i], sheet, strict=False):
                drawn = np.asarray(cell.convert("RGB"))[5:33, 5:37]  # above the equals sign
                np.testing.assert_array_equal(drawn, image[:28])
            framed = sum(cell.getpixel((2, cell.height // 3))[3] > 0 for cell in panel.frames[i])
            assert panel.captions[i].startswith(f"{framed} of these {stages.SHOWN} ")
    assert [int(c.split()[0]) for c in film.panels[0].captions][-1] > 0


def test_both_scrubbers_end_in_the_same_verdicts() -> None:
    for n, runs in stages.table().items():
        ends = {arm: found for arm, run in runs.items() if (found := forming.forming(run))}
        for arm, found in ends.items():
            run = runs[arm]
            formed = stages.judge(run, found.images[-1]).copies[: stages.SHOWN]
            alike = words.copies_of(formed)
            assert training_film({arm: run}, [run.last_step]).panels[0].captions == [alike], n


def test_errors_are_of_the_weights_that_were_judged() -> None:
    found = stages.errors(open_run("emoji-300-standard"))
    run = open_run("emoji-300-standard")
    assert [row["step"] for row in found] == run.sheet_steps
    kept = [row for row in found if row["step"] in run.steps]
    assert kept
    for row in kept:
        weights = run.checkpoint(row["step"]).read_bytes()
        assert row["checkpoint_sha256"] == hashlib.sha256(weights).hexdigest()
    for row in found:
        for kind in ("train", "heldout"):
            low, high = row[f"loss_{kind}_ci95"]
            assert low <= row[f"loss_{kind}"] <= high
    assert found[-1]["loss_heldout"] > 2 * found[-1]["loss_train"]


def test_missing_weights_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = stages.table()[100]
    monkeypatch.setattr(stages, "errors", lambda run: [])
    said = stages.missing_errors(runs)
    assert "standard: 0 of 5; ambient, cutoff 1: 0 of 5" in said
    monkeypatch.undo()
    assert not stages.missing_errors(runs)
    assert "ambient, cutoff 1: 1 of 10" in stages.missing_errors(stages.table()[300])


def test_stored_strips_are_small() -> None:
    for path in BUNDLED_RUNS.glob("*/trajectory.png"):
        assert path.stat().st_size < 600_000
        with Image.open(path) as picture:
            side = open_run(path.parent).config.side
            assert picture.size == (12 * side, 18 * side)
