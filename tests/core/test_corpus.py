"""Corpora: twins, splits, loading, and what is said of unusable input."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ambient.files import InputError
from ambient.images.corpus import (
    Corpus,
    load_corpus,
    read_uploads,
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


# What is read, and what is left out


def picture(i: int = 0, side: int = 8, form: str = "PNG", **options: Any) -> bytes:
    pixels = np.random.default_rng(i).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


FOUR = {f"{i}.png": picture(i) for i in range(4)}
# What else is there; how many pictures are read; and the whole of what is said about the rest.
KINDS: dict[str, tuple[dict[str, bytes], int, str]] = {
    "suffixes nobody thought of": (
        {"a.jfif": picture(5, form="JPEG"), "b.tif": picture(6, form="TIFF"), "c": picture(7)},
        7,
        "",
    ),
    "a wrong suffix": ({"a.jpg": picture(5), "b.txt": picture(6, form="WEBP")}, 6, ""),
    "texts beside them": (
        {"a.txt": b"a cat", "b.txt": b"BM, a brand", "meta.json": b"{}", "LICENSE": b"MIT"},
        4,
        "4 files that are no pictures left out (.txt, no suffix, .json).",
    ),
    "droppings": ({"._0.png": b"x", ".DS_Store": b"x", "Thumbs.db": b"x", "@eaDir/0": b"x"}, 4, ""),
    "a wastebasket": (
        {".trash/a.png": picture(5), "x/.hidden/y/b.png": picture(6), ".c.png": picture(7)},
        4,
        "3 hidden pictures left out, the first '.c.png'.",
    ),
    "small versions": (
        {"@eaDir/0.png/SYNO.jpg": picture(5), "d/Thumbnails/0.png": picture(6)},
        4,
        "2 hidden pictures left out, the first '@eaDir/0.png/SYNO.jpg'.",
    ),
    "damaged ones": (
        {"bad.JPG": b"%PDF", "worse.jpg": b""},
        4,
        "2 of 6 pictures left out: 'bad.JPG' is not a readable picture but a PDF document; "
        "expected PNG, JPEG, WebP, BMP, GIF or TIFF. Remove or replace it. And 1 more.",
    ),
}


@pytest.mark.parametrize("form", ["folder", "zip", "upload"])
@pytest.mark.parametrize("name", KINDS)
def test_pictures_are_chosen_by_content_and_the_rest_is_counted(
    name: str, form: str, tmp_path: Path
) -> None:
    more, count, said = KINDS[name]
    files = FOUR | more
    for place, data in files.items():
        path = tmp_path / "in" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with zipfile.ZipFile(tmp_path / "in.ZIP", "w") as archive:
        for place, data in files.items():
            archive.writestr(place, data)
    if form == "upload":
        corpus = read_uploads(list(files.items()), "yours")
    else:
        corpus = load_corpus(tmp_path / ("in" if form == "folder" else "in.ZIP"))
    assert len(corpus) == count
    assert " ".join(corpus.notes) == said


def test_links_are_followed_and_no_picture_is_met_twice(tmp_path: Path) -> None:
    for place in ("in/a", "elsewhere/b"):
        (tmp_path / place).mkdir(parents=True)
        for i in range(4):
            (tmp_path / place / f"{i}.png").write_bytes(picture(len(place) + i))
    (tmp_path / "in/far").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/again").symlink_to(tmp_path / "elsewhere/b")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in")
    (tmp_path / "in/a/loop").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "in/one.png").symlink_to(tmp_path / "in/a/0.png")
    assert len(load_corpus(tmp_path / "in")) == 9


def test_a_set_inside_another_is_left_out(tmp_path: Path) -> None:
    for i in range(8):
        place = tmp_path / ("in/samples" if i % 2 else "in")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(picture(i))
    inner = (tmp_path / "in/samples").resolve()
    corpus = load_corpus(tmp_path / "in", without=[inner, tmp_path])
    assert len(corpus) == 4
    assert corpus.notes == ("the pictures below 'samples' are another set and were left out.",)


def test_a_folder_named_like_a_corpus_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").mkdir()
    for name, data in FOUR.items():
        (tmp_path / "digits" / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    assert load_corpus("digits").notes[0].endswith("for the folder 'digits' here write ./digits.")
    assert load_corpus("./digits").images.shape == (4, 8, 8, 3)


def test_pictures_are_cropped_resized_and_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(5):
        save(tmp_path / f"cat/{i}.png", rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    corpus = load_corpus(tmp_path)
    assert corpus.images.shape == (5, 32, 32, 3)
    assert corpus.categories == ("cat",) * 5
    assert "resized to 32x32" in corpus.notes[0]


def test_nothing_to_read_is_one_clear_line(tmp_path: Path) -> None:
    """What files may do to harm is in `tests/runs/test_hostile.py`."""
    (tmp_path / "a.txt").write_bytes(b"a cat")
    for spec, words in {
        tmp_path / "nowhere": "is no corpus: expected one of emoji, digits",
        tmp_path / "a.txt": "is not a readable zip file",
        tmp_path: r"no pictures. 1 files that are no pictures left out \(.txt\). Expected PNG",
    }.items():
        with pytest.raises(InputError, match=words):
            load_corpus(spec)
    save(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(InputError, match="has 1 images; at least 4 are needed"):
        load_corpus(tmp_path)
    with pytest.raises(InputError, match="side is 4; expected 8 to 128 pixels"):
        load_corpus(tmp_path, side=4)


# Readable is read


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def png(pixels: np.ndarray = RAMP, *chunks: tuple[bytes, bytes], end: bool = False) -> bytes:
    """A PNG with more chunks, before its pixels or at its end."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    more = b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )
    at = data.index(b"IEND" if end else b"IDAT") - 4
    return data[:at] + more + data[at:]


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def upside_down() -> bytes:
    tag = Image.Exif()
    tag[0x0112] = 3
    return saved(Image.fromarray(RAMP).rotate(180), "PNG", exif=tag)


