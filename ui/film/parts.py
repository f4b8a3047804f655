"""What a film is made of: rows of pictures, a chart over its slider, one strip of all pictures.

Everything is drawn at the images' own size; the browser enlarges it to hard-edged pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ui.pictures import Images, address, png
from ui.words import Mark, Tone, percent

COLUMNS = 24  # of the strip
SIGNS: dict[Mark, str] = {"copy": "=", "resembles": "~", "new": ".", "": " "}
VERDICTS: dict[Mark, str] = {
    "copy": "is a copy of the training picture beside it.",
    "resembles": "resembles the training picture beside it, too little to be called a copy.",
    "new": "is new: the next nearest is almost as close.",
}


@dataclass(frozen=True)
class Row:
    """Pictures side by side that change together. Lists of frames may hold one entry for all.

    Attributes:
        title: names what is shown; `tone` is its color: orange, blue or gray.
        images: uint8 (frames, cells, h, w, c).
        marks: by frame and cell; none are drawn without.
        scores: one a cell, in place of marks: a copy where it lies below the film's line. None
            says that it never is one.
        numbers, captions: by frame, a large number in the row's color and what it counts.
        labels: one a cell, written under it.
        near: by frame and cell, positions in the film's `pool`, as many for each.
        alts: by frame, what is seen, in words; needed where cells cannot be tapped.
    """

    title: str
    tone: Tone
    images: Images
    marks: Sequence[Sequence[Mark]] = ()
    scores: Sequence[float | None] = ()
    numbers: Sequence[str] = ("",)
    captions: Sequence[str] = ("",)
    labels: Sequence[str] = ()
    near: Sequence[Sequence[Sequence[int]]] = ()
    alts: Sequence[str] = ()

    @property
    def count(self) -> int:
        """How many pictures stand in it."""
        return self.images.shape[1]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        values: one a frame, None where it is not known.
        ends: of an interval around each value, shaded.
        fill: shade what lies below it, as of a histogram.
        value: said at the cursor; without, the line's name stands at its peak.
    """

    name: str
    tone: Tone
    values: Sequence[float | None]
    ends: Sequence[tuple[float, float] | None] = ()
    fill: bool = False
    value: bool = True


@dataclass(frozen=True)
class Chart:
    """Lines over the slider; their cursor is its thumb.

    Attributes:
        alt: what the lines say, in words.
        low, high: ends of the vertical axis; `ticks` names values on it, `say` those at the cursor.
        uprights: dashed lines at places between frames, each with its words and tone.
    """

    lines: Sequence[Line]
    alt: str
    low: float = 0
    high: float = 100
    ticks: Mapping[float, str] = field(default_factory=dict)
    say: Callable[[float], str] = lambda value: percent(value / 100)
    log: bool = False
    uprights: Sequence[tuple[float, str, str]] = ()
    height: int = 96


@dataclass(frozen=True)
class Film:
    """Rows that change together.

    Attributes:
        label: of the slider; `frames` names its places, such as "step 2,100".
        ticks: words under the slider, by frame.
        said: by frame, a sentence under it.
        lines: by frame, below which score a cell is a copy; below `resembles` it resembles one.
        pool: training images that rows name in `near`, each with its name.
        legend: whether the marks are explained under it.
        largest: CSS pixels a picture is wide at most.
        one_line: where there is little room, rows show as many pictures as one line takes.
        abreast: rows stand side by side where there is room.
        beneath: under each picture stands the training image nearest to it, with its name.
    """

    rows: Sequence[Row]
    label: str
    frames: Sequence[str]
    chart: Chart | None = None
    ticks: Mapping[int, str] = field(default_factory=dict)
    said: Sequence[str] = ("",)
    lines: Sequence[float] = ()
    resembles: float | None = None
    pool: tuple[Images, Sequence[str]] | None = None
    legend: bool = True
    largest: int = 160
    one_line: bool = False
    abreast: bool = False
    beneath: bool = False

    @cached_property
    def packed(self) -> Packed:
        """The strip and what the browser needs beside it; made once."""
        return Packed.of(self)


