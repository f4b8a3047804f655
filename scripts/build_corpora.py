"""Rebuild `assets/corpora/` from its sources: `python -m scripts.build_corpora`.

emoji   Noto Emoji as packed by the npm package emoji-datasource-google 16.0.0 (fetched with `npm
        pack`): 64-px pictures on white, halved to 32x32.
digits  UCI optdigits, 8x8, as scikit-learn ships them (`pip install scikit-learn`).
kanji   the 6,355 characters of JIS X 0208, by the Unihan files of Debian's `unicode-data`, drawn in
        Noto Sans CJK JP Bold of `fonts-noto-cjk`: `apt-get install unicode-data fonts-noto-cjk`.

`python -m scripts.build_corpora kanji` rebuilds that one alone.
"""

import bz2
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ambient.files import ASSETS
from ambient.images.twins import twin_groups

PACKAGE = "emoji-datasource-google@16.0.0"
UNIHAN = Path("/usr/share/unicode")
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc")
FACE = ("Noto Sans CJK JP", "Bold")  # the collection's first; others draw some kanji differently
PAGE, POINTS = 128, 120  # pixels: characters are drawn four times as large as they are stored
FIRST_KANJI_ROW = 16  # of JIS X 0208; the rows before it hold signs, kana and letters


def emoji() -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=scratch, check=True)
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as archive:
            archive.extractall(scratch, filter="data")
        return unpacked(Path(scratch) / "package")


def unpacked(package: Path) -> dict[str, np.ndarray]:
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


def kanji() -> dict[str, np.ndarray]:
    """The kanji of JIS X 0208 in the order of Unicode, each named by itself and its meaning."""
    rows = unihan_field("OtherMappings", "kJis0")
    characters = sorted(c for c, place in rows.items() if int(place[:2]) >= FIRST_KANJI_ROW)
    meanings = unihan_field("Readings", "kDefinition")
    strokes = unihan_field("IRGSources", "kTotalStrokes")
    font = open_font()
    counts = [int(strokes[c].split()[0]) for c in characters]  # the first is the usual count
    return {
        "images": np.stack([drawn(c, font) for c in characters])[..., None],
        "names": np.array([f"{c} {gloss(meanings.get(c, ''))}".strip() for c in characters]),
        "categories": np.array([f"{n} stroke{'' if n == 1 else 's'}" for n in counts]),
        "license": np.array("Noto Sans CJK JP, Adobe, OFL 1.1; meanings and strokes: Unicode"),
    }


def unihan_field(part: str, key: str) -> dict[str, str]:
    """One field of the Unihan database, by character (Unicode Standard Annex 38)."""
    path = UNIHAN / f"Unihan_{part}.txt.bz2"
    if not path.is_file():
        raise SystemExit(f"'{path}' is not there: apt-get install unicode-data.")
    with bz2.open(path, "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines if line.startswith("U+"))
        return {chr(int(code[2:], 16)): value for code, field, value in rows if field == key}


def gloss(definition: str) -> str:
    """The first meaning of a `kDefinition`: no remarks in brackets, no pointers to other codes."""
    bare = re.sub(r"\([^()]*\)", "", definition)
    meanings = [part.strip() for part in re.split(r"[;,]|\.(?!\d)", bare)]
    return next((m for m in meanings if m and "U+" not in m), "")


def open_font() -> ImageFont.FreeTypeFont:
    """The Japanese face of the collection."""
    wanted = f"apt-get install fonts-noto-cjk, with a {' '.join(FACE)}."
    if not FONT.is_file():
        raise SystemExit(f"'{FONT}' is not there: {wanted}")
    font = ImageFont.truetype(str(FONT), POINTS, index=0)
    if font.getname() != FACE:
        raise SystemExit(f"'{FONT}' begins with {font.getname()}: {wanted}")
    return font


def drawn(character: str, font: ImageFont.FreeTypeFont) -> np.ndarray:
    """uint8 (32, 32): its ink in the middle of the page.

    Black on white, as in print and like the emoji: the margin runs into the page it is shown on.
    A network learns either the same way, for images lie in [-1, 1] around zero.
    """

    def page(x: float, y: float) -> Image.Image:
        paper = Image.new("L", (PAGE, PAGE), 255)
        ImageDraw.Draw(paper).text((x, y), character, font=font, fill=0, anchor="mm")
        return paper

    rows, columns = np.nonzero(np.asarray(page(PAGE / 2, PAGE / 2)) < 128)
    right, down = ((at.min() + at.max() + 1 - PAGE) / 2 for at in (columns, rows))
    large = page(PAGE / 2 - right, PAGE / 2 - down)
    return np.asarray(large.resize((32, 32), Image.Resampling.LANCZOS))


def build(name: str, fields: dict[str, np.ndarray]) -> None:
    """Write one corpus, with its twin groups."""
    fields["groups"] = twin_groups(fields["images"])
    path = ASSETS / "corpora" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **fields)
    distinct = len(np.unique(fields["groups"]))
    print(f"{path.name}: {len(fields['images'])} images, {distinct} distinct")


def main() -> None:
    makers = {"emoji": emoji, "digits": digits, "kanji": kanji}
    for name in sys.argv[1:] or makers:
        if name not in makers:
            raise SystemExit(f"'{name}' is no corpus; expected {', '.join(makers)}.")
        build(name, makers[name]())


if __name__ == "__main__":
    main()
