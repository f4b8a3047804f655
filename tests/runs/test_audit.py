"""Audits: planted copies, reports on paper, large sets, and what a command must not do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from ambient.cli import main
from ambient.copies import sets as parts
from ambient.copies.intervals import clopper_pearson
from ambient.copies.judge import judge_images
from ambient.copies.likeness import likeness, likenesses
from ambient.copies.rules import LEFT_OUT, ORDERS, UNLIKE
from ambient.copies.sets import STAND_INS, ImageSets
from ambient.files import InputError
from ambient.images import neighbors
from ambient.images.changes import CHANGES
from ambient.images.corpus import Corpus, split_corpus
from ambient.images.twins import twin_groups, twin_radius
from ambient.reports import answer as said
from ambient.reports.audit import audit
from ambient.reports.page import page as html_page
from ambient.reports.pictures import small, strip, unstrip
from ambient.reports.records import Audit, Recall, Tally
from ambient.reports.sets import read_sets
from tests.files import encoded, zipped
from tests.jobs import until

ROOT = Path(__file__).resolve().parents[2]
EMPTY = np.zeros(0, np.int64)


def named(images: NDArray[np.uint8], prefix: str) -> bytes:
    return zipped((f"{prefix}{i:03}.png", encoded(image)) for i, image in enumerate(images))


@pytest.fixture(scope="module")
def planted(emoji: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`made.zip`: 40 copies of 120 training images and 80 innocent ones; one file is no picture."""
    folder = tmp_path_factory.mktemp("planted")
    split = split_corpus(emoji, 120, 0)
    train, unseen = emoji.images[split.train], emoji.images[split.heldout]
    (folder / "train.zip").write_bytes(named(train, "train-"))
    (folder / "held.zip").write_bytes(named(unseen[80:380], "held-"))
    (folder / "made.zip").write_bytes(named(np.concatenate([train[:40], unseen[:80]]), "made-"))
    with zipfile.ZipFile(folder / "made.zip", "a") as archive:
        archive.writestr("broken.png", b"\x89PNG\r\n\x1a\n and no more")
    return folder


@pytest.fixture(scope="module")
def report(planted: Path) -> Audit:
    sets = (planted / f"{name}.zip" for name in ("made", "train", "held"))
    return audit(*sets, features="pixels", quality=False)


def test_planted_copies_are_named_with_their_originals(report: Audit) -> None:
    low, high = report.copies.ratio.ci95
    assert low < 40 / 120 < high
    for i, record in enumerate(report.samples[:40]):
        assert record.copy
        assert record.file == f"made-{i:03}.png"
        assert record.nearest_file == f"train-{i:03}.png"
        assert record.likeness == "identical"
    assert report.answer.key == "copies"
    assert report.corpus.name == "train.zip"  # no place of this machine


def test_one_bad_picture_is_named_and_left_out(report: Audit) -> None:
    assert report.n_samples == 120
    assert any(w.startswith("generated: 1 of 121 pictures left out") for w in report.warnings)


def test_a_set_inside_another_is_left_out_of_it(emoji: Corpus, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    for i, image in enumerate(emoji.images[:12]):
        (tmp_path / ("made" if i % 2 else ".") / f"{i}.png").write_bytes(encoded(image))
    sets = read_sets(tmp_path / "made", tmp_path)
    assert (len(sets.made), len(sets.known)) == (6, 6)
    assert "the pictures below 'made' are another set and were left out." in sets.known.notes


def test_duplicates_are_counted(emoji: Corpus, tmp_path: Path) -> None:
    split = split_corpus(emoji, 110, 0)
    train = emoji.images[split.train]
    np.savez(tmp_path / "train.npz", images=np.concatenate([train, train[:7]]))
    np.savez(tmp_path / "made.npz", images=emoji.images[split.heldout[[0] * 30 + [*range(90)]]])
    found = audit(tmp_path / "made.npz", tmp_path / "train.npz", features="pixels")
    assert found.duplicates.training == 7
    assert found.duplicates.generated >= 30
    assert any("the 117 training images are 110 different ones" in w for w in found.warnings)
    assert found.calibrated_on == LEFT_OUT


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_copies_are_small(channels: int) -> None:
    large = np.random.default_rng(0).integers(0, 256, (200, 200, channels), dtype=np.uint8)
    assert small(large).shape == (96, 96, channels)
    assert abs(small(large).mean() - large.mean()) < 1
    np.testing.assert_array_equal(small(large[:32, :32]), large[:32, :32])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_gives_its_pictures_back(channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 12, channels), dtype=np.uint8)
    back = unstrip(strip(list(pictures)), 3)
    np.testing.assert_array_equal(np.stack(back), pictures)