@dataclass(frozen=True)
class Packed:
    """A film as it is sent: `strip` as an address that holds a PNG, the rest as JSON."""

    strip: str
    sha256: str
    data: Mapping[str, Any]

    @classmethod
    def of(cls, film: Film) -> Packed:
        tiles = _Tiles()
        pool, places = _pool(film, tiles)
        rows = [_row(row, tiles, places) for row in film.rows]
        strip = png(tiles.picture())
        data = {
            "film": hashlib.sha256(strip).hexdigest(),
            "side": film.rows[0].images.shape[2],
            "columns": COLUMNS,
            "rows": rows,
            "pool": pool,
            "label": film.label,
            "frames": list(film.frames),
            "ticks": list(film.ticks.items()),
            "said": list(film.said),
            "lines": list(film.lines),
            "resembles": film.resembles,
            "chart": _chart(film.chart) if film.chart else None,
            "legend": film.legend,
            "verdicts": VERDICTS,
            "largest": film.largest,
            "one_line": film.one_line,
            "abreast": film.abreast,
            "beneath": film.beneath,
        }
        version = hashlib.sha256(repr(data).encode()).hexdigest()
        return cls(address(strip), data["film"], {**data, "version": version})


class _Tiles:
    """Images by their place in the strip, each of them once."""

    def __init__(self) -> None:
        self.places: dict[bytes, int] = {}
        self.images: list[NDArray[np.uint8]] = []

    def place(self, image: NDArray[np.uint8]) -> int:
        known = self.places.setdefault(image.tobytes(), len(self.images))
        if known == len(self.images):
            self.images.append(image)
        return known

    def picture(self) -> Image.Image:
        h, w, c = self.images[0].shape
        rows = -(-len(self.images) // COLUMNS)
        whole = np.zeros((rows * COLUMNS, h, w, c), np.uint8)
        whole[: len(self.images)] = self.images
        sheet = whole.reshape(rows, COLUMNS, h, w, c).swapaxes(1, 2)
        sheet = sheet.reshape(rows * h, COLUMNS * w, c)
        return Image.fromarray(sheet[..., 0] if c == 1 else sheet)


def _pool(film: Film, tiles: _Tiles) -> tuple[list[tuple[int, str]], dict[int, int]]:
    """The training images that are shown, and where each stands among them."""
    used = sorted({i for r in film.rows for f in r.near for cell in f for i in cell})
    if film.pool is None:
        return [], {}
    images, names = film.pool
    return [(tiles.place(images[i]), names[i]) for i in used], {i: k for k, i in enumerate(used)}


def _row(row: Row, tiles: _Tiles, places: Mapping[int, int]) -> dict[str, Any]:
    return {
        "title": row.title,
        "tone": row.tone,
        "tiles": [[tiles.place(cell) for cell in frame] for frame in row.images],
        "marks": ["".join(SIGNS[m] for m in frame) for frame in row.marks],
        "scores": list(row.scores),
        "numbers": list(row.numbers),
        "captions": list(row.captions),
        "labels": list(row.labels),
        "near": [[[places[i] for i in cell] for cell in frame] for frame in row.near],
        "alts": list(row.alts),
    }


def _chart(chart: Chart) -> dict[str, Any]:
    lines = [
        {
            "name": line.name,
            "tone": line.tone,
            "values": list(line.values),
            "texts": [None if v is None else chart.say(v) for v in line.values],
            "ends": list(line.ends),
            "fill": line.fill,
            "value": line.value,
        }
        for line in chart.lines
    ]
    kept = {k: getattr(chart, k) for k in ("alt", "low", "high", "log", "height")}
    return {
        **kept,
        "lines": lines,
        "ticks": list(chart.ticks.items()),
        "uprights": list(chart.uprights),
    }
