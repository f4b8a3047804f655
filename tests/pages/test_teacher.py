"""Links that hide controls: no number goes with them, and what they stood at stays."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.driver import film, ran, visit
from ui import pages, teacher

PAGES = [name for name, *_ in pages.PAGES]
CONTROLS = ("button", "button_group", "selectbox", "select_slider", "slider", "number_input")
CONTROLS += ("file_uploader", "text_input", "toggle", "multiselect")
AT_4 = {"cutoff-300": "4"}


def _controls(app: AppTest) -> list[str]:
    return [f"{kind}: {w.label}" for kind in CONTROLS for w in app.get(kind)]


def _results(app: AppTest) -> list[object]:
    numbers = [(m.label, m.value, m.delta) for m in app.metric]
    charts = [c.proto.alt for c in app.get("plotly_chart")]
    return [numbers, charts, [e.value for e in app.title]]


@pytest.mark.parametrize(
    ("page", "query"),
    [(page, {}) for page in PAGES] + [("evidence", {"view": "Search"})],
    ids=str,
)
def test_hiding_everything_hides_no_result(page: str, query: dict[str, str]) -> None:
    whole, bare = visit(page, **query), visit(page, hide=",".join(teacher.GROUPS), **query)
    assert _results(bare) == _results(whole)
    headings = {e.value for e in whole.subheader} - {e.value for e in bare.subheader}
    controls = ("Five of these", "Another cutoff", "Your own images")
    assert all(any(c in h for c in controls) for h in headings), headings
    left = [c for c in _controls(bare) if not c.startswith("select_slider: Switch")]  # a figure's
    assert left == [] and not bare.get("download_button")
    assert _controls(whole) != []


def test_what_a_hidden_control_stands_at_comes_from_the_address_and_lasts_over_pages() -> None:
    app = visit("cutoff", hide="settings", **AT_4)
    for _ in range(2):
        sent = film(app)
        assert sent["frames"][sent["index"]] == "4"
        ran(app.run())
    app.query_params.clear()
    ran(app.switch_page("pages/home.py").run())
    assert "button_group: They learned from" not in _controls(app)
    assert app.query_params["hide"] == "settings"
