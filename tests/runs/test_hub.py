"""Every way out and back in keeps a run what it is; the Hub here is a folder with its habits."""

import errno
import fnmatch
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ambient.cli import main
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError
from ambient.images.corpus import BUNDLED, load_corpus
from ambient.models import hub
from ambient.models.adapters import Model
from ambient.reports.evaluate import draw
from ambient.runs import card
from ambient.runs.archive import export_run, import_run
from ambient.runs.folder import Run, list_runs, open_run

huggingface_hub = pytest.importorskip("huggingface_hub")
ROOT = Path(__file__).resolve().parents[2]


class Hub:
    """A folder a commit; as there, a push keeps what it neither brings nor deletes.

    It stands for the network alone: the calls it takes are those of huggingface_hub, checked
    against their signatures in `test_the_fake_hub_is_called_like_the_real_one`.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.private, self.heads = root, dict[str, bool](), dict[str, str]()

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.private.setdefault(repo_id, private)

    def upload_folder(
        self, *, repo_id: str, folder_path: str, commit_message: str, delete_patterns: list[str]
    ) -> SimpleNamespace:
        assert repo_id in self.private, "404: made first"
        assert commit_message
        scratch = self.root / "scratch"
        if head := self.heads.get(repo_id):
            shutil.copytree(self.root / repo_id / head, scratch)
            self._drop(scratch, lambda name: _matches(name, delete_patterns))
        shutil.copytree(folder_path, scratch, dirs_exist_ok=True)
        digest = hashlib.sha1(head.encode() if head else b"")
        for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
            digest.update(str(path.relative_to(scratch)).encode() + path.read_bytes())
        commit = digest.hexdigest()
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)
        scratch.rename(self.root / repo_id / commit)
        self.heads[repo_id] = commit
        return SimpleNamespace(oid=commit)

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, allow_patterns: list[str]
    ) -> str:
        from huggingface_hub import errors

        answer: Any = SimpleNamespace(headers={}, request=None, status_code=404)
        if repo_id not in self.heads:
            raise errors.RepositoryNotFoundError("no such repository", response=answer)
        commit = self.heads[repo_id] if revision in (None, "main") else revision
        stored = self.root / repo_id / str(commit)
        if not stored.is_dir():
            raise errors.RevisionNotFoundError("no such revision", response=answer)
        cached = self.root / "cache" / repo_id / "snapshots" / str(commit)
        shutil.copytree(stored, cached, dirs_exist_ok=True)
        self._drop(cached, lambda name: not _matches(name, allow_patterns))
        return str(cached)

    @staticmethod
    def _drop(folder: Path, unwanted: Any) -> None:
        for path in [p for p in folder.rglob("*") if p.is_file()]:
            if unwanted(str(path.relative_to(folder))):
                path.unlink()


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(tmp_path / "the-hub")
    made.root.mkdir()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    return made


def drawn(run: Run) -> np.ndarray:
    return np.concatenate(list(draw(run, range(8), SamplerConfig("euler", 2))))


# Routes


def as_zip(run: Run, folder: Path) -> Run:
    """The command's zip, opened by its path."""
    target = folder / "run.zip"
    assert main(["export", str(run.path), "--out", str(target)]) == 0
    return import_run(target, folder / "zip")


def as_folder(run: Run, folder: Path) -> Run:
    """Nothing but config and weights, copied by hand."""
    target = folder / "bare"
    (target / "checkpoints").mkdir(parents=True)
    shutil.copy(run.path / "config.json", target)
    shutil.copy(run.checkpoint(), target / "checkpoints")
    return open_run(target)


def through_the_hub(run: Run, folder: Path) -> Run:
    return pulled(f"hub:me/run@{hub.push(run, 'me/run')}", folder / "pulled")


def pulled(spec: str, into: Path) -> Run:
    run = hub.pull(spec, into)
    assert isinstance(run, Run)
    return run


ROUTES: list[Callable[[Run, Path], Run]] = [
    as_zip,
    as_folder,
    through_the_hub,
    lambda run, folder: import_run(export_run(run), folder / "upload", "a visitor's token"),
    lambda run, folder: import_run(export_run(run, images=True), folder / "images"),
]


def test_every_route_keeps_a_run(tmp_path: Path, fake: Hub) -> None:
    """The same images and weights, the same samples to the last bit, the same report."""
    run = open_run("emoji-100-ambient-1.0")
    for route in ROUTES:
        again = route(run, tmp_path)
        assert again.checkpoint_sha256() == run.checkpoint_sha256(), route
        assert again.corpus().sha256 == run.corpus().sha256, route
        assert again.config.replace(corpus=run.config.corpus) == run.config, route
        assert (drawn(again) == drawn(run)).all(), route
        if route is not as_folder:
            assert again.report() == run.report(), route


