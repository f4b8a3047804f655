"""What a visitor could hand over to do harm, and the one line that each of it gets."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
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
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from ui import uploads
from ui.train import desk

ROOT = Path(__file__).resolve().parents[2]
RUN = "digits-50-standard"
STEP = f"checkpoints/step-{open_run(RUN).last_step:06d}.safetensors"
SHEET = f"sheets/step-{open_run(RUN).last_step:06d}.png"
MEMORY = 150_000_000  # bytes: what a refusal may take, on top of the upload
Member = tuple[str | zipfile.ZipInfo, bytes]
Change = Callable[[Any], Any]

NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def encoded(form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, form, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG of that size by its header; its pixels are cut short."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def blank(*extra: bytes) -> bytes:
    """A whole gray picture of 8x8 pixels with more chunks."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(bytes(72)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")])


def changed(data: bytes, at: int, bits: int = 0xFF) -> bytes:
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def zipped(members: Iterable[Member], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", how) as archive:
        warnings.simplefilter("ignore")  # of doubled names
        for name, data in members:
            archive.writestr(name, data, how)
    return buffer.getvalue()


def pictures(*more: Member) -> list[Member]:
    return [*((f"{i}.png", encoded()) for i in range(4)), *more]


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


def run_zip(parts: dict[str, bytes | None]) -> bytes:
    """The exported run with some parts replaced, added or (None) left out."""
    if not EXPORTED:
        with zipfile.ZipFile(io.BytesIO(export_run(open_run(RUN)))) as archive:
            EXPORTED.update({name: archive.read(name) for name in archive.namelist()})
    members = {**EXPORTED, **parts}
    return zipped((name, data) for name, data in members.items() if data is not None)


EXPORTED: dict[str, bytes] = {}


def config(**fields: Any) -> bytes:
    known = json.loads(open_run(RUN).config.to_json())
    return run_zip({"config.json": json.dumps({**known, **fields}).encode()})


def report(change: Change) -> bytes:
    found = json.loads((open_run(RUN).path / "report.json").read_bytes())
    change(found)
    return run_zip({"report.json": json.dumps(found).encode()})


def curves(change: Change) -> bytes:
    found = json.loads((open_run(RUN).path / "curves.json").read_bytes())
    change(found)
    return run_zip({"curves.json": json.dumps(found).encode()})


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> bytes:
    tensors = load(open_run(RUN).checkpoint().read_bytes())
    change(tensors)
    return run_zip({STEP: save(tensors)})


def tensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    prefix = struct.pack("<Q", len(text) if length is None else length)
    return run_zip({STEP: prefix + text + body})


def sheet(size: tuple[int, int], mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return run_zip({SHEET: buffer.getvalue()})


def metrics(lines: bytes) -> bytes:
    return run_zip({"metrics.jsonl": lines})


def declared(data: bytes) -> bytes:
    """All members say that they unpack to 4 GB."""
    out = bytearray(data)
    for at in re.finditer(b"PK\x01\x02", data):
        struct.pack_into("<I", out, at.start() + 24, 2**32 - 2)
    return bytes(out)


IMAGES = NOISE[None, :8, :8].repeat(5, 0)
NAN = {"step": 1, "loss": float("nan"), "images_per_second": 1, "seconds": 1}
F16 = {"a": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]}}
TWO = {**F16, "b": {"dtype": "F16", "shape": [4], "data_offsets": [4, 12]}}
GIANT = {"a": {"dtype": "F16", "shape": [10**6, 10**6], "data_offsets": [0, 2 * 10**12]}}

