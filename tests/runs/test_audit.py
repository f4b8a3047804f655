"""Audits: planted copies, reports on paper, large sets, and what a command must not do."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray
from PIL import Image

from ambient.cli import main
from ambient.copies.features import available
from ambient.copies.intervals import clopper_pearson
from ambient.copies.judge import judge_images
from ambient.copies.likeness import likeness
from ambient.copies.neighbors import find_neighbors
from ambient.copies.records import Copies, Rule, SimilarityRule
from ambient.copies.rules import LEFT_OUT
from ambient.copies.sets import STAND_INS, ImageSets
from ambient.files import ASSETS, InputError
from ambient.images import neighbors
from ambient.images.corpus import Corpus, split_corpus
from ambient.images.twins import twin_groups
from ambient.reports import answer as said
from ambient.reports.audit import audit
from ambient.reports.page import page as html_page
from ambient.reports.pictures import small, strip, unstrip
from ambient.reports.records import Audit, read_report

ROOT = Path(__file__).resolve().parents[2]
EMPTY = np.zeros(0, np.int64)
EXAMPLE = ASSETS / "audit" / "emoji-300-standard.json"


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(images: NDArray[np.uint8], prefix: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{prefix}{i:03}.png", png(image))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def planted(emoji: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`made.zip`: 40 copies of 120 training images and 80 innocent ones; one file is no picture."""
    folder = tmp_path_factory.mktemp("planted")
    split = split_corpus(emoji, 120, 0)
    train, unseen = emoji.images[split.train], emoji.images[split.heldout]
    (folder / "train.zip").write_bytes(zipped(train, "train-"))
    (folder / "held.zip").write_bytes(zipped(unseen[80:380], "held-"))
    (folder / "made.zip").write_bytes(zipped(np.concatenate([train[:40], unseen[:80]]), "made-"))
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
    assert said.answer(report) == "copies"
    assert report.corpus.name == "train.zip"  # no place of this machine


def test_one_bad_picture_is_named_and_left_out(report: Audit) -> None:
    assert report.n_samples == 120
    assert any(w.startswith("generated: 1 of 121 pictures left out") for w in report.warnings)


def test_innocent_images_are_no_copies(emoji: Corpus) -> None:
    split = split_corpus(emoji, 120, 1)
    unseen = split.heldout
    found = judge_images(
        ImageSets(
            emoji.images[unseen[:300]],
            emoji.images[split.train],
            emoji.images[unseen[300:]],
            emoji.groups[split.train],
            emoji.groups[unseen[300:]],
        )
    )
    assert found.copies.ratio.ci95[0] <= 0.01


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


@pytest.mark.parametrize("rule", ["ratio", "similarity"])
@pytest.mark.parametrize("order", ["worst", "median", "random"])
def test_evidence_shows_the_images_it_names(
    report: Audit, emoji: Corpus, rule: str, order: str
) -> None:
    rows = [e for e in report.evidence if (e.rule, e.order) == (rule, order)]
    assert len(rows) == 8
    split = split_corpus(emoji, 120, 0)
    for row in rows:
        pictures = unstrip(row.strip, len(row.files))
        known = int(re.sub(r"\D", "", row.files[1]))
        np.testing.assert_array_equal(pictures[1], emoji.images[split.train[known]])
        assert len(row.roles) == len(row.files) == 4


def test_every_copy_stands_beside_its_original(report: Audit, emoji: Corpus) -> None:
    split = split_corpus(emoji, 120, 0)
    copies = {i for i, r in enumerate(report.samples) if r.copy or r.copy_by_similarity}
    assert {row.sample for row in report.originals} == copies != set()
    scores = [report.samples[row.sample].ratio for row in report.originals]
    assert scores == sorted(scores)
    for row in report.originals:
        record, known = report.samples[row.sample], int(re.sub(r"\D", "", row.files[1]))
        original = record.nearest if record.copy else record.most_similar
        assert (record.file, known) == (row.files[0], original)
        pictures = unstrip(row.strip, 2)
        np.testing.assert_array_equal(pictures[1], emoji.images[split.train[known]])
    html = html_page(report)
    assert all(row.strip in html for row in report.originals)
    assert f"All {len(copies)} that either rule names" in html


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


# How copies differ from their originals


@pytest.fixture(scope="module")
def originals(emoji: Corpus) -> NDArray[np.uint8]:
    return emoji.images[split_corpus(emoji, 60, 3).train]


