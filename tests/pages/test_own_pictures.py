"""Pictures of one's own: read, kept in the run's folder, trained on, exported and brought back."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambient.cli import main
from ambient.config import configure
from ambient.files import InputError
from ambient.images.corpus import Corpus, read_uploads
from ambient.runs import queue
from ambient.runs.archive import export_run, import_run
from ambient.runs.folder import IMAGES_FILE, OWN, Run, list_runs, open_run
from ambient.runs.start import packed, start_run
from ambient.runs.train import record
from tests.files import altered, picture, pictures, saved, zipped

pytestmark = pytest.mark.usefixtures("blank_sheets")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_uploads(pictures(30), OWN)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, corpus: Corpus) -> Run:
    """A trained run on pictures that are nowhere but in its folder."""
    config = configure(corpus, n_train=16, steps=10, batch=4, width=16, checkpoint_every=10)
    run = start_run(tmp_path_factory.mktemp("own") / "run", config, images=corpus)
    for _ in record(run, run.corpus()):
        pass
    return open_run(run.path)


def test_pictures_a_zip_and_an_npz_are_the_same_images(corpus: Corpus) -> None:
    for upload in (zipped(pictures(30)), saved(images=corpus.images), packed(corpus)):
        assert read_uploads([("anything.jpg", upload)], OWN).sha256 == corpus.sha256


def test_what_was_done_to_them_is_said() -> None:
    odd = [("a.png", picture(90, (40, 20))), ("b.png", picture(91, (16, 16), "L"))]
    notes = read_uploads(
        [*pictures(8), *odd, ("c.png", b"%PDF"), ("d.png", b"")], OWN, side=16
    ).notes
    assert notes[0] == "1 of 10 pictures (40x20 pixels) cropped to a square and resized to 16x16."
    assert notes[1] == "1 of 10 pictures are gray; they are read as color, like the others."
    assert notes[2].startswith("2 of 12 pictures left out: 'c.png' is not a readable picture but a")


def test_its_images_go_where_the_run_goes(own: Run, corpus: Corpus, tmp_path: Path) -> None:
    shutil.move(shutil.copytree(own.path, tmp_path / "a"), tmp_path / "b")
    moved = open_run(tmp_path / "b")
    assert moved.config.corpus == OWN
    found = moved.corpus()
    assert found.sha256 == corpus.sha256 and found.names == corpus.names
    np.testing.assert_array_equal(found.groups, corpus.groups)
    (tmp_path / "b" / IMAGES_FILE).unlink()
    with pytest.raises(InputError, match="images.npz"):
        moved.corpus()


def test_the_queue_trains_it_and_a_new_run_goes_on_from_it(
    own: Run, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambient.runs.upkeep.launch", lambda run: None)
    first = queue.submit(own.config, tmp_path, "me", images=corpus)
    child = queue.submit(own.config, tmp_path, "me", (own, None))
    assert first.corpus().sha256 == child.corpus().sha256 == corpus.sha256
    assert child.config.parent == "run@10"
    assert main(["train", "--resume", str(first.path)]) == 0
    last = first.checkpoint().read_bytes()
    assert last == own.checkpoint().read_bytes()  # as trained without the queue
    out = str(tmp_path / "next")
    assert main(["train", "--from", str(first.path), "--out", out, "--steps", "2"]) == 0
    assert open_run(out).corpus().sha256 == corpus.sha256


def test_it_comes_back_with_its_pictures_only(own: Run, corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Export it again with `--images`"):
        import_run(export_run(own), tmp_path)
    again = import_run(export_run(own, images=True), tmp_path)
    assert again.corpus().sha256 == corpus.sha256
    assert again.checkpoint().read_bytes() == own.checkpoint().read_bytes()
    mine, yours = (import_run(export_run(own, True), tmp_path, w) for w in ("me", "you"))
    assert len({again.name, mine.name, yours.name}) == 3
    assert queue.may_change(mine, "me") and not queue.may_change(mine, "you")


def test_a_folder_of_pictures_travels_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, data in pictures(20):
        (tmp_path / "in" / name).write_bytes(data)
    words = ["--n-train", "8", "--steps", "2", "--batch", "4", "--width", "16"]
    folder, out = str(tmp_path / "run"), tmp_path / "run.zip"
    assert main(["train", "--corpus", str(tmp_path / "in"), *words, "--out", folder]) == 0
    assert main(["export", folder, "--images", "--out", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        for part in ("config.json", "README.md"):
            assert str(tmp_path) not in archive.read(part).decode()
    shutil.rmtree(tmp_path / "in")
    again = import_run(out, tmp_path / "runs")
    assert again.corpus().names == tuple(f"{i:03}.png" for i in range(20))


def test_a_run_with_other_pictures_is_refused(
    own: Run, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = json.loads(own.config.to_json()) | {"corpus": "/etc"}
    others = read_uploads([(n, picture(99 - i)) for i, (n, _) in enumerate(pictures(30))], OWN)
    cases = {
        "trained on other images": (IMAGES_FILE, packed(others)),
        "may only name one of emoji, digits, kanji, or bring its own": (IMAGES_FILE, None),
        "and it brings an images.npz": ("config.json", json.dumps(named).encode()),
        "is a pickle of Python objects": (IMAGES_FILE, saved(images=np.array([print] * 5))),
        "'images.npz' is not a readable npz file": (IMAGES_FILE, packed(corpus)[:500]),
    }
    for line, (part, data) in cases.items():
        with pytest.raises(InputError, match=line):
            import_run(altered(export_run(own, True), {part: data}), tmp_path)
    monkeypatch.setenv("AMBIENT_PUBLIC", "1")
    monkeypatch.setenv("AMBIENT_MAX_PICTURES", "20")
    with pytest.raises(InputError, match="number of pictures is 30; this server"):
        import_run(export_run(own, True), tmp_path)
    assert list_runs(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_only_squares_are_trained_on(corpus: Corpus, tmp_path: Path) -> None:
    wide = replace(corpus, images=np.concatenate([corpus.images] * 2, axis=2))
    with pytest.raises(InputError, match="the images are 16x32 pixels; expected squares"):
        configure(wide, n_train=16)
