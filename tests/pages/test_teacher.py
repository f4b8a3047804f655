"""Links that hide controls: no number goes with them, and what they stood at stays."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from ui import frame, teacher

ROOT = Path(__file__).resolve().parents[2]
PAGES = [name for name, *_ in frame.PAGES]
ALL = ",".join(teacher.GROUPS)
CONTROLS = (
    "button",
    "button_group",
    "selectbox",
    "select_slider",
    "slider",
    "number_input",
    "file_uploader",
    "text_input",
    "toggle",
    "multiselect",
)


def _open(page: str, runs: Path, monkeypatch: pytest.MonkeyPatch, **query: str) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(runs))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{page}.py")
    app.query_params.update(query)
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def _controls(app: AppTest) -> list[str]:
    return [f"{kind}: {w.label}" for kind in CONTROLS for w in app.get(kind)]


def _numbers(app: AppTest) -> list[tuple[str, str, str]]:
    return [(m.label, m.value, m.delta) for m in app.metric]


@pytest.mark.parametrize(
    ("page", "query"),
    [(page, {}) for page in PAGES] + [("evidence_room", {"view": "Search"})],
    ids=str,
)
def test_hiding_everything_hides_no_result(
    page: str, query: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _open(page, tmp_path, monkeypatch, **query)
    bare = _open(page, tmp_path, monkeypatch, hide=ALL, **query)
    assert _numbers(bare) == _numbers(whole)
    assert [e.value for e in bare.title] == [e.value for e in whole.title]
    charts = [c.proto.alt for c in whole.get("plotly_chart")]
    assert [c.proto.alt for c in bare.get("plotly_chart")] == charts
    headings = {e.value for e in whole.subheader} - {e.value for e in bare.subheader}
    controls = ("Your turn", "Train it", "Your own images")
    assert all(any(c in h for c in controls) for h in headings), headings
    assert _controls(bare) == [] and not bare.get("download_button")
    assert _controls(whole) != [] or page == "reproduce"


def test_what_a_hidden_control_stands_at_comes_from_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ({}, {"hide": "settings"}):
        app = _open(
            "move_the_cutoff", tmp_path, monkeypatch, **{"n": "300", "cutoff-300": "4", **query}
        )
        assert app.metric[0].label == "Copied at cutoff 4"
    assert not app.get("select_slider")
    app.run()
    assert app.metric[0].label == "Copied at cutoff 4"


def test_only_the_named_groups_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _open("spot_the_copy", tmp_path, monkeypatch, hide="game, shuffle,nonsense")
    assert "button: Show other samples" not in _controls(app)
    assert "button_group: Training images" in _controls(app)
    assert not any("Your turn" in h.value for h in app.subheader)


def test_hiding_lasts_over_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _open("spot_the_copy", tmp_path, monkeypatch, hide="settings")
    app.query_params.clear()
    app.switch_page("pages/move_the_cutoff.py").run()
    assert not app.get("select_slider")
    assert app.query_params["hide"] == "settings"


def test_a_step_of_the_lesson_keeps_the_control_it_points_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _open("move_the_cutoff", tmp_path, monkeypatch, lesson="5", hide="settings,data")
    assert app.select_slider(key="cutoff-300").value == 0.5
    assert not app.get("download_button")


def test_the_menu_builds_the_link_of_the_page_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = {"n": "300", "cutoff-300": "4"}
    app = _open("move_the_cutoff", tmp_path, monkeypatch, **query)
    app.session_state["teach"] = True
    app.run()
    app.button_group(key="teach-hide").set_value(["settings"]).run()
    for open_again in (False, True):  # closed by a click beside it, the menu forgets nothing
        app.session_state["teach"] = open_again
        app.run()
    picks = app.button_group(key="teach-hide")
    assert picks.value == ["settings"]
    picks.set_value(["settings", "live"]).run()
    link = next(c.value for c in app.code if "hide=" in c.value)
    expected = {"cutoff-300": "4", "hide": "settings,live"}  # 300 is where the page begins
    assert parse_qs(urlsplit(link).query) == {k: [v] for k, v in expected.items()}
    query = {k: v[0] for k, v in parse_qs(urlsplit(link).query).items()}
    opened = _open("move_the_cutoff", tmp_path, monkeypatch, **query)
    assert opened.metric[0].label == "Copied at cutoff 4"
    assert not opened.get("select_slider")