# name -> what reads it, words of the one line, its bytes
CASES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    # one picture
    "nothing": ("picture", "but an empty file; expected PNG", lambda: b""),
    "text": ("picture", "is not a readable picture; expected PNG", lambda: b"hello" * 99),
    "svg": ("picture", "but an SVG drawing", lambda: b"<svg onload='alert(1)'/>"),
    "xml": ("picture", "but an XML or SVG", lambda: b"\xef\xbb\xbf <?xml version='1.0'?><svg/>"),
    "html": ("picture", "but a web page", lambda: b"\n<!DOCTYPE html><script>1</script>"),
    "pdf": ("picture", "but a PDF document", lambda: b"%PDF-1.7\n"),
    "elf": ("picture", "but a program", lambda: b"\x7fELF" + bytes(99)),
    "exe": ("picture", "but a program", lambda: b"MZ" + bytes(99)),
    "script": ("picture", "but a script", lambda: b"#!/bin/sh\nrm -rf /\n"),
    "pickle": ("picture", "but a Python pickle", lambda: pickle.dumps(print)),
    "torch file": ("picture", "but a zip archive", lambda: zipped([("a/data.pkl", b"\x80")])),
    "tiff": ("picture", "but a TIFF picture", lambda: encoded("TIFF")),
    "heic": ("picture", "but a HEIC, AVIF", lambda: b"\0\0\0\x18ftypheic" + bytes(99)),
    "gif of one's own": ("picture", "but GIF; expected PNG, JPEG or WebP", lambda: encoded("GIF")),
    "81 megapixels": ("picture", "9000x9000 pixels; expected at most 40", lambda: png(9000, 9000)),
    "bomb": ("picture", "far too many pixels", lambda: png(10**5, 10**5)),
    "two billion wide": ("picture", "far too many pixels", lambda: png(2**31 - 1, 2**31 - 1)),
    "no width": ("picture", "is not a readable picture", lambda: png(0, 8)),
    "one pixel": ("picture", "1x1 pixels; expected at least 8x8", lambda: pixels(1, 1)),
    "strip": ("picture", "at most 32 times as long as wide", lambda: pixels(8, 4000)),
    "cut png": ("picture", "a damaged or cut", lambda: encoded()[:900]),
    "cut jpeg": ("picture", "a damaged or cut", lambda: encoded("JPEG")[:700]),
    "cut webp": ("picture", "a damaged or cut", lambda: encoded("WEBP")[:700]),
    "png checksum": ("picture", "a damaged or cut", lambda: changed(encoded(), 20)),
    "profile bomb": (
        "picture",
        "a damaged or cut PNG",
        lambda: blank(chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8)))),
    ),
    "text bomb": (
        "picture",
        "a damaged or cut PNG",
        lambda: blank(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
    ),
    "webp canvas": (
        "picture",
        "far too many pixels",
        lambda: b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(4) + b"\xff" * 6 + bytes(8),
    ),
    "11 MB": ("picture", "'your picture' has 11 MB", lambda: encoded() + bytes(11 * 2**20)),
    # a zip of pictures
    "no zip": ("zip", "not a readable zip file", lambda: b"hello"),
    "empty zip file": ("zip", "not a readable zip file", lambda: b""),
    "cut zip": ("zip", "not a readable zip file", lambda: zipped(pictures())[:-100]),
    "empty zip": ("zip", "holds no pictures", lambda: zipped([])),
    "climbing": ("zip", "would leave its folder", lambda: zipped(pictures(("../x.png", b"")))),
    "absolute": ("zip", "would leave its folder", lambda: zipped(pictures(("/etc/x.png", b"")))),
    "backslash": ("zip", "would leave its", lambda: zipped(pictures((r"..\..\x.png", b"")))),
    "drive": ("zip", "would leave its folder", lambda: zipped(pictures((r"C:\x.png", b"")))),
    "link": ("zip", "is a link", lambda: zipped(pictures((link(), b"/etc/passwd")))),
    "encrypted": ("zip", "is encrypted", lambda: patched(zipped(pictures()), 6, 8, "<H", 1)),
    "doubled": ("zip", "two files of one name", lambda: zipped(pictures(("0.png", b"")))),
    "doubled by dots": ("zip", "two files of one", lambda: zipped(pictures(("./0.png", b"")))),
    "dense": ("zip", "as a zip bomb does", lambda: zipped([("a.png", bytes(10**8))])),
    "17 GB": ("zip", "unpacks to 17179 MB; expected at most", lambda: declared(zipped(pictures()))),
    "grown": ("zip", "size than it says", lambda: patched(stored(), 22, 24, "<I", 10**6)),
    "shrunk": ("zip", "is damaged", lambda: patched(single(), 22, 24, "<I", 500)),
    "wrong checksum": ("zip", "is damaged", lambda: patched(single(), 14, 16, "<I", 1)),
    "damaged stream": ("zip", "is damaged", lambda: changed(single(), 60)),
    "rare method": (
        "zip",
        "a rare method",
        lambda: zipped(pictures(), zipfile.ZIP_LZMA),
    ),
    "many members": (
        "zip",
        "more than 100000 files",
        lambda: b"PK\x01\x02" * 100_001 + b"PK\x05\x06" + bytes(18),
    ),
    "zip of zips": ("zip", "holds no pictures", lambda: zipped([("a.zip", zipped(pictures()))])),
    "zip as picture": ("zip", "but a zip archive", lambda: zipped([("a.png", zipped([]))])),
    "svg as picture": ("zip", "but an SVG drawing", lambda: zipped([("a.PNG", b"<svg/>")])),
    "droppings": (
        "zip",
        "holds no pictures",
        lambda: zipped([("._a.png", encoded()), ("__MACOSX/a.png", encoded())]),
    ),
    "name that is no text": (
        "zip",
        "not a readable zip file",
        lambda: zipped([("é.png", encoded())]).replace("é".encode(), b"\xff\xff"),
    ),
    "none readable": (
        "zip",
        "none of 5 pictures can be used: 'a.png'",
        lambda: zipped((f"{c}.png", b"%PDF") for c in "abcde"),
    ),
    # an npz of pictures
    "no npz": ("npz", "not a readable npz file", lambda: npy(IMAGES)),
    "objects": ("npz", "is a pickle of Python objects", lambda: npz(np.array([print] * 5))),
    "no images": ("npz", "holds pictures; expected an array", lambda: npz(pictures=IMAGES)),
    "no arrays": ("npz", "holds no arrays", lambda: zipped([("images", npy(IMAGES))])),
    "floats": ("npz", "is float64 (5, 8, 8, 3)", lambda: npz(np.full((5, 8, 8, 3), np.nan))),
    "records": ("npz", "expected uint8", lambda: npz(np.zeros(5, [("a", "u1")]))),
    "a million of millions": ("npz", "images.npy", lambda: npz(claimed("(10**6, 10**6, 8)"))),
    "10 to the 18": ("npz", "images.npy", lambda: npz(claimed(f"({10**9}, {10**9}, 8, 3)"))),
    "negative": ("npz", "images.npy", lambda: npz(claimed("(-1, -100)"))),
    "fewer than there are": ("npz", "images.npy", lambda: npz(claimed("(4, 8, 8)", body=999))),
    "more than there are": ("npz", "images.npy", lambda: npz(claimed("(4, 8, 8)", body=99))),
    "code": ("npz", "images.npy", lambda: npz(header("__import__('os').system('id')\n"))),
    "endless header": ("npz", "images.npy", lambda: npz(header("(" * 60_000))),
    "large header": ("npz", "images.npy", lambda: npz(header(" " * 10**6, 9, b"\2\0"))),
    "version 9": ("npz", "images.npy", lambda: npz(header("{}", 9, b"\x09\0"))),
    "dense array": ("npz", "as a zip bomb does", lambda: npz(claimed("(4, 8)", body=10**8))),
    "flat": ("npz", "is uint8 (192,)", lambda: npz(IMAGES[0].ravel())),
    "two channels": ("npz", "expected uint8", lambda: npz(IMAGES[..., :2])),
    "none": ("npz", "has 0 images; at least 4", lambda: npz(IMAGES[:0])),
    "large images": ("npz", "has 256x8 images", lambda: npz(np.zeros((4, 256, 8), np.uint8))),
    "names of too few": ("npz", "'names' is str32", lambda: npz(IMAGES, names=np.array(["a"]))),
    "endless names": (
        "npz",
        "expected one for each of 5 images",
        lambda: npz(IMAGES, names=claimed(f"({10**12},)", "<U0", 0)),
    ),
    "names of no letters": (
        "npz",
        "letters that do not exist",
        lambda: npz(IMAGES, names=claimed("(5,)", "<U1", 0) + b"\xff" * 20),
    ),
    "groups that are no numbers": (
        "npz",
        "'groups' is float64",
        lambda: npz(IMAGES, groups=np.full(5, np.nan)),
    ),
    # pictures to train on
    "no pictures": ("upload", "holds no pictures", lambda: zipped([])),
    "three pictures": ("upload", "has 3 images; at least 4", lambda: zipped(pictures()[:3])),
    "a program": ("upload", "but a program", lambda: b"MZ" + bytes(99)),
    "a drawing": ("upload", "but an SVG drawing", lambda: b"<svg/>"),
    "a page": ("upload", "but a web page", lambda: b"<html><script>1</script>"),
    "a climbing upload": ("upload", "would leave", lambda: zipped(pictures(("../x.png", b"")))),
    "a dense upload": ("upload", "as a zip bomb does", lambda: zipped([("a.png", bytes(10**8))])),
    "an upload of objects": ("upload", "is a pickle of", lambda: npz(np.array([print] * 5))),
    "too many in an npz": ("upload", "more than 9 pictures", lambda: npz(IMAGES.repeat(2, 0))),
    "too many in a zip": (
        "upload",
        "more than 9 pictures",
        lambda: zipped((f"{i}.png", encoded()) for i in range(10)),
    ),
    "too many that are none": (
        "upload",
        "more than 9 pictures",
        lambda: zipped((f"{i}.png", b"%PDF") for i in range(10)),
    ),
    "more pixels than pictures": (
        "upload",
        "unpacks to 8 MB; expected at most",
        lambda: npz(claimed("(8, 1000, 1000)", body=8 * 1000**2)),
    ),
    # a run
    "no run": ("run", "holds no run (no config.json)", lambda: zipped(pictures())),
    "two runs": ("run", "more than one run", lambda: run_zip({"b/config.json": b"{}"})),
    "no weights": ("run", "holds no weights", lambda: run_zip({STEP: None})),
    "run that climbs": ("run", "would leave its folder", lambda: run_zip({"../x": b""})),
    "width": ("run", "width is 1000000000", lambda: config(width=10**9)),
    "steps": ("run", "holds the number 1e+30", lambda: config(steps=1e30)),
    "more steps": ("run", "holds the number ...", lambda: config(steps=10**100)),
    "side": ("run", "side is -1; expected a whole number from 8 to 128", lambda: config(side=-1)),
    "other side": ("run", "other images than 'digits'", lambda: config(side=32)),
    "patch": ("run", "patch is 4; expected 1, 2 or 4", lambda: config(patch=4)),
    "threads": ("run", "threads is 100000", lambda: config(threads=10**5)),
    "no spread": ("run", "sigma_data is 0", lambda: config(sigma_data=0)),
    "not a number": ("run", "holds the number nan", lambda: config(sigma_data=float("nan"))),
    "infinite": ("run", "holds the number inf", lambda: config(lr=float("inf"))),
    "more than there are images": ("run", "n_train is 50000", lambda: config(n_train=50_000)),
    "folder of the server": ("run", "images are '/etc'", lambda: config(corpus="/etc")),
    "climbing corpus": ("run", "only name one of emoji", lambda: config(corpus="../../runs")),
    "download": ("run", "images are 'cifar10'", lambda: config(corpus="cifar10")),
    "other images": ("run", "other images", lambda: config(corpus_sha256="0" * 64)),
    "markup in config": ("run", "without markup", lambda: config(version="<img src=x>")),
    "long text": ("run", "at most 500 characters", lambda: config(version="x" * 10_000)),
    "lines in config": ("run", "without markup", lambda: config(version="a\nb\u202e")),
    "unknown field": ("run", "unknown evil", lambda: config(evil=1)),
    "config list": (
        "run",
        "config.json: Expected `object`, got `array`",
        lambda: run_zip({"config.json": b"[]"}),
    ),
    "config bytes": ("run", "not readable JSON", lambda: run_zip({"config.json": b"\xff\xfe"})),
    "config depth": ("run", "not readable JSON", lambda: run_zip({"config.json": b"[" * 90_000})),
    "config size": ("run", "at most 100000", lambda: run_zip({"config.json": bytes(10**6)})),
    "run of 90 GB": ("run", "'this upload' unpacks to", lambda: declared(run_zip({}))),
    "metrics bomb": ("run", "'metrics.jsonl' unpacks to", lambda: metrics(bytes(4 * 10**7))),
    "metrics of words": (
        "run",
        "line 1: Object missing required field",
        lambda: metrics(b'{"step": 1}'),
    ),
    "metrics of nothing": ("run", "line 1: Expected `object`", lambda: metrics(b"5")),
    "metrics of nan": ("run", "holds the number nan", lambda: metrics(json.dumps(NAN).encode())),
    "metrics of no pace": (
        "run",
        "Expected `float` >= 0.1 - at `$.images_per_second`",
        lambda: metrics(json.dumps({**NAN, "loss": 1, "images_per_second": 0}).encode()),
    ),
    "parent": (
        "run",
        "parent is 'x'; expected text (the name of a run, @ and",
        lambda: config(parent="x"),
    ),
    "parent at no step": ("run", "parent is 'x@y'", lambda: config(parent="x@y")),
    "parent at endless step": ("run", "parent is ...99", lambda: config(parent="x@" + "9" * 99)),
    "report list": (
        "run",
        "report.json: Expected `object`, got `array`",
        lambda: run_zip({"report.json": b"[]"}),
    ),
    "report without rule": (
        "run",
        "missing required field `ratio`",
        lambda: report(lambda r: r["copies"].clear()),
    ),
    "report without interval": (
        "run",
        "at `$.copies.ratio.ci95`",
        lambda: report(lambda r: r["copies"]["ratio"].update(ci95=[0.5])),
    ),
    "report with markup": (
        "run",
        "without markup or links",
        lambda: report(lambda r: r["warnings"].append("<script>alert(1)</script>")),
    ),
    "report with a link": (
        "run",
        "without markup or links",
        lambda: report(lambda r: r["warnings"].append("see https://example.com")),
    ),
    "report of nan": ("run", "holds the number nan", lambda: report(lambda r: r.update(x=np.nan))),
    "report beyond images": (
        "run",
        "'nearest' does not fit",
        lambda: report(lambda r: r["samples"][0].update(nearest=50)),
    ),
    "report of other samples": (
        "run",
        "'seed' does not fit",
        lambda: report(lambda r: r["samples"][0].update(seed=10**6)),
    ),
    "report of no samples": (
        "run",
        "'samples' does not fit",
        lambda: report(lambda r: r["samples"].clear()),
    ),
    "curves of nothing": ("run", "no noise levels", lambda: curves(lambda c: c["levels"].clear())),
    "curves at zero": (
        "run",
        "at `$.levels[0].sigma`",
        lambda: curves(lambda c: c["levels"][0].update(sigma=0)),
    ),
    "sheet size": ("run", "expected 36 images of 8 pixels", lambda: sheet((48, 4800))),
    "sheet colors": ("run", "expected 36 images of 8 pixels", lambda: sheet((48, 48), "RGB")),
    "sheet of 16 bits": ("run", "8 bits a channel", lambda: sheet((48, 48), "I;16")),
    "sheet drawing": ("run", "but an SVG drawing", lambda: run_zip({SHEET: b"<svg/>"})),
    "sheet bomb": ("run", "far too many pixels", lambda: run_zip({SHEET: png(10**5, 10**5)})),
    "samples of objects": (
        "run",
        "is a pickle of Python objects",
        lambda: run_zip({"samples.npz": npz(np.array([print]), seeds=np.arange(1))}),
    ),
    "samples of another size": (
        "run",
        "expected uint8 (n, 8, 8, 1)",
        lambda: run_zip({"samples.npz": npz(IMAGES, seeds=np.arange(5))}),
    ),
    "samples without seeds": (
        "run",
        "an array named 'seeds'",
        lambda: run_zip({"samples.npz": npz(IMAGES[..., :1])}),
    ),
    "weights of 5 bytes": ("run", "whole safetensors", lambda: run_zip({STEP: b"hello"})),
    "weights of a pickle": ("run", "whole safetensors", lambda: run_zip({STEP: pickle.dumps(1)})),
    "header beyond the file": ("run", "whole safetensors", lambda: tensors({}, b"", 10**5)),
    "header of exabytes": ("run", "whole safetensors", lambda: tensors({}, b"", 2**63)),
    "overlapping tensors": ("run", "whole safetensors", lambda: tensors(TWO, bytes(12))),
    "giant tensor": ("run", "whole safetensors", lambda: tensors(GIANT, bytes(12))),
    "other tensors": ("run", "does not fit its config", lambda: tensors(F16, bytes(8))),
    "other shapes": (
        "run",
        "does not fit its config",
        lambda: weights(lambda t: t.update({"stem.bias": t["stem.bias"][:3].copy()})),
    ),
    "other numbers": (
        "run",
        "holds F64; expected one of",
        lambda: weights(lambda t: t.update({"stem.bias": t["stem.bias"].astype(np.float64)})),
    ),
    "nan weights": (
        "run",
        "holds weights that are not finite",
        lambda: weights(lambda t: t["stem.bias"].fill(np.nan)),
    ),
    "infinite weights": (
        "run",
        "holds weights that are not finite",
        lambda: weights(lambda t: t["stem.bias"].fill(np.inf)),
    ),
}


