"""The lesson: its data, its way from step to step, what it leaves alone, and its answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ui import covers, data, frame, teacher, words
from ui.lesson import answers, panel, sheet
from ui.lesson.steps import DONE, TESTS, Step, steps

ROOT = Path(__file__).resolve().parents[2]
STEPS = steps()
HOME = "New, or a copy?"
HOME_PAGE = "spot_the_copy"  # it has no charts


def _app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    """The app on its bundled runs, opened at an address in a new session."""
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params.update(query)
    return _ran(app.run())


def _ran(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def _text(app: AppTest) -> str:
    return "\n".join(e.value for e in [*app.title, *app.markdown, *app.caption])


def _widgets(app: AppTest) -> dict[str, object]:
    kinds = [
        app.button_group,
        app.selectbox,
        app.select_slider,
        app.slider,
        app.number_input,
        app.toggle,
    ]
    return {w.key: w.value for kind in kinds for w in kind if w.key}


def _labels(app: AppTest) -> set[str]:
    kinds = [app.button_group, app.selectbox, app.select_slider, app.slider, app.number_input]
    return {w.label for kind in kinds for w in kind} | {b.label for b in app.button}


def _press(app: AppTest, key: str) -> AppTest:
    return _ran(app.button(key=key).click().run())


def _metrics(app: AppTest) -> str:
    return "\n".join(m.label for m in app.metric)


def _guess_onset(app: AppTest, step: int) -> AppTest:
    key = "onset-at-emoji-300-standard"
    assert next(b for b in app.button if b.label == "Reveal").disabled
    _ran(app.select_slider(key=key).set_value(step).run())
    return _ran(next(b for b in app.button if b.label == "Reveal").click().run())


def test_the_lesson_takes_ten_minutes() -> None:
    assert sum(s.minutes for s in STEPS) == 10
    assert [s.number for s in STEPS] == list(range(1, len(STEPS) + 1))
    assert len({s.name for s in STEPS}) == len(STEPS)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_a_step_refers_to_what_exists(step: Step) -> None:
    assert step.page in {name for name, *_ in frame.PAGES}
    assert step.done in TESTS
    assert set(step.covers) <= set(covers.PARTS)
    assert set(step.groups) <= set(teacher.GROUPS)
    assert bool(step.question) == bool(step.options)
    assert step.text.count(". ") + step.text.count("? ") <= 3  # a few short sentences


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_a_step_opens_cold_with_its_state(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(tmp_path, monkeypatch, lesson=str(step.number))
    assert f"{step.number} of {len(STEPS)}" in _text(app)
    assert app.session_state[frame.PAGE] == step.page
    stands = _widgets(app)
    assert {k: stands[k] for k in step.state} == step.state
    assert step.control in _labels(app)
    assert app.query_params["lesson"] == str(step.number)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_an_answer_is_computed_and_is_one_of_the_options(step: Step) -> None:
    found = step.found()
    assert found is not None
    assert any(c.isdigit() for c in found.text)
    if step.options:
        assert step.right() in step.options
    source = json.dumps([step.text, step.question, list(step.options.values()), step.title])
    assert found.text not in source


def test_what_is_said_behind_an_answer_stands_on_it() -> None:
    right = {s.name: s.right() for s in STEPS if s.why}
    assert right == {"more": "more", "where": "below"}  # else their texts are to be rewritten


def test_answers_agree_with_the_stored_reports() -> None:
    report = json.loads((ROOT / "assets/runs/emoji-300-standard/report.json").read_text())
    rule = report["copies"]["ratio"]
    found = answers.copied("emoji-300-standard")
    assert found is not None and found.right == rule["rate"]
    assert words.percent(rule["rate"]) in found.text and words.interval(rule["ci95"]) in found.text
    rates = {}
    for cutoff in ("1.0", "4.0"):
        path = ROOT / f"assets/runs/emoji-300-ambient-{cutoff}/report.json"
        rates[cutoff] = json.loads(path.read_text())["copies"]["ratio"]
    more = answers.compared("emoji-300-ambient-1.0", "emoji-300-ambient-4.0")
    assert more is not None
    assert (more.right == "more") == (rates["4.0"]["ci95"][0] > rates["1.0"]["ci95"][1])
    fewer = answers.compared("emoji-300-ambient-4.0", "emoji-300-ambient-1.0")
    assert fewer is not None and (fewer.right == "fewer") == (more.right == "more")
    same = answers.compared("emoji-300-ambient-4.0", "emoji-300-ambient-4.0")
    assert same is not None and same.right == "same"


def test_an_answer_without_its_run_says_so() -> None:
    assert answers.copied("no-such-run") is None
    assert answers.decided(7, 0.4) is None
    assert answers.stopping_early(7, 0.4) is None


def test_a_number_finds_its_place_among_lower_bounds() -> None:
    bounds = ["0", "0.05", "0.25", "0.5"]
    assert [answers.option(bounds, x) for x in (0.0, 0.05, 0.3, 1.0)] == [
        "0",
        "0.05",
        "0.25",
        "0.5",
    ]
    assert answers.option(["yes", "no"], "no") == "no"


def test_the_lesson_leads_from_start_to_end_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(tmp_path, monkeypatch)
    assert not any(b.key == "lesson-next" for b in app.button)
    _ran(next(b for b in app.button if b.label == "Ten-minute lesson").click().run())
    for step in STEPS[1:]:
        _press(app, "lesson-next")
        assert f"{step.number} of {len(STEPS)}" in _text(app)
        assert app.session_state[frame.PAGE] == step.page
        assert app.query_params["lesson"] == str(step.number)
    _press(app, "lesson-back")
    assert app.query_params["lesson"] == str(len(STEPS) - 1)
    _press(app, "lesson-next")
    _press(app, "lesson-finish")
    assert app.query_params["lesson"] == panel.END
    assert not any(b.key == "lesson-next" for b in app.button)
    for step in STEPS:  # what was found, all in one place
        found = step.found()
        assert found is not None and found.text in _text(app)
    _press(app, "lesson-close")
    assert "lesson" not in app.query_params
    assert "What you found" not in _text(app)


def test_the_end_sets_what_was_said_beside_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = STEPS[-2]
    said = next(k for k in step.options if k != step.right())
    app = _app(tmp_path, monkeypatch, lesson=str(step.number))
    _ran(app.button_group(key=step.answer_key).set_value(said).run())
    _press(app, "lesson-next")
    _press(app, "lesson-finish")
    assert f"You said: {step.options[said].lower()}." in _text(app)
    _press(app, "lesson-begin again")
    assert f"1 of {len(STEPS)}" in _text(app)


@pytest.mark.parametrize("step", [s for s in STEPS if s.question], ids=lambda s: s.name)
def test_the_page_does_not_tell_before_the_answer(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, right = step.found(), step.right()
    assert found is not None and right is not None
    intervals = re.findall(r"interval: ([\d.]+ to [\d.]+)", found.text)
    numbers = intervals or re.findall(r"\*\*([\d.]+)\*\*", found.text)
    new = numbers[1:] if step.name in ("cutoff", "more") else numbers  # the first is on show
    app = _app(tmp_path, monkeypatch, lesson=str(step.number))
    charts = len(app.get("plotly_chart"))
    shown = [m.delta for m in app.metric if m.label != "Copied without a cutoff"]
    shown += [e.value for e in [*app.subheader, *app.caption]]
    assert [text for text in shown if any(number in text for number in new)] == []
    _ran(app.button_group(key=step.answer_key).set_value(right).run())
    assert found.text in _text(app)
    last = max((s.number for s in STEPS for part in step.covers if part in s.covers), default=0)
    if last == step.number and step.page != HOME_PAGE:
        assert len(app.get("plotly_chart")) > charts


def test_what_is_covered_waits_for_the_last_question_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = [s for s in STEPS if "valley" in s.covers]
    line = f"once step {last.number} is done"
    app = _app(tmp_path, monkeypatch, lesson=str(first.number))
    assert line in _text(app)
    _ran(app.button_group(key=first.answer_key).set_value("more").run())
    assert line in _text(app)
    _press(app, "lesson-next")
    assert line in _text(app)
    _ran(app.button_group(key=last.answer_key).set_value("more").run())
    assert line not in _text(app)
    _press(app, "lesson-leave")
    assert "once step" not in _text(app)  # without the lesson, nothing is covered


def test_the_slider_waits_for_the_predictions_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, last = [s for s in STEPS if "valley" in s.covers]
    app = _app(tmp_path, monkeypatch, lesson=str(first.number))
    for step in (first, last):
        assert app.select_slider(key="cutoff-300").disabled
        _ran(app.button_group(key=step.answer_key).set_value("same").run())
        shown = step.reveal["cutoff-300"]
        assert app.select_slider(key="cutoff-300").value == shown
        _press(app, "lesson-next")
    assert not app.select_slider(key="cutoff-300").disabled


def test_no_earlier_step_tells_what_a_cutoff_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(s.number for s in STEPS if "ambient" in s.covers)
    pages = {s.page for s in STEPS[:last]} - {"move_the_cutoff", "noise_microscope"}
    assert pages == {"spot_the_copy", "watch_it_memorize"}
    for step in (s for s in STEPS if s.page in pages):
        app = _app(tmp_path, monkeypatch, lesson=str(step.number))
        if step.name == "onset":
            _guess_onset(app, 1800)
        assert "tandard" in _metrics(app)
        assert f"once step {last} is done" in _text(app)
        assert "mbient" not in _metrics(app) and "Cutoff" not in _labels(app)


def test_the_odd_one_is_guessed_before_the_gallery_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(tmp_path, monkeypatch, lesson="1")
    pictures = len(app.get("image"))
    _ran(app.button_group(key="guess-100-0").set_value("A").run())
    assert len(app.get("image")) > pictures
    assert app.button(key="lesson-next").label == "Next"
    app = _app(tmp_path, monkeypatch)
    assert len(app.get("image")) > pictures  # without the lesson, all is shown


def test_the_lesson_can_be_left_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app(tmp_path, monkeypatch, lesson="5")
    _press(app, "lesson-leave")
    assert "lesson" not in app.query_params
    assert f"5 of {len(STEPS)}" not in _text(app)
    assert app.title[0].value == "Move the cutoff"  # and one stays on the page


def test_the_visitors_own_changes_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app(tmp_path, monkeypatch, lesson="7")
    _ran(app.select_slider(key="cutoff-300").set_value(2.0).run())
    assert app.select_slider(key="cutoff-300").value == 2.0
    _ran(app.run())
    assert app.select_slider(key="cutoff-300").value == 2.0


def test_done_stays_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app(tmp_path, monkeypatch, lesson=str(len(STEPS)))
    assert app.button(key="lesson-finish").proto.type == "secondary"
    _ran(app.button_group(key="rows").set_value("Median").run())
    assert app.button(key="lesson-finish").proto.type == "secondary"  # the line is the task
    line = app.slider(key="ratio-emoji-300-standard")
    stored = line.value
    for at in (0.25, stored):
        _ran(app.slider(key="ratio-emoji-300-standard").set_value(at).run())
        assert app.button(key="lesson-finish").proto.type == "primary"
    _press(app, "lesson-finish")
    assert "You said: 0.25." in _text(app)


def test_the_address_comes_before_a_steps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/move_the_cutoff.py")
    app.query_params.update({"lesson": "5", "cutoff-300": "4"})
    _ran(app.run())
    assert app.select_slider(key="cutoff-300").value == 4.0
    assert f"5 of {len(STEPS)}" in _text(app)


def test_predict_then_reveal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = next(s for s in STEPS if s.name == "share")
    found, right = step.found(), step.right()
    assert found is not None and right is not None
    wrong = next(k for k in step.options if k != right)
    for said in (wrong, right):
        app = _app(tmp_path, monkeypatch, lesson=str(step.number))
        assert found.text not in _text(app)  # nothing is told before the prediction
        assert app.button_group(key="n").value == 100
        _ran(app.button_group(key=step.answer_key).set_value(said).run())
        assert found.text in _text(app)
        assert ("As you said" in _text(app)) == (said == right)
        assert app.button_group(key="n").value == 300  # and the page shows it
        assert app.button_group(key=step.answer_key).value == said
        _ran(app.button_group(key="n").set_value(100).run())
        assert app.button_group(key="n").value == 100  # the reveal is applied once


def test_copying_is_guessed_before_it_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = next(s for s in STEPS if s.name == "onset")
    app = _app(tmp_path, monkeypatch, lesson=str(step.number))
    assert app.button(key="lesson-next").proto.type == "secondary"
    assert not app.metric
    _guess_onset(app, 1800)
    assert app.button(key="lesson-next").proto.type == "primary"
    assert app.metric and app.get("plotly_chart")
    found = step.found()
    assert found is not None and found.right is not None
    assert f"{found.right:,.0f}" in _text(app)  # the page and the lesson's answer agree


def test_an_answer_is_kept_until_the_next_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = next(s for s in STEPS if s.name == "more")
    app = _app(tmp_path, monkeypatch, lesson=str(step.number), hide="data")
    _ran(app.button_group(key=step.answer_key).set_value("fewer").run())
    _press(app, "lesson-next")
    _press(app, "lesson-back")
    assert app.button_group(key=step.answer_key).value == "fewer"
    app.session_state["teach"] = True  # opens the menu
    app.run()
    _ran(next(b for b in app.button if b.label == "Reset for the next class").click().run())
    assert app.title[0].value == HOME
    assert app.query_params == {"lesson": "1", "hide": "data"}
    assert DONE not in app.session_state or not app.session_state[DONE]
    for _ in range(step.number - 1):
        _press(app, "lesson-next")
    assert app.button_group(key=step.answer_key).value is None


def test_who_wanders_off_finds_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(tmp_path, monkeypatch, lesson="5")
    app.query_params.clear()
    _ran(app.switch_page("pages/spot_the_copy.py").run())
    assert app.title[0].value == HOME
    assert app.query_params["lesson"] == "5"
    _ran(next(b for b in app.button if b.label == "Go to its page").click().run())
    assert app.title[0].value == "Move the cutoff"


@pytest.mark.parametrize("bad", ["0", "99", "x", ""])
def test_a_number_that_is_no_step_opens_the_page(
    bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(tmp_path, monkeypatch, lesson=bad)
    assert app.title[0].value == HOME
    assert not any(b.key == "lesson-next" for b in app.button)


def test_without_stored_runs_the_lesson_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambient.runs import folder as store

    monkeypatch.setattr(store, "BUNDLED_RUNS", tmp_path / "none")
    app = _app(tmp_path / "own", monkeypatch, lesson="2")
    step = STEPS[1]
    _ran(app.button_group(key=step.answer_key).set_value(next(iter(step.options))).run())
    assert "not stored here" in _text(app)


def test_the_sheet_has_all_steps_and_answers_only_on_demand() -> None:
    plain, told = sheet.rendered("md", False), sheet.rendered("md", True)
    for step in STEPS:
        found = step.found()
        assert found is not None
        assert step.title in plain and step.text in plain and step.question in plain
        assert all(o in plain for o in step.options.values())
        assert f"/{step.page}?lesson={step.number}" in plain
        assert found.text not in plain and found.text in told
    report = data.report(data.find("emoji-300-standard"))
    assert report is not None
    share = words.percent(report["copies"]["ratio"]["rate"])
    assert share in sheet.rendered("html", True) and share not in sheet.rendered("html", False)


def test_the_sheet_is_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app(tmp_path, monkeypatch)
    _ran(app.switch_page("pages/lesson_sheet.py").run())
    assert all(s.title in _text(app) for s in STEPS)
    found = STEPS[1].found()
    assert found is not None and found.text not in _text(app)
    _ran(app.toggle(key="answers").set_value(True).run())
    assert found.text in _text(app)
    app = _app(tmp_path, monkeypatch, answers="true")
    _ran(app.switch_page("pages/lesson_sheet.py").run())
    assert found.text in _text(app)
