"""Every page: it opens complete and light, over nothing it says what to do, words are explained."""

import subprocess
import sys
from pathlib import Path

import pytest

from ambient.runs import folder as store
from tests.pages.driver import ROOT, press, ran, text, visit
from ui import pages
from ui.terms import TERMS

PAGES = [name for name, *_ in pages.PAGES]
VIEWS = {  # of Evidence, and what each of them says
    "Rows": "= copy",
    "Search": "Nearest:",
    "Another run": "One thing is changed",
    "Sample now": "",
    "Twins": "groups of near-duplicates",
}


def test_every_page_opens_complete_and_without_torch(tmp_path: Path) -> None:
    script = f"""
import sys
from tests.pages.driver import text, visit
asked = [(page, "", "") for page in {PAGES!r}]
asked += [("evidence", view, says) for view, says in {VIEWS!r}.items()]
for page, view, says in asked:
    app = visit(page, **({{"view": view}} if view else {{}}))
    assert len(app.title) == 1 and not app.error, (page, view)
    pictures, charts = app.get("image"), app.get("plotly_chart")
    assert pictures or charts or app.get("bidi_component"), (page, view)
    assert all(e.proto.imgs[0].alt for e in pictures) and all(e.proto.alt for e in charts)
    assert says in text(app), view
    assert "torch" not in sys.modules, (page, view)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "", "AMBIENT_RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_opened_is_one_clear_line() -> None:
    app = visit("evidence")
    app.text_input[0].set_value("/nowhere")
    press(app, "Open folder")
    assert [e.value for e in app.error] and "/nowhere" in app.error[0].value
    ran(app.file_uploader[0].upload("run.zip", b"no zip at all").run())
    assert len(app.error) == 1
    assert "zip" in app.error[0].value


@pytest.mark.parametrize("page", [page for page in PAGES if page != "train"])
def test_without_any_run_a_page_says_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(store, "BUNDLED_RUNS", tmp_path / "none")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    app = visit(page)
    assert app.code[0].value.startswith(("python -m ambient", "make"))
    assert not app.metric


def test_terms_are_one_click_away() -> None:
    app = visit("paper")
    app.session_state["terms"] = True
    app.run()
    assert all(f"**{term}**" in text(app) for term in TERMS)
    app.text_input(key="term").set_value("Ledoit").run()
    assert not any(f"**{term}**" in text(app) for term in TERMS)
