"""A run's zip stands where its folder does, and a command leaves nothing of it behind."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ambient.cli import main
from ambient.runs.archive import export_run
from ambient.runs.folder import Run, open_run

RUN, OTHER = "digits-50-standard", "digits-1000-standard"
FAST = ["--sampler", "euler", "--steps", "2"]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go; the commands run in an empty folder beside it."""
    made = tmp_path / "scratch"
    made.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


def left(scratch: Path) -> list[Path]:
    """What a command left of a zip; torch keeps a cache there that is none of it."""
    places = [*scratch.iterdir(), *Path().iterdir()]
    return [p for p in places if not p.name.startswith("torchinductor")]


def exported(run: str, folder: Path) -> str:
    target = folder / f"{run}.zip"
    assert main(["export", run, "--out", str(target)]) == 0
    return str(target)


def altered(run: Run, part: str, data: bytes | None) -> bytes:
    """The zip of a run with one part replaced; None: without it."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(export_run(run))) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        parts = {name: old.read(name) for name in old.namelist()} | {part: data}
        for name, content in parts.items():
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def test_samples_of_a_zip_are_those_of_the_run(tmp_path: Path, scratch: Path) -> None:
    found = []
    for n, run in enumerate((RUN, exported(RUN, tmp_path))):
        out = tmp_path / f"{n}.npz"
        assert main(["sample", run, "--n", "3", "--out", str(out), *FAST]) == 0
        found.append(np.load(out)["images"])
    assert (found[0] == found[1]).all()
    assert left(scratch) == []


def test_a_zip_above_and_a_folder_below_are_spliced(tmp_path: Path, scratch: Path) -> None:
    out, above = tmp_path / "x.npz", exported(OTHER, tmp_path)
    command = ["sample", RUN, "--above", above, "--switch", "1", "--n", "2", "--out", str(out)]
    assert main([*command, *FAST]) == 0
    assert np.load(out)["images"].shape == (2, 8, 8, 1)
    assert left(scratch) == []


def test_a_zip_is_evaluated_and_audited_like_the_run(tmp_path: Path, scratch: Path) -> None:
    """The same verdict of the same samples, under a name that says what the run is."""
    out, zipped, reports = tmp_path / "r.json", exported(RUN, tmp_path), []
    for run in (RUN, zipped):
        evaluate = ["evaluate", run, "--n", "20", "--features", "pixels", *FAST]
        assert main([*evaluate, "--json", str(out)]) == 0
        reports.append(json.loads(out.read_text()))
    assert reports[1].pop("run").startswith("digits-50-standard-")
    assert reports[0].pop("run") == RUN
    assert reports[0]["copies"] == reports[1]["copies"]
    assert reports[0]["samples"] == reports[1]["samples"]
    audit = ["audit", "--model", zipped, "--train", "digits", "--n", "8", "--skip-quality"]
    audit += ["--features", "pixels", "--json", str(out)]
    assert main(audit) == 0
    weights = open_run(RUN).checkpoint_sha256()
    assert json.loads(out.read_text())["checkpoint_sha256"] == weights
    assert left(scratch) == []


def test_curves_of_a_zip(tiny_run: Run, tmp_path: Path, scratch: Path) -> None:
    zipped, out = tmp_path / "tiny.zip", tmp_path / "curves.json"
    zipped.write_bytes(export_run(tiny_run))
    assert main(["curves", str(zipped), "--json", str(out)]) == 0
    pack = json.loads(out.read_text())
    assert pack["checkpoint_sha256"] == tiny_run.checkpoint_sha256()
    assert left(scratch) == []


def test_zips_are_compared_by_the_verdicts_they_bring(
    tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, found = tmp_path / "c.json", []
    zips = [exported(run, tmp_path) for run in (RUN, OTHER)]
    for pair in ([RUN, OTHER], zips):
        assert main(["compare", *pair, "--json", str(out)]) == 0
        found.append(json.loads(out.read_text()))
    assert [found[1].pop("runs")[0][:19], found[0].pop("runs")[0]] == [f"{RUN}-", RUN]
    assert found[0] == found[1]
    bare = tmp_path / "bare.zip"
    bare.write_bytes(altered(open_run(RUN), "report.json", None))
    capsys.readouterr()
    assert main(["compare", str(bare), RUN]) == 2
    said = capsys.readouterr().err
    assert f"'{bare}' has no verdict to compare; judge the run where it is" in said
    assert left(scratch) == []


def test_a_zip_starts_a_run_but_does_not_go_on(
    tiny_run: Run, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = tmp_path / "tiny.ZIP"
    zipped.write_bytes(export_run(tiny_run))
    child = tmp_path / "child"
    assert main(["train", "--from", str(zipped), "--steps", "2", "--out", str(child)]) == 0
    parent = open_run(child).config.parent
    assert parent is not None
    assert parent.startswith("digits-16-standard") and parent.endswith("@20")
    assert main(["train", "--resume", str(zipped), "--steps", "40"]) == 2
    assert "is a zip, and a run goes on in its folder" in capsys.readouterr().err
    assert left(scratch) == []


@pytest.mark.parametrize("command", ["evaluate", "curves"])
def test_a_zip_keeps_nothing(
    command: str, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = exported(RUN, tmp_path)
    before = Path(zipped).read_bytes()
    capsys.readouterr()
    assert main([command, zipped, "--store"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is a zip, in which nothing is kept; unpack it" in line
    assert Path(zipped).read_bytes() == before
    assert left(scratch) == []


STEP = "checkpoints/step-001500.safetensors"
HOSTILE = {
    "no weights": (STEP, None, "'x.zip': this zip holds no weights"),
    "a pickle": (STEP, b"\x80\x04" + bytes(64), "is not a whole safetensors file"),
    "a folder of this machine": ("config.json", "/etc", "'x.zip': this run's images are '/etc'"),
    "no JSON": ("config.json", b"\xff", "'x.zip': 'config.json' is not readable JSON"),
    "a bomb": ("config.json", bytes(9 * 10**7), "unpacks to 90000000 bytes; expected at most"),
    "a climber": ("../x", b"", "'x.zip': '../x' would leave its folder"),
    "two runs": ("b/config.json", b"{}", "'x.zip': this zip holds more than one run"),
    "no run": ("config.json", None, "has no model_index.json; expected the folder of a saved"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("command", ["sample", "audit", "compare"])
def test_a_hostile_zip_is_refused_in_one_line(
    name: str, command: str, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (part, data, words), run = HOSTILE[name], open_run(RUN)
    if isinstance(data, str):
        data = json.dumps(json.loads(run.config.to_json()) | {"corpus": data}).encode()
    zipped = tmp_path / "x.zip"
    zipped.write_bytes(altered(run, part, data))
    words_of = {
        "sample": ["sample", str(zipped), "--out", "x.png"],
        "audit": ["audit", "--model", str(zipped), "--train", "digits", "--n", "4"],
        "compare": ["compare", str(zipped), RUN],
    }
    assert main(words_of[command]) == 2
    error = capsys.readouterr().err.strip()
    (line,) = [part for part in error.splitlines() if part.startswith("ambient ")]
    assert words in line
    assert str(scratch) not in line
    assert left(scratch) == []


def test_what_is_no_zip_is_one_line(
    tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = tmp_path / "fake.zip"
    fake.write_bytes(b"hello")
    assert main(["sample", str(fake), "--out", "x.png"]) == 2
    assert "'fake.zip' is not a readable zip file; make it again." in capsys.readouterr().err