def test_identical_mirrored_shifted_and_recolored_are_told_apart(
    originals: NDArray[np.uint8],
) -> None:
    padded = np.pad(originals, ((0, 0), (0, 2), (2, 0), (0, 0)), mode="edge")
    shifted = padded[:, 2:, :-2]
    recolored = originals[..., ::-1]  # red and blue change places
    for copies, word in (
        (originals, "identical"),
        (originals[:, :, ::-1], "mirrored"),
        (shifted, "shifted"),
        (shifted[:, :, ::-1], "mirrored and shifted"),
        (recolored, "recolored"),
    ):
        words = [likeness(a, b) for a, b in zip(copies, originals, strict=True)]
        assert words.count(word) > 30, (word, words)  # others are symmetric, gray or nearly flat
        assert "resembling" not in words


def test_different_images_merely_resemble(originals: NDArray[np.uint8]) -> None:
    words = [likeness(a, b) for a, b in zip(originals, np.roll(originals, 1, 0), strict=True)]
    assert words.count("resembling") > 55, words


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
    a = find_neighbors(rows[:5], rows[5:], np.arange(15))
    b = find_neighbors(neighbors.values(rows[:5]), neighbors.values(rows[5:]), np.arange(15))
    np.testing.assert_array_equal(a.nearest, b.nearest)
    np.testing.assert_allclose(a.ratio, b.ratio, rtol=1e-6)


def test_thousands_of_one_image_are_one_group(digits: Corpus) -> None:
    """A collapsed generator makes one picture over and over; neither search may choke on it."""
    blank = np.full((3000, 8, 8, 1), 200, np.uint8)
    images = np.concatenate([digits.images[:100], blank])
    groups = twin_groups(images)
    assert len(set(groups[100:].tolist())) == 1
    found = find_neighbors(blank.reshape(3000, -1), images.reshape(len(images), -1), groups)
    assert (found.d1 == 0).all()
    assert (groups[found.second] != groups[100]).all()


def test_only_so_many_training_images_stand_in(digits: Corpus) -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (STAND_INS + 50, 8, 8, 1), dtype=np.uint8)
    sets = ImageSets(digits.images[:100], train, train[:0], np.arange(len(train)), np.arange(0))
    assert len(judge_images(sets).heldout_ratios) == STAND_INS


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
    for word in ("Yes: some are copies", "95 % interval", "false alarms", "train-000.png", "numpy"):
        assert word in text


def test_names_of_files_are_only_text(report: Audit) -> None:
    record = structs.replace(report.samples[0], file='"><script>alert(1)</script>')
    text = html_page(structs.replace(report, samples=(record, *report.samples[1:])))
    assert "script" not in sources(text).tags


def test_too_few_images_are_said_to_be(emoji: Corpus, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=emoji.images[:15])
    np.savez(tmp_path / "b.npz", images=emoji.images[20:60])
    found = audit(tmp_path / "a.npz", tmp_path / "b.npz", features="pixels")
    assert said.answer(found) == "unknown"
    text = html_page(found)
    assert "Too few images to say" in text
    assert "15 samples are too few for a rate" in text
    assert not re.search(r"\b(nan|none) %", text.lower())


@pytest.mark.parametrize(
    ("rate", "ci95", "likeness", "expected"),
    [
        (0.4, (0.35, 0.45), "shifted", "copies"),
        (0.01, (0.0, 0.02), "resembling", "none"),
        (0.01, (0.0, 0.02), "nearly identical", "unclear"),
        (0.01, (0.0, 0.02), "mirrored and shifted", "unclear"),
        (0.01, (0.0, 0.02), "identical", "copies"),
        (0.03, (0.015, 0.05), "resembling", "unclear"),
    ],
)
def test_the_answer_weighs_copies_against_false_alarms(
    report: Audit, rate: float, ci95: tuple[float, float], likeness: str, expected: str
) -> None:
    alarms = {"heldout_rate": 0.01, "heldout_ci95": (0.0, 0.02), "threshold": 0.3}
    found = structs.replace(
        report,
        copies=Copies(ratio=Rule(rate=rate, ci95=ci95, **alarms)),
        heldout_ratios=(1.0,) * 400,
        samples=(structs.replace(report.samples[0], likeness=likeness),),
    )
    assert said.answer(found) == expected
    further = SimilarityRule(features="dinov2", rate=0.4, ci95=(0.35, 0.45), **alarms)
    more = structs.replace(found, copies=structs.replace(found.copies, others=(further,)))
    assert said.answer(more) == "copies"


def test_what_one_rule_does_not_name_is_said_to_be_named_by_the_other(report: Audit) -> None:
    named = structs.replace(report.samples[0], copy=False, copy_by_similarity=True)
    assert said.elsewhere(named, "ratio") == "a copy by features, not by pixels"
    named = structs.replace(named, copy=True, copy_by_similarity=False)
    assert said.elsewhere(named, "similarity") == "a copy by pixels, not by features"
    assert said.elsewhere(structs.replace(named, copy=False), "similarity") == "not a copy"