# The Hub


def test_a_pulled_run_knows_its_commit_and_stays_what_it_was(
    tmp_path: Path, fake: Hub, tiny_run: Run
) -> None:
    """A push replaces the run, and its old weights with it; the old commit still has them."""
    commit = hub.push(tiny_run, "me/tiny")
    for spec in ("hub:me/tiny", "me/tiny@main", f"hub:me/tiny@{commit}"):
        origin = json.loads((pulled(spec, tmp_path).path / hub.ORIGIN_FILE).read_text())
        assert origin == {"repo": "me/tiny", "revision": commit}
    shorter = shutil.copytree(tiny_run.path, tmp_path / "shorter")
    (shorter / "checkpoints" / tiny_run.checkpoint(20).name).unlink()
    hub.push(open_run(shorter), "me/tiny", public=True)
    assert [pulled(s, tmp_path).steps for s in ("me/tiny", f"me/tiny@{commit}")] == [[10], [20]]
    assert fake.private == {"me/tiny": True}  # as it was made


def test_own_images_travel_only_when_asked(tmp_path: Path, fake: Hub, tiny_run: Run) -> None:
    commit = hub.push(tiny_run, "me/tiny", public=True)
    assert not (fake.root / "me/tiny" / commit / "images.npz").exists()
    hub.push(tiny_run, "me/tiny", images=True)
    assert pulled("me/tiny", tmp_path).corpus().sha256 == tiny_run.corpus().sha256
    assert fake.private == {"me/tiny": False}


def test_the_card_says_what_was_measured_and_promises_nothing(fake: Hub) -> None:
    run = open_run("emoji-100-standard")
    commit = hub.push(run, "me/emoji")
    text = (fake.root / "me/emoji" / commit / "README.md").read_text()
    report = run.report()
    assert f"**Copies**: {report.copies.ratio.rate:.1%}" in text
    assert "python -m ambient sample hub:me/emoji" in text
    assert run.corpus().license in text
    assert "a privacy guarantee" in text
    assert "not in this repository" in text
    assert text.startswith("---\nlicense: apache-2.0\n")


def test_the_card_names_the_license_of_every_bundled_corpus_and_of_no_other(
    tmp_path: Path, tiny_run: Run
) -> None:
    """As the Hub reads it: a field of the card's head, and one of the licenses it knows."""
    assert set(card.LICENSES) == {load_corpus(name).license for name in BUNDLED}
    for images in (False, True):
        head = huggingface_hub.ModelCard(card.model_card(tiny_run, "me/tiny", images)).data
        assert (head.license, head.library_name) == ("cc-by-4.0", "ambient")
    np.savez(tmp_path / "own.npz", images=tiny_run.corpus().images)
    run = tmp_path / "run"
    train = ["train", "--corpus", str(tmp_path / "own.npz"), "--n-train", "16", "--steps", "1"]
    assert main([*train, "--width", "16", "--out", str(run)]) == 0
    text = card.model_card(open_run(run), "me/own")
    assert huggingface_hub.ModelCard(text).data.license is None
    assert "with this notice: yours" in text


def put(fake: Hub, repo: str, folder: Path) -> str:
    """A folder as it is, by other means; its commit."""
    fake.create_repo(repo, private=True, exist_ok=True)
    done = fake.upload_folder(
        repo_id=repo, folder_path=str(folder), commit_message="m", delete_patterns=[]
    )
    return str(done.oid)


def test_a_pipeline_comes_from_the_hub(tmp_path: Path, fake: Hub) -> None:
    """Diffusers loads with the real library of the Hub."""
    from tests.pipelines import save

    pipeline = save(tmp_path / "p")
    (pipeline / "code.py").write_text("raise SystemExit")
    commit = put(fake, "me/ddpm", pipeline)
    model = hub.pull("hub:me/ddpm", tmp_path)
    assert isinstance(model, Model)
    assert (model.name, model.shape) == (f"me/ddpm@{commit}", (3, 8, 8))
    assert not list((fake.root / "cache").rglob("*.py"))


