"""Runs as zip files: out with a model card, in with nothing trusted."""

from __future__ import annotations

import io
import json
import math
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from einops import rearrange, repeat
from PIL import Image

from ambient.errors import InputError
from ambient.run import Run, as_picture, open_run

# Everything a run may bring; other members of a zip are ignored, whatever they are called.
PARTS = ("config.json", "metrics.jsonl", "report.json", "curves.json", "samples.npz")
MAX_UNPACKED = 200_000_000


def export_run(run: Run) -> bytes:
    """A zip of config, newest weights, report, curves, samples, a contact sheet and a model card.

    Raises:
        InputError: the run has no checkpoint yet, or damaged weights.
    """
    run.denoiser()  # a damaged run is named here, not by whoever unpacks it
    weights = run.checkpoint()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in PARTS:
            if (run.path / part).exists():
                archive.write(run.path / part, part)
        archive.write(weights, f"checkpoints/{weights.name}")
        sheet = run.path / "sheets" / f"{weights.stem}.png"
        if sheet.exists():
            archive.write(sheet, f"sheets/{sheet.name}")
            archive.writestr("contact-sheet.png", _enlarged(sheet, 4))
        archive.writestr("README.md", model_card(run))
    return buffer.getvalue()


def _enlarged(picture: Path, factor: int) -> bytes:
    image = Image.open(picture)
    buffer = io.BytesIO()
    size = (image.width * factor, image.height * factor)
    image.resize(size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def model_card(run: Run) -> str:
    """What the model is, what it copies and what it must not be used for, in Markdown."""
    c, report = run.config, run.report()
    lines = [
        "---",
        "library_name: ambient",
        "tags: [diffusion, memorization, unconditional-image-generation]",
        "---",
        f"# {run.name}",
        "",
        f"A diffusion model of {c.side}x{c.side} images, trained on {c.n_train} images of "
        f"`{c.corpus}` (split {c.split_seed}) for {run.last_step} steps of {c.batch}, arm `{c.arm}`"
        + (f" with cutoff {c.cutoff:g}" if c.cutoff else "")
        + f", seed {c.seed}.",
        "",
    ]
    if report and report["copies"]["ratio"]["rate"] is not None:
        rule = report["copies"]["ratio"]
        low, high = rule["ci95"]
        lines += [
            f"**Copies**: {rule['rate']:.1%} of {report['n_samples']} samples (95 % interval "
            f"{low:.1%} to {high:.1%}) are copies of a training image by the rule d1/d2 < "
            f"{rule['threshold']:.3f}; of unseen images the same rule flags "
            f"{rule['heldout_rate']:.1%}.",
        ]
        if (quality := report["quality"]) and quality["frechet"] is not None:
            lines.append(
                f"**Quality**: Frechet distance to held-out images {quality['frechet']:.3f} "
                f"({quality['features']} features)."
            )
    else:
        lines.append("**Copies**: not measured; run `python -m ambient evaluate` on this folder.")
    lines += [
        "",
        "Trained on few images in order to study memorization. Nothing about it is a privacy "
        "guarantee: it has seen every training image at low noise.",
        "",
        "Use: unpack, then `python -m ambient sample FOLDER --n 64 --out samples.png`.",
        "",
        "```json",
        c.to_json().strip(),
        "```",
    ]
    return "\n".join(lines) + "\n"


def import_run(source: bytes | Path, into: Path) -> Run:
    """Unpack an exported run below `into` and open it; nothing is left behind if that fails.

    Only the files a run consists of are unpacked, under names of our own, so a zip cannot write
    elsewhere. Weights are checked when the run's denoiser is built here.

    Args:
        source: the zip, or its path.
        into: folder of runs; the new folder is named after the content.

    Raises:
        InputError: not a zip, no run in it, too large, or a run that does not load.
    """
    into.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".import-", dir=into))
    try:
        _unpack(io.BytesIO(source) if isinstance(source, bytes) else source, scratch)
        run = open_run(scratch)
        _check(run)
        target = into / f"{run.config.label}-{run.checkpoint_sha256()[:8]}"
        if target.exists():
            return open_run(target)
        scratch.rename(target)
        return open_run(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unpack(source: io.BytesIO | Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = {_tail(i.filename): i for i in archive.infolist()}
            wanted = {name: i for name, i in members.items() if name}
            if "config.json" not in wanted:
                raise InputError(
                    "this zip holds no run (no config.json); expected one made by "
                    "`python -m ambient export`."
                )
            size = sum(i.file_size for i in wanted.values())
            if size > MAX_UNPACKED:
                raise InputError(
                    f"this zip unpacks to {size // 1_000_000} MB; expected at most "
                    f"{MAX_UNPACKED // 1_000_000} MB."
                )
            for name, info in wanted.items():
                target = folder / name
                target.parent.mkdir(exist_ok=True)
                with archive.open(info) as member:
                    target.write_bytes(member.read(info.file_size))
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as e:
        raise InputError(f"this is not a readable zip file ({e}); export the run again.") from e


def _tail(name: str) -> str:
    """The place of a zip member inside a run folder, or '' for what does not belong there."""
    path = Path(name)
    if path.name in PARTS:
        return path.name
    for folder, suffix in (("checkpoints", ".safetensors"), ("sheets", ".png")):
        stem = path.stem
        numbered = stem.startswith("step-") and stem[5:].isdigit() and len(stem) == 11
        if path.parent.name == folder and path.suffix == suffix and numbered:
            return f"{folder}/{path.name}"
    return ""


def _check(run: Run) -> None:
    """Load everything once, so that a broken run is refused at the door."""
    run.denoiser()
    run.metrics()
    for part in (run.report(), run.curves()):
        if part is not None:
            json.dumps(part, allow_nan=False)
    try:
        stored, c = run.samples(), run.config
        if stored and stored[0].shape[1:] != (c.side, c.side, c.channels):
            raise InputError(
                f"this run's samples are {stored[0].shape[1:]}, its config says "
                f"{c.side}x{c.side}x{c.channels}; export it again."
            )
        run.sheet()
    except InputError:
        raise
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, Image.DecompressionBombError) as e:
        raise InputError(f"this run's pictures are not readable ({e}); export it again.") from e


def check_samples_path(path: Path) -> Path:
    """Refuse a name that `write_samples` could not write, before any work is done.

    Raises:
        InputError: neither .npz nor .png, or a folder that is not there.
    """
    if path.suffix not in (".npz", ".png"):
        raise InputError(f"--out is '{path}'; expected a name ending in .npz or .png.")
    if not path.parent.is_dir():
        raise InputError(f"'{path.parent}' is no folder; create it or choose another --out.")
    return path


def write_samples(path: Path, images: np.ndarray, seeds: np.ndarray) -> None:
    """`images` uint8 (n, h, w, c) and `seeds` int64 (n,) as npz, or the images as one PNG grid."""
    scratch = path.with_name(f".{path.stem}.part{path.suffix}")
    if check_samples_path(path).suffix == ".npz":
        np.savez_compressed(scratch, images=images, seeds=seeds.astype(np.int64))
    else:
        _grid(images).save(scratch)
    scratch.replace(path)


def _grid(images: np.ndarray) -> Image.Image:
    """Pictures in a near-square grid, each about 64 pixels high, pixels kept sharp."""
    factor = max(1, 64 // images.shape[1])
    tiles = repeat(images, "n h w c -> n (h i) (w j) c", i=factor, j=factor)
    tiles = np.pad(tiles, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    columns = math.isqrt(len(tiles) - 1) + 1
    missing = -len(tiles) % columns
    tiles = np.pad(tiles, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    return as_picture(rearrange(tiles, "(a b) h w c -> (a h) (b w) c", b=columns))
