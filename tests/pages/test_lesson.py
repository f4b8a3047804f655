"""The lesson: its data, its way from step to step, what it leaves alone, and its answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ambient.runs import folder as store
from tests.pages.driver import press, ran, text, visit
from ui import covers, data, frame, pages, teacher, words
from ui.lesson import answers, panel, sheet
from ui.lesson.steps import DONE, TESTS, Step, steps

STEPS = steps()
BY_NAME = {s.name: s for s in STEPS}
QUESTIONS = [s for s in STEPS if s.question]
HOME = "New, or a copy?"
HOME_PAGE = "spot_the_copy"  # it has no charts
WIDGETS = ("button_group", "selectbox", "select_slider", "slider", "number_input", "toggle")


def _at(step: Step, **query: str) -> AppTest:
    return visit(lesson=str(step.number), **query)


def _answer(app: AppTest, step: Step, option: str) -> AppTest:
    return ran(app.button_group(key=step.answer_key).set_value(option).run())


def _labels(app: AppTest) -> set[str]:
    return {w.label for kind in (*WIDGETS, "button") for w in app.get(kind)}


def _guess_onset(app: AppTest, step: int) -> AppTest:
    assert next(b for b in app.button if b.label == "Reveal").disabled
    ran(app.select_slider(key="onset-at-emoji-300-standard").set_value(step).run())
    return press(app, "Reveal")


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_a_step_refers_to_what_exists_and_opens_cold_with_its_state(step: Step) -> None:
    assert step.page in {name for name, *_ in pages.PAGES}
    assert step.done in TESTS
    assert set(step.groups) <= set(teacher.GROUPS) and set(step.covers) <= set(covers.PARTS)
    app = _at(step)
    assert f"{step.number} of {len(STEPS)}" in text(app)
    assert app.session_state[frame.PAGE] == step.page
    stands = {w.key: w.value for kind in WIDGETS for w in app.get(kind)}
    assert {k: stands[k] for k in step.state} == step.state
    assert step.control in _labels(app)
    assert app.query_params["lesson"] == str(step.number)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_an_answer_is_computed_and_is_one_of_the_options(step: Step) -> None:
    found = step.found()
    assert found is not None
    assert any(c.isdigit() for c in found.text)
    assert not step.question or step.right() in step.options


def test_what_is_said_behind_an_answer_stands_on_it() -> None:
    right = {s.name: s.right() for s in STEPS if s.why}
    assert right == {"more": "more", "where": "below"}  # else their texts are to be rewritten


def test_answers_agree_with_the_stored_reports() -> None:
    report = data.report(data.find("emoji-300-standard"))
    assert report is not None
    rule = report.copies.ratio.rated
    found = answers.copied("emoji-300-standard")
    assert found is not None and found.right == rule.rate
    assert words.percent(rule.rate) in found.text and words.interval(rule.ci95) in found.text
    low, high = "emoji-300-ambient-1.0", "emoji-300-ambient-4.0"
    cases = {(low, high): "more", (high, low): "fewer", (high, high): "same"}
    for pair, right in cases.items():
        compared = answers.compared(*pair)
        assert compared is not None and compared.right == right


def test_an_answer_without_its_run_says_so() -> None:
    assert answers.copied("no-such-run") is None
    assert answers.decided(7, 0.4) is None
    assert answers.stopping_early(7, 0.4) is None


def test_a_number_finds_its_place_among_lower_bounds() -> None:
    bounds = ["0", "0.05", "0.25", "0.5"]
    for number, place in ((0.0, "0"), (0.05, "0.05"), (0.3, "0.25"), (1.0, "0.5")):
        assert answers.option(bounds, number) == place
    assert answers.option(["yes", "no"], "no") == "no"


def test_the_lesson_leads_from_start_to_end_and_sets_what_was_said_beside_what_was_found() -> None:
    app = visit()
    assert not any(b.key == "lesson-next" for b in app.button)
    press(app, "Ten-minute lesson")
    for step in STEPS[1:]:
        press(app, "lesson-next")
        assert f"{step.number} of {len(STEPS)}" in text(app)
        assert app.session_state[frame.PAGE] == step.page
        assert app.query_params["lesson"] == str(step.number)
    press(app, "lesson-back")
    asked = STEPS[-2]
    assert app.query_params["lesson"] == str(asked.number)
    wrong = next(k for k in asked.options if k != asked.right())
    _answer(app, asked, wrong)
    press(app, "lesson-next")
    press(app, "lesson-finish")
    assert app.query_params["lesson"] == panel.END
    for step in STEPS:  # what was found, all in one place
        found = step.found()
        assert found is not None and found.text in text(app)
    assert f"You said: {asked.options[wrong].lower()}." in text(app)
    press(app, "lesson-begin again")
    assert f"1 of {len(STEPS)}" in text(app)
    press(app, "lesson-leave")
    assert "lesson" not in app.query_params
    assert app.title[0].value == HOME  # and one stays on the page


@pytest.mark.parametrize("step", QUESTIONS, ids=lambda s: s.name)
def test_the_page_does_not_tell_before_the_answer(step: Step) -> None:
    found, right = step.found(), step.right()
    assert found is not None and right is not None
    intervals = re.findall(r"interval: ([\d.]+ to [\d.]+)", found.text)
    numbers = intervals or re.findall(r"\*\*([\d.]+)\*\*", found.text)
    new = numbers[1:] if step.name in ("cutoff", "more") else numbers  # the first is on show
    app = _at(step)
    charts = len(app.get("plotly_chart"))
    shown = [m.delta for m in app.metric if m.label != "Copied without a cutoff"]
    shown += [e.value for e in [*app.subheader, *app.caption]]
    assert [line for line in shown if any(number in line for number in new)] == []
    _answer(app, step, right)
    assert found.text in text(app)
    last = max((s.number for s in STEPS for part in step.covers if part in s.covers), default=0)
    if last == step.number and step.page != HOME_PAGE:
        assert len(app.get("plotly_chart")) > charts


def test_what_is_covered_waits_for_the_last_question_about_it() -> None:
    first, last = [s for s in STEPS if "valley" in s.covers]
    line = f"once step {last.number} is done"
    app = _at(first)
    for step in (first, last):
        assert line in text(app)
        assert app.select_slider(key="cutoff-300").disabled
        _answer(app, step, "same")
        assert app.select_slider(key="cutoff-300").value == step.reveal["cutoff-300"]
        assert (line in text(app)) == (step is first)
        press(app, "lesson-next")
    assert not app.select_slider(key="cutoff-300").disabled
    press(app, "lesson-leave")
    assert "once step" not in text(app)  # without the lesson, nothing is covered


def test_no_earlier_step_tells_what_a_cutoff_does() -> None:
    last = max(s.number for s in STEPS if "ambient" in s.covers)
    pages = {s.page for s in STEPS[:last]} - {"cutoff", "noise_microscope"}
    assert pages == {"spot_the_copy", "watch_it_memorize"}
    for step in (s for s in STEPS if s.page in pages):
        app = _at(step)
        if step.name == "onset":
            _guess_onset(app, 1800)
        labels = "\n".join(m.label for m in app.metric)
        assert "tandard" in labels
        assert f"once step {last} is done" in text(app)
        assert "mbient" not in labels and "Cutoff" not in _labels(app)


def test_the_odd_one_is_guessed_before_the_gallery_shows_it() -> None:
    app = _at(STEPS[0])
    pictures = len(app.get("image"))
    ran(app.button_group(key="guess-100-0").set_value("A").run())
    assert len(app.get("image")) > pictures
    assert app.button(key="lesson-next").label == "Next"


def test_the_visitors_own_changes_stay_and_the_address_comes_before_a_steps_state() -> None:
    app = visit("cutoff", **{"lesson": "7", "cutoff-300": "4"})
    assert app.select_slider(key="cutoff-300").value == 4.0
    assert f"7 of {len(STEPS)}" in text(app)
    ran(app.select_slider(key="cutoff-300").set_value(2.0).run())
    assert ran(app.run()).select_slider(key="cutoff-300").value == 2.0


def test_done_stays_done() -> None:
    app = _at(STEPS[-1])
    ran(app.button_group(key="rows").set_value("Median").run())
    assert app.button(key="lesson-finish").proto.type == "secondary"  # the line is the task
    stored = app.slider(key="ratio-emoji-300-standard").value
    for at in (0.25, stored):
        ran(app.slider(key="ratio-emoji-300-standard").set_value(at).run())
        assert app.button(key="lesson-finish").proto.type == "primary"
    press(app, "lesson-finish")
    assert "You said: 0.25." in text(app)


@pytest.mark.parametrize("correct", [False, True])
def test_predict_then_reveal(correct: bool) -> None:
    step = BY_NAME["share"]
    found, right = step.found(), step.right()
    assert found is not None and right is not None
    said = right if correct else next(k for k in step.options if k != right)
    app = _at(step)
    assert found.text not in text(app)  # nothing is told before the prediction
    assert app.button_group(key="n").value == 100
    _answer(app, step, said)
    assert found.text in text(app)
    assert ("As you said" in text(app)) == correct
    assert app.button_group(key="n").value == 300  # and the page shows it
    ran(app.button_group(key="n").set_value(100).run())
    assert app.button_group(key="n").value == 100  # the reveal is applied once


def test_copying_is_guessed_before_it_is_watched() -> None:
    step = BY_NAME["onset"]
    app = _at(step)
    assert app.button(key="lesson-next").proto.type == "secondary"
    assert not app.metric
    _guess_onset(app, 1800)
    assert app.button(key="lesson-next").proto.type == "primary"
    assert app.metric and app.get("plotly_chart")
    found = step.found()
    assert found is not None and isinstance(found.right, float)
    assert f"{found.right:,.0f}" in text(app)  # the page and the lesson's answer agree


def test_an_answer_is_kept_until_the_next_class() -> None:
    step = BY_NAME["more"]
    app = _at(step, hide="data")
    _answer(app, step, "fewer")
    press(app, "lesson-next")
    press(app, "lesson-back")
    assert app.button_group(key=step.answer_key).value == "fewer"
    app.session_state["teach"] = True  # opens the menu
    app.run()
    press(app, "Reset for the next class")
    assert app.title[0].value == HOME
    assert app.query_params == {"lesson": "1", "hide": "data"}
    assert DONE not in app.session_state or not app.session_state[DONE]


def test_who_wanders_off_finds_the_way_back() -> None:
    app = _at(BY_NAME["cutoff"])
    app.query_params.clear()
    ran(app.switch_page("pages/spot_the_copy.py").run())
    assert app.title[0].value == HOME
    assert app.query_params["lesson"] == "5"
    press(app, "Go to its page")
    assert app.title[0].value == "Cutoff"


@pytest.mark.parametrize("bad", ["99", "x", ""])
def test_a_number_that_is_no_step_opens_the_page(bad: str) -> None:
    app = visit(lesson=bad)
    assert app.title[0].value == HOME
    assert not any(b.key == "lesson-next" for b in app.button)


def test_without_stored_runs_the_lesson_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUNDLED_RUNS", tmp_path / "none")
    step = BY_NAME["share"]
    app = _answer(_at(step), step, next(iter(step.options)))
    assert panel.NOT_STORED in text(app)


@pytest.mark.parametrize("kind", ["md", "html"])
def test_the_sheet_has_all_steps_and_answers_only_on_demand(kind: str) -> None:
    plain, told = sheet.rendered(kind, False), sheet.rendered(kind, True)
    write = (lambda text: str(sheet.inline(text))) if kind == "html" else str
    for step in STEPS:
        for part in (step.title, step.text, step.question, *step.options.values()):
            assert write(part) in plain
        assert f"/{step.page}?lesson={step.number}" in plain
        answer = write(sheet.answer(step))
        assert answer not in plain and answer in told


def test_the_sheet_escapes_what_it_is_given() -> None:
    assert sheet.inline("<b> **is** *so*") == "&lt;b&gt; <strong>is</strong> <em>so</em>"


def test_the_sheet_is_a_page() -> None:
    app = visit("lesson_sheet")
    assert all(s.title in text(app) for s in STEPS)
    found = STEPS[1].found()
    assert found is not None and found.text not in text(app)
    ran(app.toggle(key="answers").set_value(True).run())
    assert found.text in text(app)