BOMB = zlib.compress(bytes(10**8))
READABLE: dict[str, Callable[[], bytes]] = {
    "16 bits": lambda: png(RAMP.astype(np.uint16) * 257),
    "transparency of nothing": lambda: png(np.stack([RAMP, np.full_like(RAMP, 255)], axis=-1)),
    "a palette": lambda: saved(Image.fromarray(RAMP).convert("P"), "GIF"),
    "an orientation": upside_down,
    "a workflow of 2 MB": lambda: png(RAMP, (b"tEXt", b"workflow\0" + b"{}" * 10**6)),
    "a packed workflow": lambda: png(RAMP, (b"zTXt", b"a\0\0" + zlib.compress(b"{}" * 10**6))),
    "an international workflow": lambda: png(
        RAMP, (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"{}" * 10**6))
    ),
    "a workflow at its end": lambda: png(RAMP, (b"zTXt", b"a\0\0" + BOMB), end=True),
    "a hundred texts": lambda: png(RAMP, *[(b"tEXt", b"a\0" + bytes(10**6))] * 99),
    "a long profile": lambda: png(RAMP, (b"iCCP", b"a\0\0" + zlib.compress(bytes(3 * 10**6)))),
    "a bomb of a profile": lambda: png(RAMP, (b"iCCP", b"a\0\0" + BOMB)),
    "TIFF": lambda: saved(Image.fromarray(RAMP), "TIFF"),
    "packed TIFF of 16 bits": lambda: saved(
        Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF", compression="tiff_lzw"
    ),
    "TIFF of fractions": lambda: saved(Image.fromarray(RAMP / np.float32(255)), "TIFF"),
}


@pytest.mark.parametrize("name", READABLE)
def test_a_picture_is_read_as_it_looks(name: str) -> None:
    data = READABLE[name]()
    tracemalloc.start()
    found = np.asarray(read_croppable(data, name))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, RAMP)
    assert taken < 2 * len(data) + 50_000_000


@pytest.mark.parametrize(("bits", "form"), [(12, "PNG"), (10, "PNG"), (14, "TIFF"), (12, "TIFF")])
def test_a_set_of_fewer_bits_in_16_is_as_bright_as_it_looks(
    bits: int, form: str, tmp_path: Path
) -> None:
    full = 2**bits - 1
    for i, top in enumerate((1.0, 0.7, 0.1, 0.9)):  # a dark one stays dark beside the others
        pixels = np.rint(RAMP / 255 * full * top).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png", form)
    corpus = load_corpus(tmp_path)
    for image, top in zip(corpus.images, (1.0, 0.7, 0.1, 0.9), strict=True):
        assert abs(image[..., 0] - RAMP * top).max() <= 1
    assert corpus.notes == (
        "4 pictures hold fewer than 16 bits in 16; they are read as bright as that.",
    )


