"""What a visitor could hand over to do harm, and the one line that each of it gets."""

import io
import json
import pickle
import re
import shutil
import stat
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load, save

from ambient.cli import main
from ambient.files import InputError
from ambient.images.corpus import load_corpus, read_uploads
from ambient.runs.archive import export_run, import_run
from ambient.runs.folder import Run, open_run
from tests.files import Member, altered, encoded, zipped
from ui import uploads

ROOT = Path(__file__).resolve().parents[2]
RUN = "digits-50-standard"
STEP = f"checkpoints/step-{open_run(RUN).last_step:06d}.safetensors"
SHEET = f"sheets/step-{open_run(RUN).last_step:06d}.png"
MEMORY = 150_000_000  # bytes: what a refusal may take, on top of the upload
Change = Callable[[Any], Any]

NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
PNG = encoded(NOISE)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int) -> bytes:
    """A PNG of that size by its header; its pixels are cut short."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pictures(*more: Member) -> list[Member]:
    return [*((f"{i}.png", PNG) for i in range(4)), *more]


def single() -> bytes:
    return zipped([("a.png", PNG)])


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.png")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def patched(data: bytes, local: int, central: int, form: str, value: int) -> bytes:
    """The first member's field at these offsets of its local and its central header."""
    out = bytearray(data)
    struct.pack_into(form, out, local, value)
    struct.pack_into(form, out, data.index(b"PK\x01\x02") + central, value)
    return bytes(out)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(text: str, body: int = 100, version: bytes = b"\1\0") -> bytes:
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text.encode() + bytes(body)


def claimed(shape: str, descr: str = "|u1", body: int = 100) -> bytes:
    return header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n", body)


def npz(images: np.ndarray | bytes | None = None, **others: np.ndarray | bytes) -> bytes:
    arrays = ({} if images is None else {"images": images}) | others
    return zipped(
        (f"{name}.npy", a if isinstance(a, bytes) else npy(a)) for name, a in arrays.items()
    )


@cache
def exported() -> bytes:
    return export_run(open_run(RUN))


def run_zip(parts: dict[str, bytes | None]) -> bytes:
    """The exported run with some parts replaced, added or (None) left out."""
    return altered(exported(), parts)


def config(**fields: Any) -> bytes:
    known = json.loads(open_run(RUN).config.to_json())
    return run_zip({"config.json": json.dumps({**known, **fields}).encode()})


def weights(change: Change) -> bytes:
    """The run with other numbers in one of its tensors."""
    tensors = load(open_run(RUN).checkpoint().read_bytes())
    tensors["stem.bias"] = change(tensors["stem.bias"])
    return run_zip({STEP: save(tensors)})


def tensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    prefix = struct.pack("<Q", len(text) if length is None else length)
    return run_zip({STEP: prefix + text + body})


def samples(images: np.ndarray, **others: np.ndarray) -> bytes:
    return run_zip({"samples.npz": npz(images, **others)})


def metrics(lines: bytes) -> bytes:
    return run_zip({"metrics.jsonl": lines})


def declared(data: bytes) -> bytes:
    """All members say that they unpack to 4 GB."""
    out = bytearray(data)
    for at in re.finditer(b"PK\x01\x02", data):
        struct.pack_into("<I", out, at.start() + 24, 2**32 - 2)
    return bytes(out)


