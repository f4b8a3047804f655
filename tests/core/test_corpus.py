"""Corpora: twins, splits, loading, and what is said of unusable input."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambient.files import InputError
from ambient.images.corpus import (
    Corpus,
    load_corpus,
    split_corpus,
    to_bytes,
    to_unit,
)
from ambient.images.read import read_croppable
from ambient.images.twins import TWIN_RMS, twin_groups


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_bytes_survive_the_unit_range(pixels: np.ndarray) -> None:
    unit = to_unit(pixels)
    assert unit.shape == (20, 3, 8, 8)
    assert unit.min() >= -1
    assert unit.max() <= 1
    np.testing.assert_array_equal(to_bytes(unit), pixels)


def test_bundled_corpora_are_what_the_readme_says(
    emoji: Corpus, digits: Corpus, kanji: Corpus
) -> None:
    assert emoji.images.shape == (1636, 32, 32, 3)
    assert digits.images.shape == (1797, 8, 8, 1)
    assert kanji.images.shape == (6355, 32, 32, 1)
    for corpus in (emoji, digits, kanji):
        assert len(corpus.names) == len(corpus.categories) == len(corpus)
    assert "Flags" not in emoji.categories
    np.testing.assert_array_equal(emoji.groups, twin_groups(emoji.images))


def test_kanji_are_named_counted_and_centered(kanji: Corpus) -> None:
    fire = kanji.names.index("火 fire")
    assert kanji.categories[fire] == "4 strokes"
    assert kanji.categories[kanji.names.index("一 one")] == "1 stroke"
    assert [name[0] for name in kanji.names] == sorted({name[0] for name in kanji.names})
    assert kanji.images[:, [0, -1]].min() > 200, "ink at the border"
    ink = kanji.images[..., 0] < 128
    for axis in (1, 2):
        places = np.arange(32) + 0.5
        there = ink.any(axis=3 - axis)
        first = np.where(there, places, 32).min(axis=1)
        last = np.where(there, places, 0).max(axis=1)
        assert np.abs((first + last) / 2 - 16).max() <= 1


def test_kanji_that_one_stroke_tells_apart_are_no_twins(kanji: Corpus) -> None:
    labels, counts = np.unique(kanji.groups, return_counts=True)
    twins = [kanji.names[i][0] for i in np.flatnonzero(kanji.groups == labels[counts > 1])]
    assert twins == ["鶇", "鶫"]
    known = {name[0]: group for name, group in zip(kanji.names, kanji.groups, strict=True)}
    assert known["大"] != known["犬"] != known["太"]
    assert known["己"] != known["已"] != known["巳"]
    index = np.flatnonzero(np.isin(kanji.groups, [known[c] for c in "鶇大犬太己已巳未末"]))
    few = twin_groups(kanji.images[index])
    assert len(np.unique(few)) == len(few) - 1


def test_kanji_are_not_built_without_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scripts import build_corpora

    for missing, package in (("--unihan", "unicode-data"), ("--font", "fonts-noto-cjk")):
        given = ["kanji", "--unihan", str(tmp_path), "--font", str(tmp_path / "none.ttc")]
        if missing == "--font":
            monkeypatch.setattr(build_corpora, "unihan_field", lambda *_: {"火": "1850"})
        monkeypatch.setattr("sys.argv", ["build_corpora.py", *given])
        assert build_corpora.main() == 2
        assert f"apt-get install {package}, or {missing}" in capsys.readouterr().err


def test_a_gloss_is_the_first_meaning_alone() -> None:
    from scripts.build_corpora import gloss

    assert gloss("fire, flame; burn; anger, rage") == "fire"
    assert gloss("(archaic form of U+70AF 炯) light, bright") == "light"
    assert gloss("same as 單 U+55AE, single, individual, only; lone") == "single"
    assert gloss("unit of length equal 3.3 meters; gentleman") == "unit of length equal 3.3 meters"
    assert gloss("") == gloss("(same as 亡)") == ""


def test_twins_are_found_by_brute_force_too(emoji: Corpus) -> None:
    images = emoji.images[500:700]
    flat = to_unit(images).reshape(200, -1)
    mirrored = to_unit(images[:, :, ::-1]).reshape(200, -1)
    close = np.zeros((200, 200), bool)
    for query in (flat, mirrored):
        close |= ((query[:, None] - flat[None]) ** 2).mean(2) < TWIN_RMS**2
    reach = close | close.T | np.eye(200, dtype=bool)
    for _ in range(8):  # single linkage: the closure of "close"
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    np.testing.assert_array_equal(twin_groups(images), reach.argmax(1))


def test_different_faint_pictures_are_no_twins() -> None:
    """Scans, stars: nearly everything is black, and different pictures lie close together."""
    y, x = np.mgrid[:32, :32]
    at = np.array([(i, j) for i in range(3, 30, 4) for j in range(2, 16, 4)]).reshape(-1, 2, 1, 1)
    spots = np.exp(-((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2) / 6)
    images = np.rint(90 * spots)[..., None].astype(np.uint8)
    assert twin_groups(images).tolist() == list(range(len(images)))
    noisy = images + np.random.default_rng(0).integers(0, 2, images.shape, dtype=np.uint8)
    groups = twin_groups(np.concatenate([images, noisy]))
    assert (groups[len(images) :] == groups[: len(images)]).all()
    flat = np.full((20, 8, 8, 1), 7, np.uint8)
    assert set(twin_groups(flat).tolist()) == {0}


def test_a_mirrored_picture_is_a_twin(pixels: np.ndarray) -> None:
    doubled = np.concatenate([pixels, pixels[3:4, :, ::-1]])
    groups = twin_groups(doubled)
    assert groups[20] == 3
    assert len(np.unique(groups)) == 20


def test_split_keeps_twins_on_one_side(emoji: Corpus) -> None:
    split = split_corpus(emoji, 300, 0)
    assert len(np.unique(emoji.groups[split.train])) == 300
    assert not set(emoji.groups[split.train]) & set(emoji.groups[split.heldout])
    assert len(split.train) + len(split.heldout) == len(np.unique(emoji.groups))


def test_splits_are_nested_repeatable_and_differ_by_seed(emoji: Corpus) -> None:
    large, small = split_corpus(emoji, 300, 1).train, split_corpus(emoji, 100, 1).train
    np.testing.assert_array_equal(large[:100], small)
    np.testing.assert_array_equal(large, split_corpus(emoji, 300, 1).train)
    assert set(large) != set(split_corpus(emoji, 300, 2).train)


def test_duplicates_only_when_asked_for(pixels: np.ndarray) -> None:
    doubled = np.concatenate([pixels, pixels])
    blank = ("",) * 40
    corpus = Corpus("doubled", doubled, blank, blank, twin_groups(doubled), "")
    with pytest.raises(InputError, match="only 20 distinct"):
        split_corpus(corpus, 30, 0)
    both = split_corpus(corpus, 30, 0, one_per_group=False)
    assert len(both.train) == 30
    assert not set(corpus.groups[both.train]) & set(corpus.groups[both.heldout])


def test_pictures_are_cropped_resized_and_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(5):
        save(tmp_path / f"cat/{i}.png", rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    corpus = load_corpus(tmp_path)
    assert corpus.images.shape == (5, 32, 32, 3)
    assert corpus.categories == ("cat",) * 5
    assert "resized to 32x32" in corpus.notes[0]


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    for i in range(4):
        clear[i, i, 3] = 255
        save(tmp_path / f"{i}.png", clear)
    images = load_corpus(tmp_path).images
    assert tuple(images[0, 8, 8]) == (255, 255, 255)
    assert tuple(images[0, 0, 0]) == (0, 0, 0)


def test_nothing_to_read_is_one_clear_line(tmp_path: Path) -> None:
    """What files may do to harm is in `tests/runs/test_hostile.py`."""
    with pytest.raises(InputError, match="is no corpus: expected one of emoji, digits"):
        load_corpus(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures; expected files with"):
        load_corpus(tmp_path)
    save(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(InputError, match="has 1 images; at least 4 are needed"):
        load_corpus(tmp_path)


def test_pictures_of_every_kind_are_read_as_they_look(tmp_path: Path) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    whole = Image.fromarray(ramp)
    save(tmp_path / "16-bit.png", ramp.astype(np.uint16) * 257)
    save(tmp_path / "alpha.png", np.stack([ramp, np.full_like(ramp, 255)], axis=-1))
    whole.save(tmp_path / "named-wrongly.jpg", "PNG")
    whole.convert("P").save(tmp_path / "palette.GIF", "GIF")
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    whole.rotate(180).save(tmp_path / "turned.png", exif=turned)
    corpus = load_corpus(tmp_path)
    assert corpus.images.shape == (5, 16, 16, 1)
    for name, image in zip(corpus.names, corpus.images, strict=True):
        np.testing.assert_array_equal(image[..., 0], ramp, err_msg=name)


def test_inks_are_seen_as_colors() -> None:
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(buffer, "JPEG")
    red = np.asarray(read_croppable(buffer.getvalue(), "red"))
    assert abs(red.astype(int) - [255, 0, 0]).max() < 10


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP"])
def test_the_first_of_many_frames(form: str) -> None:
    frames = [Image.new("L", (8, 8), i % 256) for i in range(1000)]
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], lossless=True)
    assert np.asarray(read_croppable(buffer.getvalue(), "film")).max() == 0


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_unreadable_pictures_are_left_out_and_named(
    kind: str, tmp_path: Path, pixels: np.ndarray
) -> None:
    folder = tmp_path / "in"
    for i, image in enumerate(pixels[:5]):
        save(folder / f"{i}.PNG", image)
    for dropping in ("._0.PNG", "__MACOSX/0.PNG", ".DS_Store", "Thumbs.db"):
        (folder / dropping).parent.mkdir(exist_ok=True)
        (folder / dropping).write_bytes(b"x")
    (folder / "bad.JPG").write_bytes(b"%PDF")
    (folder / "worse.jpg").write_bytes(b"")
    spec = folder
    if kind == "zip":
        spec = tmp_path / "in.ZIP"
        with zipfile.ZipFile(spec, "w") as archive:
            for p in folder.rglob("*"):
                archive.write(p, p.relative_to(folder))
    corpus = load_corpus(spec)
    assert corpus.names == tuple(f"{i}.PNG" for i in range(5))
    (note,) = corpus.notes
    assert note.startswith(
        "2 of 7 pictures left out: 'bad.JPG' is not a readable picture but a PDF"
    )
    assert note.endswith("And 1 more.")


def test_odd_names_are_shown_and_never_used(tmp_path: Path, pixels: np.ndarray) -> None:
    names = ["x" * 10_000 + ".png", "<b>a\n\u202e.png", "na\u00efve.png", "d/e.png"]
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, image in zip(names, pixels, strict=False):
            picture = io.BytesIO()
            Image.fromarray(image).save(picture, "PNG")
            archive.writestr(name, picture.getvalue())
    corpus = load_corpus(tmp_path / "in.zip")
    assert set(corpus.names) == {
        "..." + "x" * 113 + ".png",
        "_b_a__.png",
        "na\u00efve.png",
        "d/e.png",
    }
    assert set(corpus.categories) == {"", "d"}
    assert [p.name for p in tmp_path.iterdir()] == ["in.zip"]


def test_an_npz_is_read_as_it_was_written(tmp_path: Path, pixels: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", images=np.asfortranarray(pixels))
    corpus = load_corpus(tmp_path / "x.npz")
    np.testing.assert_array_equal(corpus.images, pixels)
    assert corpus.images.flags.c_contiguous
    assert corpus.sha256 == dataclasses.replace(corpus).sha256


def test_a_side_is_applied_or_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    np.savez(tmp_path / "x.npz", images=pixels)
    for spec, size in (("emoji", 32), (tmp_path / "x.npz", 8)):
        assert load_corpus(spec, side=size).images.shape[1] == size
        with pytest.raises(InputError, match=f"has {size}x{size} images where 16x16 are wanted"):
            load_corpus(spec, side=16)
    with pytest.raises(InputError, match="side is 30; expected 8 to 128 pixels, a multiple of 4"):
        load_corpus(tmp_path, side=30)


def test_more_training_images_than_there_are(digits: Corpus) -> None:
    with pytest.raises(InputError, match="n_train is 5000, but corpus 'digits' has only 1787"):
        split_corpus(digits, 5000, 0)
