"""What strangers hand over and see on a public server: names, places, sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ambient.run import Run
from ui import data, words
from ui.data import Sets

ROOT = Path(__file__).parent.parent
EVIL = "![x](https://evil.example/x.png)"
LIVE = "]("  # what markdown makes a picture or a link of


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All images have a name that is a picture in markdown."""
    true = data.sets

    def sets(run: Run) -> Sets:
        both = true(run)
        train, unseen = ((EVIL,) * len(names) for names in (both.train_names, both.heldout_names))
        return replace(both, train_names=train, heldout_names=unseen)

    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr(data, "sets", sets)


@pytest.mark.parametrize(
    ("page", "address"),
    [
        ("evidence_room", {"run": "emoji-300-standard"}),
        ("evidence_room", {"run": "emoji-300-standard", "view": "Two rules"}),
        ("evidence_room", {"run": "emoji-300-standard", "view": "Search", "image": "training-3"}),
        ("noise_microscope", {"run": "emoji-300-standard"}),
    ],
)
def test_a_file_may_be_called_anything(page: str, address: dict[str, str], evil: None) -> None:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    at.switch_page(f"pages/{page}.py")
    at.query_params.update(address)
    at.run()
    assert not at.exception
    said = [e.value for e in [*at.markdown, *at.caption]]
    said += [image.caption for e in at.get("imgs") for image in e.proto.imgs]
    assert any("evil.example" in text for text in said)
    assert not [text for text in said if LIVE in text]


def test_a_refused_name_makes_no_picture() -> None:
    at = AppTest.from_function(_refused).run()
    assert "evil.example" in at.error[0].value
    assert LIVE not in at.error[0].value


def _refused() -> None:
    from ui import words

    words.refuse("'![x](https://evil.example/x.png)' is no picture.")


def test_names_keep_their_letters() -> None:
    assert words.unmarked("rescue worker’s helmet") == "rescue worker’s helmet"
    assert words.unmarked("4 (no. 353)") == r"4 \(no. 353\)"
    assert words.unmarked(":red[a_b*]") == r"\:red\[a\_b\*\]"


def test_no_name_is_a_formula_in_a_spreadsheet() -> None:
    rows = [{"name": name, "x": -1.5} for name in ("=HYPERLINK(1)", "@a", "-1.png", "a=b.png")]
    lines = data.csv_bytes(rows).decode().splitlines()
    assert lines[1:] == ["'=HYPERLINK(1),-1.5", "'@a,-1.5", "'-1.png,-1.5", "a=b.png,-1.5"]
