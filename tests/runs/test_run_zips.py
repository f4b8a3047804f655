"""A run's zip stands where its folder does, and a command leaves nothing of it behind."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from ambient.cli import main
from ambient.runs.archive import export_run
from ambient.runs.folder import Run, open_run
from tests.files import altered

RUN = "digits-50-standard"
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
    np.savez(tmp_path / "t.npz", images=open_run(RUN).corpus().images[:60])
    audit = ["audit", "--model", zipped, "--train", str(tmp_path / "t.npz"), "--n", "8"]
    audit += ["--skip-quality", "--features", "pixels", "--json", str(out)]
    assert main(audit) == 0
    weights = open_run(RUN).checkpoint_sha256()
    assert json.loads(out.read_text())["checkpoint_sha256"] == weights
    assert left(scratch) == []


def test_a_zip_starts_a_run_but_does_not_go_on(
    tiny_run: Run, tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = tmp_path / "tiny.ZIP"
    zipped.write_bytes(export_run(tiny_run))
    child = tmp_path / "child"
    assert main(["train", "--from", str(zipped), "--steps", "2", "--out", str(child)]) == 0
    parent = open_run(child).config.parent
    assert parent.startswith("digits-16-standard") and parent.endswith("@20")
    assert main(["train", "--resume", str(zipped), "--steps", "40"]) == 2
    assert "is a zip, and a run goes on in its folder" in capsys.readouterr().err
    assert left(scratch) == []


def test_a_zip_keeps_nothing(
    tmp_path: Path, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = exported(RUN, tmp_path)
    before = Path(zipped).read_bytes()
    capsys.readouterr()
    assert main(["evaluate", zipped, "--store"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "is a zip, in which nothing is kept; unpack it" in line
    assert Path(zipped).read_bytes() == before
    assert left(scratch) == []


HOSTILE: list[tuple[dict[str, bytes | None] | None, str]] = [
    (None, "'x.zip' is not a readable zip file; make it again."),
    ({"../x": b""}, "'x.zip': '../x' would leave its folder"),
    ({"diffusion_pytorch_model.safetensors": b""}, "has no model_index.json"),
]


@pytest.mark.parametrize(("parts", "words"), HOSTILE)
def test_a_hostile_zip_is_refused_in_one_line(
    parts: dict[str, bytes | None] | None,
    words: str,
    tmp_path: Path,
    scratch: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    zipped = tmp_path / "x.zip"
    whole = export_run(open_run(RUN))
    zipped.write_bytes(b"hello" if parts is None else altered(whole, parts))
    for command in (
        ["sample", str(zipped), "--out", "x.png"],
        ["audit", "--model", str(zipped), "--train", "digits", "--n", "4"],
        ["compare", str(zipped), RUN],
    ):
        assert main(command) == 2
        error = capsys.readouterr().err.strip()
        (line,) = [part for part in error.splitlines() if part.startswith("ambient ")]
        assert words in line
        assert str(scratch) not in line
        assert left(scratch) == []
