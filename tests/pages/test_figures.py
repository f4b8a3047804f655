"""All figures as a zip: every command exists, and the zip holds what it says."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pytest

from ambient.cli import app as commands
from ui import figures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def every() -> list[figures.Figure]:
    return figures.every()


def test_every_command_can_be_given(every: list[figures.Figure]) -> None:
    """Commands of ours parse; make targets and scripts are there."""
    assert len({f.name for f in every}) == len(every) > 15
    assert all((f.chart is None) != (f.picture is None) for f in every)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in {line for f in every for line in f.command.splitlines()}:
        words = line.split()
        if line.startswith("python -m ambient "):
            commands.parse_args(words[3:])
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
        else:
            assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file(), line


def test_the_zip_holds_what_its_manifest_says(
    every: list[figures.Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = [next(f for f in every if f.picture), next(f for f in every if f.name == "surgery-100")]
    monkeypatch.setattr(figures, "every", lambda: some)
    with zipfile.ZipFile(io.BytesIO(figures.archive())) as found:
        manifest = json.loads(found.read("manifest.json"))
        assert {f["file"] for f in manifest["files"]} | {"manifest.json"} == set(found.namelist())
        for entry in manifest["files"]:
            content = found.read(entry["file"])
            assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["file"]
        assert found.read(f"{some[0].name}.png").startswith(b"\x89PNG")
        page = found.read("surgery-100.html").decode()
        assert 'src="plotly.min.js"' in page
        assert "http" not in re.sub(r"https?://(www\.w3\.org|plot\.ly)\S*", "", page)
        rates = [row["copies"] for row in some[1].rows()]  # type: ignore[index, call-overload]
        table = found.read("surgery-100.csv").decode().splitlines()
        assert len(table) == len(rates) + 1 and f",{rates[0]}," in table[1]