def test_the_surest_copy_of_each_original_is_pictured_first(report: Audit, emoji: Corpus) -> None:
    copies = {i for i, r in enumerate(report.samples) if r.named}
    assert {row.sample for row in report.originals} == copies
    split = split_corpus(emoji, 120, 0)
    for row in report.originals:
        record, known = report.samples[row.sample], int(re.sub(r"\D", "", row.files[1]))
        assert (record.file, record.nearest) == (row.files[0], known)
        np.testing.assert_array_equal(unstrip(row.strip, 2)[1], emoji.images[split.train[known]])


def test_evidence_shows_the_images_it_names(report: Audit, emoji: Corpus) -> None:
    split = split_corpus(emoji, 120, 0)
    assert [e.order for e in report.evidence] == [o for o in ORDERS for _ in range(8)]
    for row in report.evidence:
        known = int(re.sub(r"\D", "", row.files[1]))
        pictures = unstrip(row.strip, len(row.files))
        np.testing.assert_array_equal(pictures[1], emoji.images[split.train[known]])
        assert len(row.roles) == len(row.files) == 4


# How copies differ from their originals


def shift(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(images, ((0, 0), (0, 2), (2, 0), (0, 0)), mode="edge")[:, 2:, :-2]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: x, "identical"),
        (lambda x: x[:, :, ::-1], "identical, mirrored"),
        (lambda x: np.rot90(x, axes=(1, 2)), "identical, turned"),
        (lambda x: x[:, ::-1], "identical, turned"),
        (lambda x: np.clip(x + np.int16(9), 0, 255).astype(np.uint8), "nearly identical"),
        (shift, "shifted"),
        (lambda x: shift(x)[:, :, ::-1], "mirrored and shifted"),
        (lambda x: x[..., ::-1], "recolored"),
        (lambda x: np.roll(x, 1, axis=0), "resembling"),
    ],
)
def test_what_was_done_to_a_copy_is_said(
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], word: str, emoji: Corpus
) -> None:
    train = emoji.images[split_corpus(emoji, 60, 3).train]
    words = likenesses(change(train), train, range(60), twin_radius(train))
    assert words.count(word) > 20, words  # others are symmetric, or gray


def test_every_change_is_planted_and_most_are_found(report: Audit) -> None:
    recall = {r.change: r.found / r.planted for r in report.recall}
    assert list(recall) == list(CHANGES)
    sure = ("unchanged", "mirrored", "shifted 1 pixel", "turned", "brighter")
    assert min(recall[change] for change in sure) > 0.9
    assert recall["cropped"] < 0.5
    assert "Out of reach: cropped" in " ".join(said.sentences(report))


@pytest.mark.parametrize(
    ("generated", "unseen", "key"),
    [
        ((120, 0, 0), (3, 0, 0), "copies"),
        ((15, 15, 15), (3, 1, 0), "copies"),
        ((3, 0, 0), (3, 0, 0), "none"),
        ((3, 1, 1), (3, 0, 0), "unclear"),
        ((5, 5, 5), (0, 0, 0), "copies"),
        ((5, 5, 5), (1, 1, 1), "unclear"),
        ((12, 0, 0), (3, 0, 0), "unclear"),
        ((90, 90, 90), (90, 90, 90), "none"),
        ((0, 0, 0), (3, 0, 0), "none"),
    ],
)
def test_an_answer_weighs_what_is_named_against_what_is_no_copy(
    generated: tuple[int, int, int], unseen: tuple[int, int, int], key: str
) -> None:
    names = ("named", "explained", "exact")
    tally, beside = (
        Tally(of=300, **dict(zip(names, counts, strict=True))) for counts in (generated, unseen)
    )
    nature = Tally(of=600, **{name: 2 * n for name, n in zip(names, unseen, strict=True)})
    recall = [Recall(change="turned", planted=40, found=30)]
    found = said.conclude([], tally, tally, beside, lambda: nature, recall)
    assert found.key == key
    if not tally.named:  # 3.7 of 300 at most, of which three quarters would be found
        assert "up to 1.6 %" in found.sentence


