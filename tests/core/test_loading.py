"""Loading: what is read of folders, zips, uploads and arrays, and what is said of the rest."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambient.files import InputError
from ambient.images.corpus import load_corpus, read_uploads
from ambient.images.read import read_croppable
from tests.files import encoded, picture, zipped

# What is read, and what is left out


FOUR = {f"{i}.png": picture(i) for i in range(4)}
# What else is there; how many pictures are read; and the whole of what is said about the rest.
KINDS: dict[str, tuple[dict[str, bytes], int, str]] = {
    "suffixes nobody thought of": (
        {"a.jfif": picture(5, form="JPEG"), "b.tif": picture(6, form="TIFF"), "c": picture(7)},
        7,
        "",
    ),
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
    (tmp_path / "in.ZIP").write_bytes(zipped(files.items()))
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


def test_pictures_are_cropped_resized_and_noted(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for i in range(5):
        (tmp_path / f"cat/{i}.png").write_bytes(picture(i, (60, 40)))
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
        tmp_path: r"no pictures. 1 file that is no picture left out \(.txt\). Expected PNG",
    }.items():
        with pytest.raises(InputError, match=words):
            load_corpus(spec)
    (tmp_path / "a.png").write_bytes(picture())
    with pytest.raises(InputError, match="has 1 image; at least 4 are needed"):
        load_corpus(tmp_path)
    with pytest.raises(InputError, match="side is 4; expected 8 to 128 pixels"):
        load_corpus(tmp_path, side=4)


# Readable is read


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def png(pixels: np.ndarray = RAMP, *chunks: tuple[bytes, bytes], end: bool = False) -> bytes:
    """A PNG with more chunks, before its pixels or at its end."""
    data = encoded(Image.fromarray(pixels))
    more = b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )
    at = data.index(b"IEND" if end else b"IDAT") - 4
    return data[:at] + more + data[at:]


def upside_down() -> bytes:
    tag = Image.Exif()
    tag[0x0112] = 3
    return encoded(Image.fromarray(RAMP).rotate(180), "PNG", exif=tag)


BOMB = zlib.compress(bytes(10**8))
READABLE: dict[str, Callable[[], bytes]] = {
    "16 bits": lambda: png(RAMP.astype(np.uint16) * 257),
    "transparency of nothing": lambda: png(np.stack([RAMP, np.full_like(RAMP, 255)], axis=-1)),
    "a palette": lambda: encoded(Image.fromarray(RAMP).convert("P"), "GIF"),
    "an orientation": upside_down,
    "a packed workflow": lambda: png(RAMP, (b"zTXt", b"a\0\0" + zlib.compress(b"{}" * 10**6))),
    "a workflow at its end": lambda: png(RAMP, (b"zTXt", b"a\0\0" + BOMB), end=True),
    "a bomb of a profile": lambda: png(RAMP, (b"iCCP", b"a\0\0" + BOMB)),
    "packed TIFF of 16 bits": lambda: encoded(
        Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF", compression="tiff_lzw"
    ),
    "TIFF of fractions": lambda: encoded(Image.fromarray(RAMP / np.float32(255)), "TIFF"),
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


@pytest.mark.parametrize(("bits", "form"), [(10, "PNG"), (12, "TIFF")])
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


def test_odd_names_are_shown_and_never_used(tmp_path: Path) -> None:
    names = ["x" * 10_000 + ".png", "<b>a\n\u202e.png", "na\u00efve.png", "d/e.png"]
    (tmp_path / "in.zip").write_bytes(zipped(zip(names, FOUR.values(), strict=True)))
    corpus = load_corpus(tmp_path / "in.zip")
    shown = {"..." + "x" * 113 + ".png", "_b_a__.png", "na\u00efve.png", "d/e.png"}
    assert set(corpus.names) == shown
    assert set(corpus.categories) == {"", "d"}
    assert [p.name for p in tmp_path.iterdir()] == ["in.zip"]


COLORS = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
BLANK = np.zeros((250, 128, 128, 3), np.uint8)
ARRAYS: dict[str, tuple[dict[str, np.ndarray], tuple[int, ...]]] = {
    "as it is written here": ({"images": COLORS}, (9, 12, 12, 3)),
    "alone": ({"arr_0": COLORS}, (9, 12, 12, 3)),
    "beside its classes": ({"arr_0": COLORS, "arr_1": np.arange(9)}, (9, 12, 12, 3)),
    "channels first": ({"x": COLORS.transpose(0, 3, 1, 2)}, (9, 12, 12, 3)),
    "floats": ({"x": COLORS / np.float32(127.5) - 1}, (9, 12, 12, 3)),
    "gray": ({"x": COLORS[..., 0]}, (9, 12, 12, 1)),
    "oblong": ({"images": COLORS[:, :8]}, (9, 32, 32, 3)),
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
