"""What strangers hand over and see on a public server: names, places, sizes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ambient.runs.folder import Run, open_run
from tests.pages.driver import visit
from ui import data, words
from ui.data import Sets

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


@pytest.mark.parametrize("address", [{"view": "Rows"}, {"view": "Search", "image": "training-3"}])
def test_a_file_may_be_called_anything(address: dict[str, str], evil: None) -> None:
    at = visit("evidence", run="emoji-300-standard", **address)
    said = [e.value for e in [*at.markdown, *at.caption]]
    said += [image.caption for e in at.get("imgs") for image in e.proto.imgs]
    assert any("evil.example" in text for text in said)
    assert not [text for text in said if LIVE in text]


def test_no_name_is_a_formula_in_a_spreadsheet() -> None:
    rows = [{"name": name, "x": -1.5} for name in ("=HYPERLINK(1)", "@a", "-1.png", "a=b.png")]
    lines = data.csv_bytes(rows).decode().splitlines()
    assert lines[1:] == ["'=HYPERLINK(1),-1.5", "'@a,-1.5", "'-1.png,-1.5", "a=b.png,-1.5"]


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_run: Run) -> Run:
    """A run on a public server that ended early, for a reason that names a folder."""
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda run: None)
    shutil.copytree(tiny_run.path, tmp_path / "runs" / "tiny")
    run = open_run(tmp_path / "runs" / "tiny")
    run.tell(status="failed", error=f"'{run.path}/resume/20.pt' could not be read")
    return run


def all_of(at: AppTest) -> str:
    kinds = [at.markdown, at.caption, at.error, at.info, at.code, at.subheader]
    return "\n".join(str(e.value) for kind in kinds for e in kind)


def test_how_a_run_ended_names_no_folder(failed: Run) -> None:
    said = all_of(visit("train", mine="tiny"))
    assert "It ended early: 'tiny/resume/20.pt' could not be read" in said
    assert str(failed.path.parent) not in said
    failed.tell(status="interrupted", error="")
    (failed.path / "log.txt").write_text("OSError: '/opt/python/lib/torch/x.so' is missing\n")
    said = all_of(visit("train", mine="tiny"))
    assert "It ended early: OSError: 'x.so' is missing" in said
    failed.tell(status="done", error="", unjudged=f"'{failed.path}/images.npz' is gone")
    said = all_of(visit("train", mine="tiny"))
    assert "No verdict: 'tiny/images.npz' is gone" in said
    assert str(failed.path.parent) not in said


@pytest.mark.parametrize("page", ["evidence", "noise"])
def test_pages_name_runs_and_no_folders(failed: Run, page: str) -> None:
    assert str(failed.path.parent) not in all_of(visit(page, run="tiny"))


def test_texts_for_strangers_name_no_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = {
        f"'{tmp_path}/mine' is queued": "'mine' is queued",
        f"'{tmp_path}' could not be written": "'the runs folder' could not be written",
        "[Errno 13] '/tmp/ambient-audit-x/train/a.zip'": "[Errno 13] 'a.zip'",
        "train --corpus /home/somebody/pictures --n 3": "train --corpus pictures --n 3",
        "2 runs of yours": "2 runs of yours",
        "d1/d2 and https://example.org/a/b": "d1/d2 and https://example.org/a/b",
    }
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    assert [words.unplaced(text) for text in texts] == list(texts)
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    assert [words.unplaced(text) for text in texts] == list(texts.values())
    monkeypatch.delenv("AMBIENT_RUNS")
    assert words.unplaced("2 runs of yours") == "2 runs of yours"  # no folder, a word


@pytest.mark.parametrize("page", ["evidence", "noise", "audit", "train"])
def test_no_uploader_takes_more_than_the_server_allows(
    page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    found = visit(page).file_uploader
    assert found
    assert all(0 < uploader.proto.max_upload_size_mb <= 50 for uploader in found)


def test_a_run_too_large_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_UPLOAD", "1000000")
    at = visit("evidence")
    assert at.file_uploader(key="run-zip").proto.max_upload_size_mb == 1
    zipped = ("run.zip", b"PK" + bytes(2_000_000), "application/zip")
    at.file_uploader(key="run-zip").set_value(zipped).run()
    (error,) = at.error
    assert error.value.startswith("A run as zip: 2 MB; this server takes at most 1 MB.")


def test_strangers_open_no_folder_and_send_this_server_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = visit("evidence")
    assert "Open folder" not in [b.label for b in app.button]
    assert not [t for t in app.text_input if "folder" in t.label]