def test_the_share_of_copies_leaves_false_alarms_out() -> None:
    def tally(named: int) -> Tally:
        return Tally(of=100, named=named, explained=0, exact=0)

    low, high = said.copied(tally(11), tally(6))
    assert low == 0 and 0.05 < high < 0.16
    low, high = said.copied(tally(98), tally(6))
    assert low > 0.85 and high == 1
    assert said.copied(tally(5), tally(0)) == clopper_pearson(5, 100)


# Many images


def test_two_groups_are_found_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    queries, keys = rng.standard_normal((30, 6)), rng.standard_normal((70, 6))
    queries, keys = queries.astype(np.float32), keys.astype(np.float32)
    groups = np.sort(rng.integers(0, 9, 70))
    own = rng.integers(0, 9, 30)
    monkeypatch.setattr(neighbors, "BLOCK", 16)
    for mine in (None, own):
        found, index = neighbors.nearest_of_two_groups(queries, keys, groups, mine)
        far = np.linalg.norm(queries[:, None] - keys, axis=2)
        if mine is not None:
            far[mine[:, None] == groups] = np.inf
        first = far.argmin(1)
        rows = np.arange(30)
        np.testing.assert_array_equal(index[:, 0], first)
        far[groups[first][:, None] == groups] = np.inf
        np.testing.assert_array_equal(index[:, 1], far.argmin(1))
        np.testing.assert_allclose(found[:, 1], far[rows, index[:, 1]], rtol=1e-5)


def test_bytes_and_floats_are_the_same_images(pixels: NDArray[np.uint8]) -> None:
    rows = pixels.reshape(len(pixels), -1)
    floats = neighbors.values(rows)
    a, b = (neighbors.nearest_of_two_groups(x[:5], x[5:], np.arange(15)) for x in (rows, floats))
    np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_allclose(a[0], b[0], rtol=1e-6)


def test_thousands_of_one_image_are_one_group(digits: Corpus) -> None:
    """A collapsed generator makes one picture over and over; neither search may choke on it."""
    blank = np.full((3000, 8, 8, 1), 200, np.uint8)
    images = np.concatenate([digits.images[:100], blank])
    groups = twin_groups(images)
    assert len(set(groups[100:].tolist())) == 1
    rows = images.reshape(len(images), -1)
    far, near = neighbors.nearest_of_two_groups(rows[100:], rows, groups)
    assert (far[:, 0] == 0).all()
    assert (groups[near[:, 1]] != groups[100]).all()


def test_only_so_many_training_images_stand_in(digits: Corpus) -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (STAND_INS + 50, 8, 8, 1), dtype=np.uint8)
    sets = ImageSets(digits.images[:100], train, train[:0], np.arange(len(train)), np.arange(0))
    assert len(judge_images(sets).heldout_ratios) == STAND_INS


def test_features_are_compared_with_a_part_and_that_is_said(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "IN_FEATURES", 150)
    images = digits.images[:700]
    groups = np.arange(400), np.arange(200)
    found = judge_images(
        ImageSets(images[:100], images[:400], images[400:600], *groups), "encoder-64", False
    )
    assert "similarity is that to 150 of 400 training images, drawn at random." in found.warnings
    same = [i for i, nearest in enumerate(found.most_similar or ()) if i == nearest]
    assert 20 < len(same) < 60
    assert all(found.samples[i].similarity == 1 for i in same)


# On paper