def pixels(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def stored() -> bytes:
    return zipped(pictures(), zipfile.ZIP_STORED)


def single() -> bytes:
    return zipped([("a.png", encoded())])


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


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_left(name: str, tmp_path: Path) -> None:
    how, words, make = CASES[name]
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


@pytest.mark.parametrize("run", list_runs(BUNDLED_RUNS), ids=lambda run: run.name)
def test_every_bundled_run_comes_in_whole(run: Run, tmp_path: Path) -> None:
    again = import_run(export_run(run), tmp_path)
    assert again.report() == run.report()
    assert again.curves() == run.curves()
    assert again.metrics() == run.metrics()


def test_a_run_without_a_verdict_comes_in(tiny_run: Run, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "few")
    assert main(["evaluate", str(tmp_path / "few"), "--n", "20", "--store"]) == 0
    again = import_run(export_run(open_run(tmp_path / "few")), tmp_path / "runs")
    report = again.report()
    assert report
    assert report.copies.ratio.rate is None


def test_a_run_of_no_pace_says_nothing_of_this_machine(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    run = Run(tmp_path / "still", tiny_run.config)
    shutil.copytree(tiny_run.path, run.path)
    still = {"step": 10, "loss": 1.0, "images_per_second": 0, "seconds": 1.0}
    (run.path / "metrics.jsonl").write_text(json.dumps(still) + "\n")
    (run.path / "state.json").write_text('{"status": "done"}')
    found = desk.seconds(tiny_run.config)
    assert found is not None and 0 < found < 1e4
