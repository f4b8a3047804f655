"""Pictures that change with a step, cell by cell, packed into one small PNG.

A film's rows are its frames, its columns the cells of all its panels. Everything is drawn at the
images' own size; whoever shows it enlarges it to hard-edged pixels.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ui.pictures import PAPER, Images, enlarge, png

TILE = 32  # the smallest side of an image in a cell: 8-pixel digits are enlarged to it
MARGIN, SEAM, FRAME = 5, 7, 2  # in pixels, around and between images of that size

Cell = Image.Image


@dataclass(frozen=True)
class Panel:
    """Cells under one title.

    Attributes:
        title: names what is shown; `tone` is its color: orange, blue or gray.
        frames: the cells at every step, all of one size.
        captions, alts: at every step, a line under the cells and what they show in words.
    """

    title: str
    tone: str
    frames: Sequence[Sequence[Cell]]
    captions: Sequence[str]
    alts: Sequence[str]


@dataclass(frozen=True)
class Film:
    """Panels that change together, and the one strip that holds all their cells."""

    panels: Sequence[Panel]
    strip: bytes
    sha256: str

    @classmethod
    def of(cls, panels: Sequence[Panel]) -> Film:
        steps = range(len(panels[0].frames))
        packed = png(_table([[c for p in panels for c in p.frames[i]] for i in steps]))
        return cls(panels, packed, hashlib.sha256(packed).hexdigest())

    @property
    def address(self) -> str:
        """The strip as an address that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.strip).decode()}"

    def sheet(self, panel: int, frame: int, scale: int = 4) -> bytes:
        """The cells of one panel at one step as a picture of its own."""
        row = _table([self.panels[panel].frames[frame]])
        size = (row.width * scale, row.height * scale)
        return png(row.resize(size, Image.Resampling.NEAREST))


def _table(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    width, height = rows[0][0].size
    table = Image.new("RGBA", (width * len(rows[0]), height * len(rows)), (0, 0, 0, 0))
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            table.paste(cell, (x * width, y * height))
    return table


def drawn(image: Images, nearest: Images | None, copy: bool, color: str) -> Cell:
    """An image, above its nearest training image if that is given; framed if it is a copy."""
    tile = enlarge(image, TILE)
    seam = MARGIN + tile.height + SEAM // 2  # its middle
    below = MARGIN + tile.height + SEAM
    bottom = seam if nearest is None else below + tile.height
    cell = Image.new("RGBA", (tile.width + 2 * MARGIN, bottom + MARGIN), (0, 0, 0, 0))
    cell.paste(tile, (MARGIN, MARGIN))
    if nearest is not None:
        cell.paste(enlarge(nearest, TILE), (MARGIN, below))
    if copy:
        _mark(cell, bottom - SEAM // 2 - 2 if nearest is None else seam, color)
    return cell


def _mark(cell: Cell, y: int, color: str) -> None:
    """The frame and the equals sign of a copy, not by color alone."""
    pen, x = ImageDraw.Draw(cell), cell.width // 2
    pen.rounded_rectangle((1, 1, cell.width - 2, cell.height - 2), 4, outline=color, width=FRAME)
    pen.ellipse((x - 8, y - 7, x + 7, y + 8), fill=PAPER)
    pen.ellipse((x - 7, y - 6, x + 6, y + 7), fill=color)
    for dy in (-2, 2):
        pen.rectangle((x - 3, y + dy, x + 2, y + dy + 1), fill=PAPER)
