"""The lesson: what is asked is stored, what is said stays in the address, a room is counted."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ambient.runs import folder as store
from tests.pages.driver import press, ran, text, visit
from ui import visitor, words
from ui.lesson import answers, figures, room, sheet
from ui.lesson.steps import LETTERS, Step, steps, written

STEPS = steps()


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.name)
def test_a_step_has_a_figure_and_an_answer_among_its_options(step: Step) -> None:
    assert figures.picture(step)
    found = step.found()
    assert found is not None and found.text and step.right() in step.options
    assert len(step.options) <= len(LETTERS) and len(STEPS) <= 8


def test_answers_agree_with_the_stored_reports() -> None:
    report = store.open_run("emoji-300-standard").report()
    rule = report.copies.ratio.rated
    found = answers.copied("emoji-300-standard")
    assert found is not None and found.right == rule.rate
    assert words.percent(rule.rate) in found.text and words.interval(rule.ci95) in found.text
    low, high = "emoji-300-ambient-1.0", "emoji-300-ambient-4.0"
    for pair, right in {(low, high): "more", (high, low): "fewer", (high, high): "same"}.items():
        compared = answers.compared(*pair)
        assert compared is not None and compared.right == right
    assert answers.copied("no-such-run") is answers.stop_at("no", low) is None
    bounds = ["0", "0.05", "0.25", "0.5"]
    for number, place in ((0.0, "0"), (0.05, "0.05"), (0.3, "0.25"), (1.0, "0.5")):
        assert answers.option(bounds, number) == place


def test_the_lesson_leads_from_end_to_end_and_keeps_what_was_said() -> None:
    app = visit("lesson")
    for step in STEPS:
        assert app.subheader[0].value == step.question
        assert not any(str(step.found().text) in m.value for m in app.markdown)  # type: ignore[union-attr]
        first = next(iter(step.options))
        press(app, f"say-{step.name}-{first}")
        assert not any(b.key.startswith("say-") for b in app.button if b.key)  # the first one stays
        again = visit("lesson", **dict(app.query_params))
        assert step.options[first] in text(again)  # a reload, a phone that slept
        press(app, "lesson-next")
    assert app.query_params["said"] == "a" * len(STEPS)
    said = text(app)
    assert all(step.question in said for step in STEPS[1:-1])
    assert "At first you said" in said and "privacy guarantee" in said
    press(app, "lesson-again")
    assert "said" not in app.query_params and app.subheader[0].value == STEPS[0].question


@pytest.mark.parametrize("query", [{"at": "99"}, {"at": "x"}, {"said": "zz?9" * 9}, {"at": "-1"}])
def test_a_spoiled_link_opens_the_lesson(query: dict[str, str]) -> None:
    assert visit("lesson", **query).title[0].value == "Lesson"


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cookies of whoever comes next."""
    cookies: dict[str, str] = {}
    monkeypatch.setattr(type(st.context), "cookies", property(lambda self: cookies))
    room._rooms.clear()  # type: ignore[attr-defined]
    return cookies


def _comes(learner: dict[str, str], token: str, **query: str) -> AppTest:
    learner[visitor.COOKIES[visitor.BROWSER]] = token * 22
    return visit("lesson", **query)


def test_a_room_counts_each_learner_once_and_compares_first_with_last(
    learner: dict[str, str],
) -> None:
    projector = press(visit("room"), "Open a room")
    code = projector.query_params["room"]
    right = written({step.name: str(step.right()) for step in STEPS})
    for token, said in (("a", "b"), ("a", right), ("b", "b"), ("c", "")):
        _comes(learner, token, room=code, said=said)
    _comes(learner, "d", room="????", said="b")  # no room of this server
    rows = room.table(code)
    assert [row["learner"] for row in rows] == [1, 2]
    assert [row["before right"] for row in rows] == [True, False]
    assert [row["after right"] for row in rows] == [True, ""]
    shown = ran(projector.run())
    assert "2 of 2 have answered" in text(shown)


def test_rooms_and_seats_are_bounded(
    learner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "ROOMS", 2)
    monkeypatch.setattr(room, "SEATS", 1)
    codes = [room.opened() for _ in range(3)]
    assert list(room._rooms()) == codes[1:]
    for token in "ab":
        _comes(learner, token, room=codes[2], said="a")
    assert len(room.table(codes[2])) == 1


def test_the_sheet_has_pictures_and_answers_only_on_demand() -> None:
    plain, told = sheet.rendered(False), sheet.rendered(True)
    for step in STEPS:
        for part in (step.text, step.question, *step.options.values()):
            assert str(sheet.inline(part)) in plain
        answer = str(sheet.inline(sheet.answer(step)))
        assert answer not in plain and answer in told
    assert plain.count("data:image/png") == len(STEPS)
    assert sheet.inline("<b> **is** *so*") == "&lt;b&gt; <strong>is</strong> <em>so</em>"
