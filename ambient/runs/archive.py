"""Runs as zip files: out with a model card, in with nothing trusted."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import weakref
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from PIL import Image

from ambient.copies.records import Report
from ambient.diffusion.records import Curves
from ambient.files import InputError, Record
from ambient.images import read
from ambient.images.corpus import BUNDLED, load_corpus
from ambient.images.npz import read_npz
from ambient.images.read import plain
from ambient.images.zips import open_zip, read_member
from ambient.runs.card import model_card
from ambient.runs.folder import (
    CAPTIONS_FILE,
    IMAGES_FILE,
    OWN,
    SLOWEST,
    UNPACKING,
    Run,
    open_run,
    step_name,
)
from ambient.runs.job import fingerprint, mark_owner
from ambient.runs.limits import Limits
from ambient.runs.start import packed

# Everything a run may bring, and its most bytes; other members of a zip are ignored.
MAX_BYTES = {
    "config.json": 100_000,
    "metrics.jsonl": 8_000_000,
    "report.json": 8_000_000,
    "curves.json": 1_000_000,
    "samples.npz": 200_000_000,
    IMAGES_FILE: 200_000_000,
    CAPTIONS_FILE: 40_000_000,
    "sheets": 10_000_000,
    "checkpoints": 200_000_000,
}
PARTS = tuple(name for name in MAX_BYTES if "." in name)
MADE = ("config.json", IMAGES_FILE)  # parts that an export writes anew
MAX_UNPACKED = 200_000_000


class Metric(Record, frozen=True, kw_only=True):
    """A line of metrics.jsonl."""

    step: Annotated[int, Meta(ge=0)]
    loss: float
    images_per_second: Annotated[float, Meta(ge=SLOWEST)]
    seconds: Annotated[float, Meta(ge=0)]


RECORDS: dict[str, Any] = {
    "report.json": Report,
    "curves.json": Curves,
    CAPTIONS_FILE: tuple[str, ...],
}


def export_run(run: Run, images: bool = False) -> bytes:
    """A zip of config, newest weights, report, curves, samples, a contact sheet and a model card.

    Args:
        images: with the images too, whatever their license: a run of images that are not bundled
            can be opened elsewhere only with them.

    Raises:
        InputError: the run has no checkpoint yet, damaged weights, or other images than it had.
    """
    run.denoiser()  # a damaged run is named here, not by whoever unpacks it
    weights = run.checkpoint()
    config = run.config.replace(corpus=OWN) if images else run.config
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config.to_json())
        if images:
            archive.writestr(IMAGES_FILE, packed(run.corpus()), zipfile.ZIP_STORED)
        for part in PARTS:
            if part not in MADE and (run.path / part).exists():
                archive.write(run.path / part, part)
        archive.write(weights, f"checkpoints/{weights.name}")
        sheet = run.path / "sheets" / f"{weights.stem}.png"
        if sheet.exists():
            archive.write(sheet, f"sheets/{sheet.name}")
            archive.writestr("contact-sheet.png", _enlarged(sheet, 4))
        archive.writestr("README.md", model_card(replace(run, config=config)))
    return buffer.getvalue()


def _enlarged(picture: Path, factor: int) -> bytes:
    image = Image.open(picture)
    buffer = io.BytesIO()
    size = (image.width * factor, image.height * factor)
    image.resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def import_run(source: bytes | Path, into: Path, owner: str | None = None) -> Run:
    """Unpack an exported run below `into` and open it; nothing is left behind if that fails.

    Only the files a run consists of are unpacked, under names of our own, so a zip cannot write
    elsewhere; each is read to its end here, so that no page meets a broken one.

    Args:
        source: the zip, or its path.
        into: folder of runs; the new folder is named after the content.
        owner: a secret of who uploads, of which only a hash is stored; None: anyone may change it.

    Raises:
        InputError: not a zip, no run in it, too large, a run that does not load or whose parts do
            not belong together, or one whose images are neither bundled nor in the zip.
    """
    into.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=UNPACKING, dir=into))
    try:
        _unpack(source, scratch)
        run = open_run(scratch)
        _check_config(run)
        _check_parts(run)
        mark = run.checkpoint_sha256()[:8]
        if owner is not None:  # each owner has a copy, under a name that nobody else can know
            mark = str(fingerprint(owner + mark))[:16]
            mark_owner(scratch, owner)
        target = into / f"{run.config.label}-{mark}"
        if not target.exists():
            scratch.rename(target)
        return open_run(target)
    except InputError as e:
        here = (f"{scratch}/", f"{scratch.name}/")
        raise InputError(re.sub("|".join(map(re.escape, here)), "", str(e))) from e
    except OSError as e:
        raise InputError(
            f"this run could not be stored ({e.strerror}); make room for it and try again."
        ) from e
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def unpack_run(source: Path) -> Run:
    """An exported run from its zip, in a folder that is gone once nobody holds the run any more.

    Raises:
        InputError: as `import_run`, with the name of the zip.
    """
    folder = Path(tempfile.mkdtemp(prefix="ambient-run-"))
    try:
        run = import_run(source, folder)
    except BaseException as e:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(e, InputError):
            raise InputError(f"'{plain(source.name)}': {e}") from e
        raise
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return run


def _unpack(source: bytes | Path, folder: Path) -> None:
    with open_zip(source, "this upload", MAX_UNPACKED) as archive:
        parts = [(part, m) for m in archive.infolist() if (part := _part(m.filename))]
        names = [part for part, _ in parts]
        if "config.json" not in names:
            raise InputError(
                "this zip holds no run (no config.json); expected one made by "
                "`python -m ambient export`."
            )
        if len(set(names)) < len(names):
            raise InputError("this zip holds more than one run; expected one.")
        for part, member in parts:
            data = read_member(archive, member, MAX_BYTES[part.partition("/")[0]])
            _check_json(data, part)
            target = folder / part
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(data)


def _part(name: str) -> str:
    """The place of a zip member inside a run folder, or '' for what does not belong there."""
    path = Path(name)
    if path.name in PARTS:
        return path.name
    numbered = r"(?:.*/)?(checkpoints/step-[0-9]{6,8}\.safetensors|sheets/step-[0-9]{6,8}\.png)"
    found = re.fullmatch(numbered, name)
    return found[1] if found else ""


def _check_json(data: bytes, part: str) -> None:
    """Refuse JSON that no run of ours would hold."""
    if part == "metrics.jsonl":
        for i, line in enumerate(data.splitlines(), 1):
            place = f"{part} line {i}"
            read.read_json(line, Metric, place)
    elif part.endswith(".json"):
        read.read_json(data, RECORDS.get(part, dict), part)


def _check_config(run: Run) -> None:
    """Images are bundled or in the zip: a path in an upload would make a server read its files."""
    config = run.config
    Limits.here().check_model(config)
    brought = (run.path / IMAGES_FILE).exists()
    if config.corpus not in (*BUNDLED, OWN) or (config.corpus == OWN) != brought:
        raise InputError(
            f"this run's images are '{plain(config.corpus, 60)}'"
            f"{f' and it brings an {IMAGES_FILE}' if brought else ''}; an uploaded run may only "
            f"name one of {', '.join(BUNDLED)}, or bring its own. Export it again with "
            "`--images`, or unpack it where its images are, and open that folder."
        )
    images = load_corpus(run.images)
    if config.corpus == OWN:
        Limits.here().check_pictures(len(images), max(images.images.shape[1:3]))
    found = (images.sha256, *images.images.shape[1:])
    if found != (config.corpus_sha256, config.side, config.side, config.channels):
        raise InputError(
            f"config.json: this run was trained on other images than '{config.corpus}' here; "
            "expected the same hash, side and channels. Train it again."
        )
    if config.patch == 3 or config.side % (4 * config.patch):
        raise InputError(
            f"config.json: patch is {config.patch}; expected 1, 2 or 4, a quarter of which divides "
            f"the side, {config.side}."
        )


def _check_parts(run: Run) -> None:
    """Load everything once and compare it: a broken run is refused at the door."""
    if not run.steps:
        raise InputError("this zip holds no weights; let the run train to its first stage.")
    split = run.split(run.corpus())
    run.denoiser()
    for step in run.sheet_steps:
        _check_sheet(run, step)
    seeds = _check_samples(run)
    if report := run.report():
        _check_report(report, run.config.n_train, len(split.heldout), seeds)
    if (curves := run.curves()) and not curves.levels:
        raise InputError("curves.json has no noise levels; make the curves and export again.")


def _check_report(report: Report, n_train: int, n_heldout: int, seeds: list[int] | None) -> None:
    rows, corpus = report.samples, report.corpus
    near = [position for row in rows for position in (row.nearest, row.second)]
    unseen = [row.nearest_heldout for row in rows if row.nearest_heldout is not None]
    fits = {
        "step": report.step is not None,
        "checkpoint_sha256": report.checkpoint_sha256 is not None,
        "samples": len(rows) == report.n_samples > 0,
        "corpus": (corpus.n_train, corpus.n_heldout) == (n_train, n_heldout),
        "nearest": max(near, default=-1) < n_train,
        "nearest_heldout": max(unseen, default=-1) < n_heldout,
        "seed": seeds is None or sorted(seeds) == sorted(row.seed for row in rows),
    }
    if wrong := [field for field, fit in fits.items() if not fit]:
        raise InputError(
            f"report.json: '{wrong[0]}' does not fit this run's config, images or samples; "
            "evaluate it and export it again."
        )


def _check_sheet(run: Run, step: int) -> None:
    name = f"sheets/{step_name(step)}.png"
    read.read_picture((run.path / name).read_bytes(), name, ("PNG",))
    pixels = run.sheet(step)
    if pixels is None or pixels.dtype != np.uint8:
        raise InputError(f"'{name}' is no picture of 8 bits a channel; export the run again.")


def _check_samples(run: Run) -> list[int] | None:
    path, c = run.path / "samples.npz", run.config
    if not path.exists():
        return None
    stored = read_npz(path, path.name, ["images", "seeds"])
    images, seeds = stored["images"], stored["seeds"]
    shape = (len(seeds) if seeds.ndim else 0, c.side, c.side, c.channels)
    if images.dtype != np.uint8 or seeds.dtype != np.int64 or images.shape != shape or not shape[0]:
        raise InputError(
            f"samples.npz holds images {images.dtype.name} {plain(images.shape)} and seeds "
            f"{seeds.dtype.name} {plain(seeds.shape)}; expected uint8 (n, {c.side}, {c.side}, "
            f"{c.channels}) and int64 (n,). Export the run again."
        )
    return [int(seed) for seed in seeds]