def test_few_copies_in_a_small_private_set_are_never_no_sign(emoji: Corpus, tmp_path: Path) -> None:
    """7 of 120 identical, 110 training images, none held out: few false alarms are known of."""
    some = emoji.images[np.unique(emoji.groups, return_index=True)[1]]
    np.savez(tmp_path / "train.npz", images=some[:110])
    np.savez(tmp_path / "made.npz", images=np.concatenate([some[:7], some[110:223]]))
    found = audit(tmp_path / "made.npz", tmp_path / "train.npz")
    assert said.likenesses(found)["identical"] == 7
    assert said.answer(found) == "copies"
    assert "7 identical" in " ".join(said.sentences(found))


def test_every_feature_space_at_hand_has_its_verdict(emoji: Corpus, tmp_path: Path) -> None:
    np.savez(tmp_path / "made.npz", images=emoji.images[:120])
    np.savez(tmp_path / "train.npz", images=emoji.images[:300])
    np.savez(tmp_path / "unseen.npz", images=emoji.images[300:700])
    paths = [tmp_path / f"{name}.npz" for name in ("made", "train", "unseen")]
    found = audit(*paths, quality=False)
    spaces = {rule.features: rule for rule in found.copies.others}
    assert {found.copies.similarity.features, *spaces} >= set(available())
    assert spaces["pixels"].rate > 0.95
    assert spaces["pixels"].heldout_ci95[0] <= 0.01
    page = html_page(found)
    assert "<h3>By other features</h3>" in page
    assert "<td>pixels<td>" in page


def test_doubled_unseen_images_calibrate_once(emoji: Corpus) -> None:
    """Twins among them alarm together: counted each, the interval of false alarms is too narrow."""
    some = emoji.images[np.unique(emoji.groups, return_index=True)[1]]
    once = ImageSets(some[:150], some[150:300], some[300:700], np.arange(150), np.arange(400))
    doubled = replace(
        once, heldout=np.repeat(once.heldout, 3, axis=0), heldout_groups=np.arange(1200) // 3
    )
    assert judge_images(doubled).copies.ratio == judge_images(once).copies.ratio


def test_gray_images_stand_beside_color_ones(digits: Corpus, tmp_path: Path) -> None:
    gray = digits.images[:300]
    np.savez(tmp_path / "gray.npz", images=gray)
    np.savez(tmp_path / "color.npz", images=np.repeat(gray, 3, axis=3))
    for made, train in (("gray", "color"), ("color", "gray")):
        found = audit(
            tmp_path / f"{made}.npz", tmp_path / f"{train}.npz", features="pixels", quality=False
        )
        assert found.copies.ratio.rate > 0.95


def test_features_that_fill_the_memory_are_refused(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ImageSets(digits.images[:100], digits.images, digits.images[:0], digits.groups, EMPTY)
    monkeypatch.setattr("ambient.copies.judge.MANY_VALUES", 100_000)
    with pytest.raises(InputError, match="1,897 images are 121,408 numbers in the features pixels"):
        judge_images(sets, "pixels")
    found = judge_images(sets, others=["pixels", "nonsense"])
    assert found.copies.others == ()
    assert sum("were left out" in w for w in found.warnings) == 2


def test_the_bundled_example_says_what_its_run_says() -> None:
    from ambient.runs.folder import open_run

    stored = open_run("emoji-300-standard").report()
    example = read_report(EXAMPLE)
    assert isinstance(example, Audit)
    assert stored is not None
    for rule in ("ratio", "similarity"):
        low, high = getattr(stored.copies, rule).ci95
        assert low <= getattr(example.copies, rule).rate <= high
    assert said.answer(example) == "copies"


def test_stored_planted_audits_found_what_was_planted() -> None:
    found = json.loads((ASSETS / "results" / "planted.json").read_text("utf-8"))
    for name, corpus in found["corpora"].items():
        assert len(corpus["splits"]) >= 3
        for split in corpus["splits"]:
            for rule in split["rules"].values():
                low, high = clopper_pearson(
                    round(rule["false_alarms"] * found["innocent"]), found["innocent"]
                )
                assert low <= 0.01 <= high or rule["false_alarms"] < 0.01
                assert rule["recall"]["exact"] == 1
                for audit_of in rule["exact"][1:]:
                    assert audit_of["ci95"][0] <= audit_of["planted"] <= audit_of["ci95"][1]
            encoder = split["rules"]["encoder-64"]["recall"]
            assert encoder["mirrored"] > 0.95
            if name == "emoji":
                assert min(encoder["shifted 2 px"], encoder["recolored"]) > 0.8


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
    assert "Yes: some are copies." in capsys.readouterr().err
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
    deadline = time.monotonic() + 120
    while not (tmp_path / "p.json").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped." in said
    assert "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.json"]
