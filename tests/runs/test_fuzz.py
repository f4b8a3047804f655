"""Random damage to valid uploads: every outcome is a valid result or an InputError."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ambient.files import InputError
from ambient.images.corpus import Corpus, load_corpus
from ambient.runs.archive import export_run, import_run
from ambient.runs.folder import Run, open_run
from ambient.runs.weights import load_weights
from tests.files import altered, encoded, saved, zipped
from ui import uploads

NOISE = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
MUTATIONS = {"PNG": 99, "JPEG": 99, "WEBP": 66, "zip": 99, "npz": 99, "run": 33, "weights": 33}


def mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of a file; of a zip, every other one is damaged before it is packed."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        yield repacked(data, rng) if data[:2] == b"PK" and i % 2 else damaged(data, rng)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Flipped bits, cuts, splices and noise, as often near the ends, where headers are."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        places = (rng.integers(64), rng.integers(len(out)), -rng.integers(1, 99))
        at = int(rng.choice(places)) % len(out)
        match rng.integers(5):
            case 0:
                out[at] ^= 1 << int(rng.integers(8))
            case 1 if rng.random() < 0.3:
                del out[at:]
            case 2:
                start, size = int(rng.integers(len(out))), int(rng.integers(1, 200))
                out[at : at + size] = out[start : start + size]
            case 3:
                out[at : at + 4] = rng.bytes(4)
            case _:
                out[at:at] = rng.bytes(int(rng.integers(1, 50)))
        out = out or bytearray(1)
    return bytes(out)


def repacked(data: bytes, rng: np.random.Generator) -> bytes:
    """A zip with one damaged member under a right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = str(rng.choice(archive.namelist()))
        return altered(data, {name: damaged(archive.read(name), rng)})


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("form", MUTATIONS)
def test_damage_is_survived_or_refused_in_one_line(
    form: str, tmp_path: Path, tiny_run: Run
) -> None:
    runs, file = tmp_path / "runs", tmp_path / f"upload.{form}"
    runs.mkdir()

    def corpus(data: bytes) -> bool:
        file.write_bytes(data)
        found = load_corpus(file)
        return isinstance(found, Corpus) and found.images.dtype == np.uint8

    def picture(data: bytes) -> bool:
        return uploads.square(data, tiny_run.config).shape == (8, 8, 1)

    def run(data: bytes) -> bool:
        found = import_run(data, runs)
        parts = (found.report(), found.curves(), found.samples(), found.sheet(), found.metrics())
        return found.config.corpus == "digits" and len(parts) == 5

    def weights(data: bytes) -> bool:
        file.write_bytes(data)
        network = load_weights(file, tiny_run.config)
        return all(p.isfinite().all() for p in network.parameters())

    forms: dict[str, tuple[Callable[[], bytes], Callable[[bytes], bool]]] = {
        "zip": (lambda: zipped((f"{i}.png", encoded(x)) for i, x in enumerate(NOISE)), corpus),
        "npz": (lambda: saved(images=NOISE, names=list("abcdef"), groups=np.arange(6)), corpus),
        "run": (lambda: export_run(open_run("digits-50-standard")), run),
        "weights": (tiny_run.checkpoint().read_bytes, weights),
    }
    make, read = forms.get(form, (lambda: encoded(NOISE[0], form), picture))
    whole = make()
    assert read(whole)
    refused = 0
    for damaged in mutations(whole, MUTATIONS[form], seed=len(form)):
        try:
            assert read(damaged)
        except InputError as e:
            refused += 1
            assert str(e).isprintable()
            assert str(tmp_path) not in str(e)
    assert refused > MUTATIONS[form] // 10
    assert not list(runs.glob(".import-*"))