class Sources(HTMLParser):
    """Everything a page would fetch, and whether it runs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action")]


def sources(text: str) -> Sources:
    parser = Sources()
    parser.feed(text)
    return parser


def test_the_page_needs_nothing_else(report: Audit) -> None:
    text = html_page(report)
    page = sources(text)
    assert not page.tags & {"script", "link", "iframe", "object", "form"}
    assert page.sources
    assert all(s.startswith("data:image/png;base64,") for s in page.sources)
    assert "http" not in re.sub(r"base64,[^\"]+", "", text)
    assert "url(" not in text
    for word in (report.answer.sentence, "95 % interval", "planted", "train-000.png", "numpy"):
        assert word in text


def test_names_of_files_are_only_text(report: Audit) -> None:
    record = structs.replace(report.samples[0], file='"><script>alert(1)</script>')
    text = html_page(structs.replace(report, samples=(record, *report.samples[1:])))
    assert "script" not in sources(text).tags


def test_doubled_unseen_images_calibrate_once(emoji: Corpus) -> None:
    """Twins among them alarm together: counted each, the interval of false alarms is too narrow."""
    some = emoji.images[np.unique(emoji.groups, return_index=True)[1]]
    once = ImageSets(some[:150], some[150:300], some[300:700], np.arange(150), np.arange(400))
    doubled = replace(
        once, heldout=np.repeat(once.heldout, 3, axis=0), heldout_groups=np.arange(1200) // 3
    )
    assert judge_images(doubled).copies.ratio == judge_images(once).copies.ratio


def test_features_that_fill_the_memory_are_refused(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ImageSets(digits.images[:100], digits.images, digits.images[:0], digits.groups, EMPTY)
    monkeypatch.setattr("ambient.copies.judge.MANY_VALUES", 100_000)
    with pytest.raises(InputError, match="1,897 images are 121,408 numbers in the features pixels"):
        judge_images(sets, "pixels")


# The command


def test_the_command_writes_page_json_and_progress(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / f"audit.{name}" for name in ("json", "html")}
    command = ["audit", "--features", "pixels", "--progress", str(tmp_path / "progress.json")]
    for option, name in (("generated", "made"), ("train", "train"), ("heldout", "held")):
        command += [f"--{option}", str(planted / f"{name}.zip")]
    for option, path in files.items():
        command += [f"--{option}", str(path)]
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "are copies of training images" in told
    assert "generated: 120 images of 32x32 pixels. 1 of 121 pictures left out: 'broken.png'" in told
    assert told.count("'broken.png'") == 1  # and not again as a warning
    assert json.loads(files["json"].read_text("utf-8"))["n_samples"] == 120
    assert files["html"].read_text("utf-8").startswith("<!doctype html>")
    assert set(json.loads((tmp_path / "progress.json").read_text())) == {"part", "done", "total"}


@pytest.mark.parametrize("option", ["--json", "--html", "--progress"])
def test_a_place_that_cannot_be_written_is_noticed_first(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, message in ((tmp_path / "no" / "a.x", "is no folder"), (tmp_path, "a folder")):
        command = ["audit", "--generated", "nowhere", "--train", "nowhere", option, str(target)]
        assert main(command) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "no corpus" not in said  # the images were not even looked for
        assert said.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_audit_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    names = {"json": "a.json", "html": "a.html", "progress": "p.json"}
    command = [sys.executable, "-m", "ambient", "audit", "--features", "encoder-64"]
    command += ["--generated", "emoji", "--train", "emoji"]  # enough work to be ended in
    for option, name in names.items():
        command += [f"--{option}", str(tmp_path / name)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    until((tmp_path / "p.json").exists, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped." in said
    assert "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.json"]


def test_a_missing_set_is_said_before_another_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambient.reports.sets.load_corpus", lambda *_, **__: pytest.fail("read"))
    with pytest.raises(InputError, match="^heldout: 'no/where' is no corpus"):
        read_sets("digits", "digits", "no/where")


def test_light_and_shade_alone_are_no_recolored_copy() -> None:
    rng = np.random.default_rng(0)
    shade = np.add.outer(np.linspace(0, 90, 32), np.linspace(0, 60, 32))[..., None]
    grain = [rng.normal(scale=5, size=(32, 32, 3)) for _ in range(2)]

    def picture(detail: NDArray[np.float64], colors: tuple[float, ...]) -> NDArray[np.uint8]:
        return ((shade + detail) * colors + 30).round().clip(0, 255).astype(np.uint8)

    original = picture(grain[0], (1, 0.5, 0.8))
    assert likeness(picture(grain[0], (0.6, 1, 0.4)), original) == "recolored"
    assert likeness(picture(grain[1], (0.6, 1, 0.4)), original) == UNLIKE