def test_commands_push_and_pull(
    tmp_path: Path,
    fake: Hub,
    tiny_run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ambient.runs.queue.RUNS", tmp_path / "runs")
    assert main(["push", str(tiny_run.path), "me/tiny"]) == 0
    spec = capsys.readouterr().err.strip()
    assert spec == f"hub:me/tiny@{fake.heads['me/tiny']}"
    assert main(["pull", spec]) == 0
    (run,) = list_runs(tmp_path / "runs")
    assert str(run.path) in capsys.readouterr().err
    out = tmp_path / "made.npz"
    assert main(["sample", spec, "--n", "2", "--steps", "2", "--out", str(out)]) == 0
    assert np.load(out)["images"].shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("hub:nobody/nothing", "is not on the Hub, or not for you"),
        ("hub:../../etc/passwd", "names nothing on the Hub"),
        ("hub:me/empty", "neither a run nor a diffusers pipeline"),
    ],
)
def test_what_cannot_be_pulled_is_one_line(
    spec: str, complaint: str, tmp_path: Path, fake: Hub, tiny_run: Run
) -> None:
    hub.push(tiny_run, "me/tiny")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "weights.bin").write_bytes(b"\x80")
    put(fake, "me/empty", tmp_path / "empty")
    with pytest.raises(InputError, match=complaint) as refusal:
        hub.pull(spec, tmp_path / "runs")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "runs").exists()


def answered(status: int) -> Any:
    """What the library raises of such an answer."""
    from huggingface_hub import errors

    answer: Any = SimpleNamespace(headers={}, request=None, status_code=status)
    return errors.HfHubHTTPError("no", response=answer)


def absent(cause: Exception) -> Exception:
    """What the library raises where nothing was pulled before."""
    from huggingface_hub import errors

    error = errors.LocalEntryNotFoundError("not in the cache")
    error.__cause__ = cause
    return error


class UnconnectedError(Exception):
    """What an HTTP client raises without a network: no two versions use the same client."""

    __module__ = "httpx2"


FAULTS = {
    "no network": (UnconnectedError("x"), "the Hub cannot be reached for 'me/tiny'"),
    "nothing kept": (absent(ConnectionError()), "the Hub cannot be reached for 'me/tiny'"),
    "out of order": (absent(answered(503)), "the Hub answered 503 about 'me/tiny'"),
    "forbidden": (answered(403), "the Hub answered 403 about 'me/tiny'"),
    "full": (
        OSError(errno.ENOSPC, "No space left on device"),
        "'me/tiny' is not done: the disk is full: ",
    ),
    "a fault of theirs": (
        ValueError("odd\n<b>things</b>"),
        "the Hub's library gave up on 'me/tiny' (ValueError: odd__b_things_/b_)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_whose_fault_it_is_is_said_in_one_line(
    name: str,
    fake: Hub,
    tiny_run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fault, words = FAULTS[name]

    def fails(*given: object, **named: object) -> None:
        raise fault

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    monkeypatch.setattr(fake, "upload_folder", fails)
    for command in (["pull", "me/tiny"], ["push", str(tiny_run.path), "me/tiny"]):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line
        assert ("reached" in line) == ("reached" in words)


OFFLINE = """
import sys
from pathlib import Path
from ambient.models.hub import ORIGIN_FILE, pull, push
from ambient.runs.folder import open_run
for spec in sys.argv[2:]:
    print((pull(spec, Path("runs")).path / ORIGIN_FILE).read_text())
for unreachable in (lambda: pull("me/none", Path()), lambda: push(open_run(sys.argv[1]), "me/d")):
    try:
        unreachable()
    except ValueError as e:
        print(e)
"""


def test_without_a_network_the_real_library_opens_what_was_pulled(tmp_path: Path) -> None:
    """Its cache, as it lays it out: a folder a commit, and what `main` was."""
    commit, cache = "0123456789abcdef" * 2 + "01234567", tmp_path / "hub" / "models--me--digits"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit)
    run = open_run("digits-50-standard")
    with zipfile.ZipFile(io.BytesIO(export_run(run))) as archive:
        archive.extractall(cache / "snapshots" / commit)
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(run.path), "hub:me/digits", f"me/digits@{commit}"],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    *origins, pulling, pushing = done.stdout.strip().split("\n")
    assert [json.loads(origin)["revision"] for origin in origins if origin] == [commit] * 2
    assert "the Hub cannot be reached" in pulling and "the Hub cannot be reached" in pushing


def test_the_fake_hub_is_called_like_the_real_one() -> None:
    import inspect

    real = (
        (huggingface_hub.HfApi.create_repo, Hub.create_repo),
        (huggingface_hub.HfApi.upload_folder, Hub.upload_folder),
        (huggingface_hub.snapshot_download, Hub.snapshot_download),
    )
    for theirs, ours in real:
        assert set(inspect.signature(ours).parameters) - {"self"} <= set(
            inspect.signature(theirs).parameters
        )