def test_inks_are_seen_as_colors() -> None:
    data = saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")
    assert abs(np.asarray(read_croppable(data, "red")).astype(int) - [255, 0, 0]).max() < 10


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_many_frames(form: str) -> None:
    frames = [Image.new("L", (8, 8), i % 256) for i in range(300)]
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
    assert np.asarray(read_croppable(data, "film")).max() == 0


def test_odd_names_are_shown_and_never_used(tmp_path: Path) -> None:
    names = ["x" * 10_000 + ".png", "<b>a\n\u202e.png", "na\u00efve.png", "d/e.png"]
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, data in zip(names, FOUR.values(), strict=True):
            archive.writestr(name, data)
    corpus = load_corpus(tmp_path / "in.zip")
    shown = {"..." + "x" * 113 + ".png", "_b_a__.png", "na\u00efve.png", "d/e.png"}
    assert set(corpus.names) == shown
    assert set(corpus.categories) == {"", "d"}
    assert [p.name for p in tmp_path.iterdir()] == ["in.zip"]


COLORS = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
BLANK = np.zeros((250, 128, 128, 3), np.uint8)
ARRAYS: dict[str, tuple[dict[str, np.ndarray], tuple[int, ...]]] = {
    "as it is written here": ({"images": COLORS}, (9, 12, 12, 3)),
    "in another order of memory": ({"images": np.asfortranarray(COLORS)}, (9, 12, 12, 3)),
    "alone": ({"arr_0": COLORS}, (9, 12, 12, 3)),
    "alone, under any name": ({"samples": COLORS}, (9, 12, 12, 3)),
    "beside its classes": ({"arr_0": COLORS, "arr_1": np.arange(9)}, (9, 12, 12, 3)),
    "channels first": ({"x": COLORS.transpose(0, 3, 1, 2)}, (9, 12, 12, 3)),
    "floats": ({"x": COLORS / np.float32(127.5) - 1}, (9, 12, 12, 3)),
    "gray": ({"x": COLORS[..., 0]}, (9, 12, 12, 1)),
    "oblong": ({"images": COLORS[:, :8]}, (9, 32, 32, 3)),
    "a size that no network takes": ({"images": COLORS[:, :10, :10]}, (9, 32, 32, 3)),
    "large": ({"arr_0": COLORS.repeat(20, 1).repeat(20, 2)}, (9, 32, 32, 3)),
    "sparse": ({"images": BLANK, "groups": np.arange(250)}, BLANK.shape),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_or_resized_as_files_are(name: str, tmp_path: Path) -> None:
    arrays, shape = ARRAYS[name]
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    corpus = load_corpus(tmp_path / "x.npz")
    assert corpus.images.shape == shape
    assert corpus.images.flags.c_contiguous
    assert bool(corpus.notes) == (shape[1] == 32)
    if shape == COLORS.shape:
        np.testing.assert_array_equal(corpus.images, COLORS)
    assert load_corpus(tmp_path / "x.npz", side=30).images.shape[1:3] == (30, 30)
    if name != "sparse":
        np.save(tmp_path / "one.npy", next(iter(arrays.values())))
        np.testing.assert_array_equal(load_corpus(tmp_path / "one.npy").images, corpus.images)


def test_what_is_said_of_each_image_is_kept(tmp_path: Path) -> None:
    said = {"names": list("abcdefghi"), "categories": ["x"] * 9, "groups": [0, 0, *range(2, 9)]}
    np.savez(tmp_path / "x.npz", images=COLORS[:, :10, :10], license="CC0", **said)
    corpus = load_corpus(tmp_path / "x.npz")
    assert (corpus.names, corpus.license) == (tuple("abcdefghi"), "CC0")
    assert corpus.groups.tolist() == said["groups"]
    again = load_corpus(corpus, side=16)
    assert (again.images.shape, again.names) == ((9, 16, 16, 3), corpus.names)
    assert load_corpus(COLORS).names == tuple("012345678")


def test_a_sparse_zip_is_no_bomb(tmp_path: Path) -> None:
    blank = saved(Image.new("RGB", (1000, 1000)), "BMP")
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(12):
            archive.writestr(f"{i}.bmp", blank)
    assert (tmp_path / "x.zip").stat().st_size * 200 < 12 * len(blank)
    assert len(load_corpus(tmp_path / "x.zip")) == 12


def test_more_training_images_than_there_are(digits: Corpus) -> None:
    with pytest.raises(InputError, match="n_train is 5000, but corpus 'digits' has only 1787"):
        split_corpus(digits, 5000, 0)