IMAGES = NOISE[None, :8, :8].repeat(5, 0)
STILL = {"step": 1, "loss": 1, "images_per_second": 0, "seconds": 1}
NAN = {**STILL, "loss": float("nan")}
F16 = {"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}
TWO = {**F16, "b": {"dtype": "F16", "shape": [4], "data_offsets": [4, 12]}}
GIANT = {"a": {"dtype": "F16", "shape": [10**6, 10**6], "data_offsets": [0, 2 * 10**12]}}


def dotted(found: dict[str, Any], path: str, value: Any) -> None:
    """Set one field of JSON, by its path."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        found = found[part]
    found[last] = value


def report(path: str, value: Any) -> bytes:
    return run_zip({"report.json": edited("report.json", path, value)})


def curves(path: str, value: Any) -> bytes:
    return run_zip({"curves.json": edited("curves.json", path, value)})


def edited(part: str, path: str, value: Any) -> bytes:
    found = json.loads((open_run(RUN).path / part).read_bytes())
    dotted(found, path, value)
    return json.dumps(found).encode()


def sheet(size: tuple[int, int], mode: str = "L") -> bytes:
    return run_zip({SHEET: encoded(Image.new(mode, size))})


STORED, DEFLATED, LZMA = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA
MANY = b"PK\x01\x02" * 100_001 + b"PK\x05\x06" + bytes(18)
Cases = list[tuple[str, Callable[[], bytes]]]  # words of the one line, and what it is said of

PICTURE: Cases = [
    ("but an empty file; expected PNG", lambda: b""),
    ("is not a readable picture; expected PNG", lambda: b"hello" * 99),
    ("but an SVG drawing", lambda: b"<svg onload='alert(1)'/>"),
    ("but a program", lambda: b"\x7fELF" + bytes(99)),
    ("but a Python pickle", lambda: pickle.dumps(print)),
    ("but a zip archive", lambda: zipped([("a/data.pkl", b"\x80")])),
    ("but a HEIC, AVIF", lambda: b"\0\0\0\x18ftypheic" + bytes(99)),
    ("but GIF; expected PNG, JPEG or WebP", lambda: encoded(NOISE, "GIF")),
    ("9000x9000 pixels; expected at most 40", lambda: png(9000, 9000)),
    ("far too many pixels", lambda: png(10**5, 10**5)),
    ("1x1 pixels; expected at least 8x8", lambda: encoded(NOISE[:1, :1])),
    ("at most 32 times as long as wide", lambda: encoded(Image.new("RGB", (8, 4000)))),
    ("a damaged or cut", lambda: PNG[:900]),
    ("a damaged or cut", lambda: PNG[:8] + b"\xff\xff\xff\xffzTXt"),
    ("'your picture' has 11 MB", lambda: PNG + bytes(11 * 2**20)),
]
ZIP: Cases = [
    ("not a readable zip file", lambda: b"hello"),
    ("not a readable zip file", lambda: zipped(pictures())[:-100]),
    ("not a readable zip", lambda: zipped([("é.png", b"")]).replace("é".encode(), b"\xff\xff")),
    ("holds no pictures", lambda: zipped([])),
    ("would leave its folder", lambda: zipped(pictures(("../x.png", b"")))),
    ("would leave its folder", lambda: zipped(pictures(("/etc/x.png", b"")))),
    ("would leave its folder", lambda: zipped(pictures((r"..\..\x.png", b"")))),
    ("is a link", lambda: zipped(pictures((link(), b"/etc/passwd")))),
    ("is encrypted", lambda: patched(zipped(pictures()), 6, 8, "<H", 1)),
    ("two files of one name", lambda: zipped(pictures(("0.png", b"")))),
    ("as a zip bomb does", lambda: declared(zipped([("a.png", bytes(10**6))]))),
    ("unpacks to 17179 MB; expected at most", lambda: declared(zipped(pictures()))),
    ("size than it says", lambda: patched(zipped(pictures(), STORED), 22, 24, "<I", 10**6)),
    ("is damaged", lambda: patched(single(), 22, 24, "<I", 500)),
    ("a rare method", lambda: zipped(pictures(), LZMA)),
    ("more than 100000 files", lambda: MANY),
    ("but a zip archive", lambda: zipped([("a.png", zipped([]))])),
    (
        "none of 5 pictures can be used: 'a.png'",
        lambda: zipped((f"{c}.png", b"%") for c in "abcde"),
    ),
    ("has 3 images; at least 4", lambda: zipped(pictures()[:3])),
    # of arrays
    ("is a pickle of Python objects", lambda: npz(np.array([print] * 5))),
    ("holds a, b; expected an array named 'images'", lambda: npz(a=IMAGES, b=IMAGES)),
    ("5 of 5 hold NaN or infinity", lambda: npz(np.full((5, 8, 8, 3), np.nan))),
    ("void8 is no number", lambda: npz(np.zeros((5, 8, 8), [("a", "u1")]))),
    ("images.npy' is not a readable array", lambda: npz(claimed("(10**6, 10**6, 8)"))),
    ("images.npy' is not a readable array", lambda: npz(claimed(f"({10**9}, {10**9}, 8, 3)"))),
    ("images.npy' is not", lambda: npz(header("__import__('os').system('id')\n"))),
    ("images.npy' is not a readable array", lambda: npz(header("(" * 60_000))),
    ("images.npy' is not a readable array", lambda: npz(header(" " * 10**6, 9, b"\2\0"))),
    ("the shape (192,); expected", lambda: npz(IMAGES[0].ravel())),
    ("'names' is str32", lambda: npz(IMAGES, names=np.array(["a"]))),
    ("one for each of 5 images", lambda: npz(IMAGES, names=claimed(f"({10**12},)", "<U0", 0))),
    ("letters that do not", lambda: npz(IMAGES, names=claimed("(5,)", "<U1", 0) + b"\xff" * 20)),
    ("'groups' is float64", lambda: npz(IMAGES, groups=np.full(5, np.nan))),
]
UPLOAD: Cases = [  # of at most 9 pictures
    ("would leave its folder", lambda: zipped(pictures(("../x.png", b"")))),
    ("is a pickle of", lambda: npz(np.array([print] * 5))),
    ("more than 9 pictures", lambda: npz(IMAGES.repeat(2, 0))),
    ("more than 9 pictures", lambda: zipped((f"{i}.png", PNG) for i in range(10))),
    ("unpacks to 8 MB", lambda: npz(claimed("(8, 1000, 1000)", body=8 * 1000**2))),
]
RUNS: Cases = [
    ("holds no run (no config.json)", lambda: zipped(pictures())),
    ("more than one run", lambda: run_zip({"b/config.json": b"{}"})),
    ("holds no weights", lambda: run_zip({STEP: None})),
    ("would leave its folder", lambda: run_zip({"../x": b""})),
    ("'this upload' unpacks to", lambda: declared(run_zip({}))),
    ("width is 1000000000", lambda: config(width=10**9)),
    ("holds the number 1e+30", lambda: config(steps=1e30)),
    ("side is -1; expected a whole number from 8 to 128", lambda: config(side=-1)),
    ("other images than 'digits'", lambda: config(side=32)),
    ("patch is 4; expected 1, 2 or 4", lambda: config(patch=4)),
    ("holds the number nan", lambda: config(sigma_data=float("nan"))),
    ("images are '/etc'", lambda: config(corpus="/etc")),
    ("other images", lambda: config(corpus_sha256="0" * 64)),
    ("without markup", lambda: config(version="<img src=x>")),
    ("at most 500 characters", lambda: config(version="x" * 10_000)),
    ("expected text (the name of a run, @ and", lambda: config(parent="x")),
    ("not readable JSON", lambda: run_zip({"config.json": b"\xff\xfe"})),
    ("not readable JSON", lambda: run_zip({"config.json": b"[" * 90_000})),
    ("at most 100000", lambda: run_zip({"config.json": bytes(10**6)})),
    ("'metrics.jsonl' unpacks to", lambda: metrics(bytes(4 * 10**7))),
    ("line 1: Object missing required field", lambda: metrics(b'{"step": 1}')),
    ("holds the number nan", lambda: metrics(json.dumps(NAN).encode())),
    (">= 0.1 - at `$.images_per_second`", lambda: metrics(json.dumps(STILL).encode())),
    ("missing required field `ratio`", lambda: report("copies", {})),
    ("at `$.copies.ratio.ci95`", lambda: report("copies.ratio.ci95", [0.5])),
    ("without markup or links", lambda: report("warnings", ["<script>alert(1)</script>"])),
    ("holds the number nan", lambda: report("x", float("nan"))),
    ("'nearest' does not fit", lambda: report("samples.0.nearest", 50)),
    ("no noise levels", lambda: curves("levels", [])),
    ("at `$.levels[0].sigma`", lambda: curves("levels.0.sigma", 0)),
    ("expected 36 images of 8 pixels", lambda: sheet((48, 4800))),
    ("but an SVG drawing", lambda: run_zip({SHEET: b"<svg/>"})),
    ("far too many pixels", lambda: run_zip({SHEET: png(10**5, 10**5)})),
    ("a pickle of Python", lambda: samples(np.array([print]), seeds=np.arange(1))),
    ("expected uint8 (n, 8, 8, 1)", lambda: samples(IMAGES, seeds=np.arange(5))),
    ("an array named 'seeds'", lambda: samples(IMAGES[..., :1])),
    ("whole safetensors", lambda: run_zip({STEP: pickle.dumps(1)})),
    ("whole safetensors", lambda: tensors({}, b"", 2**63)),
    ("whole safetensors", lambda: tensors(TWO, bytes(12))),
    ("whole safetensors", lambda: tensors(GIANT, bytes(12))),
    ("does not fit its config", lambda: weights(lambda bias: bias[:3].copy())),
    ("holds weights that are not finite", lambda: weights(lambda bias: bias * np.nan)),
]
CASES = [
    (how, *case)
    for how, cases in {"picture": PICTURE, "zip": ZIP, "upload": UPLOAD, "run": RUNS}.items()
    for case in cases
]


def read(how: str, data: bytes, folder: Path) -> object:
    """Hand `data` to what reads such a thing; `folder` holds what that may leave behind."""
    if how == "picture":
        return uploads.square(data, open_run(RUN).config)
    if how == "run":
        return import_run(data, folder)
    if how == "upload":
        return read_uploads([("yours.png", data)], "pictures", most=9)
    (folder.parent / f"upload.{how}").write_bytes(data)
    return load_corpus(folder.parent / f"upload.{how}")


@pytest.mark.parametrize(("how", "words", "make"), CASES)
def test_one_line_and_nothing_left(
    how: str, words: str, make: Callable[[], bytes], tmp_path: Path
) -> None:
    data, folder = make(), tmp_path / "runs"
    folder.mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read(how, data, folder)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    line = str(caught.value)
    assert words in line
    assert line.isprintable()
    assert len(line) < 400
    for place in (str(tmp_path), str(ROOT), ".import-", "Traceback", "Error", "Errno"):
        assert place not in line
    assert list(folder.iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} <= {"runs", f"upload.{how}"}
    assert taken < MEMORY


def test_a_run_without_a_verdict_comes_in(tiny_run: Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "few")
    assert main(["evaluate", str(tmp_path / "few"), "--n", "19", "--store"]) == 0
    again = import_run(export_run(open_run(tmp_path / "few")), tmp_path / "runs")
    report = again.report()
    assert report.copies.ratio.rate is None
