"""Rebuild `assets/corpora/` from its sources: `python scripts/build_corpora.py`.

emoji   Noto Emoji as packed by the npm package emoji-datasource-google 16.0.0 (fetched with `npm
        pack`, or given with --emoji-package FOLDER): 64-px pictures on white, halved to 32x32.
digits  UCI optdigits, 8x8, as scikit-learn ships them (`pip install scikit-learn`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from ambient.images.corpus import ASSETS, twin_groups

PACKAGE = "emoji-datasource-google@16.0.0"


def fetch_emoji(folder: Path) -> Path:
    """Download and unpack the npm package; returns the unpacked folder."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def emoji(package: Path) -> dict[str, np.ndarray]:
    """All emoji but flags and skin-tone components, in the order of the emoji chart."""
    entries = json.loads((package / "emoji.json").read_text(encoding="utf-8"))
    entries = [
        e for e in entries if e["has_img_google"] and e["category"] not in ("Flags", "Component")
    ]
    entries.sort(key=lambda e: e["sort_order"])
    images = []
    for entry in entries:
        picture = Image.open(package / "img/google/64" / entry["image"]).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        flat = Image.alpha_composite(white, picture).convert("RGB")
        images.append(np.asarray(flat.resize((32, 32), Image.Resampling.BOX)))
    return {
        "images": np.stack(images),
        "names": np.array([(e["name"] or e["short_name"]).lower() for e in entries]),
        "categories": np.array([e["category"] for e in entries]),
        "license": np.array("Noto Emoji, Google, Apache-2.0; names from emoji-data, MIT"),
    }


def digits() -> dict[str, np.ndarray]:
    """The 1,797 test digits of optdigits; 17 gray levels stretched to 0..255."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return {
        "images": np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None],
        "names": np.array([f"{t} (no. {i})" for i, t in enumerate(data.target)]),
        "categories": data.target.astype(str),
        "license": np.array("UCI optdigits, Alpaydin and Kaynak, CC BY 4.0"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emoji-package", type=Path, help="an unpacked emoji-datasource-google")
    package = parser.parse_args().emoji_package
    with tempfile.TemporaryDirectory() as scratch:
        corpora = {"emoji": emoji(package or fetch_emoji(Path(scratch))), "digits": digits()}
    for name, fields in corpora.items():
        fields["groups"] = twin_groups(fields["images"])
        path = ASSETS / "corpora" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **fields)
        distinct = len(np.unique(fields["groups"]))
        print(f"{path.name}: {len(fields['images'])} images, {distinct} distinct")


if __name__ == "__main__":
    main()
