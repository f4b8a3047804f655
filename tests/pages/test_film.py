"""Films: what is packed and sent, and which frame and picture an address means."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ui.film.parts import COLUMNS, Chart, Film, Line, Row

FRAMES, CELLS = 3, 4


def _film() -> Film:
    """Two rows of four cells at three frames; the cell's gray says which it is, row 2 stays."""
    grays = np.arange(2 * FRAMES * CELLS, dtype=np.uint8).reshape(2, FRAMES, CELLS, 1, 1, 1)
    images = np.broadcast_to(grays, (2, FRAMES, CELLS, 8, 8, 1))
    near = [[[2, 0]] * CELLS, [[2, 1]] * CELLS, [[0, 2]] * CELLS]
    marks = [["new"] * CELLS, ["resembles", "new", "new", "new"], ["copy"] * CELLS]
    pool = np.full((3, 8, 8, 1), [[[[200]]], [[[201]]], [[[202]]]], np.uint8)
    values = [0.0, 4.56, 99.6]
    return Film(
        rows=[
            Row("First", "orange", images[0], marks=marks, numbers=["0", "1", "4"], near=near),
            Row("Second", "blue", images[1, :1], scores=[0.1, 0.2, 0.4, None]),
        ],
        label="Step",
        frames=["10", "20", "30"],
        chart=Chart([Line("Copies", "orange", values), Line("Gap", "blue", [None] * 3)], "up"),
        lines=[0.15, 0.3, 0.5],
        pool=(pool, ["a", "b", "c"]),
    )


def _gray(packed: Any, tile: int) -> int:
    """The gray of a tile of the strip, as the browser cuts it out."""
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(packed.strip.partition(",")[2]))))
    y, x = divmod(tile, COLUMNS)
    cut = strip[8 * y : 8 * y + 8, 8 * x : 8 * x + 8]
    assert cut.min() == cut.max()
    return int(cut[0, 0])


def test_the_strip_holds_every_picture_once_where_the_rows_say() -> None:
    packed = _film().packed
    first, second = (row["tiles"] for row in packed.data["rows"])
    assert [[_gray(packed, t) for t in frame] for frame in first] == [
        [4 * i + j for j in range(4)] for i in range(3)
    ]
    assert [_gray(packed, t) for t in second[0]] == [12, 13, 14, 15]
    assert [(_gray(packed, t), name) for t, name in packed.data["pool"]] == [
        (200, "a"),
        (201, "b"),
        (202, "c"),
    ]
    used = {t for frame in [*first, *second] for t in frame} | {t for t, _ in packed.data["pool"]}
    assert len(used) == 12 + 4 + 3


def test_marks_values_and_neighbors_are_sent_in_words_of_the_page() -> None:
    data = _film().packed.data
    first, second = data["rows"]
    assert first["marks"] == ["....", "~...", "===="]
    assert second["scores"] == [0.1, 0.2, 0.4, None]
    assert [data["pool"][k][1] for k in first["near"][2][0]] == ["a", "c"]
    assert data["chart"]["lines"][0]["texts"] == ["0\u00a0%", "4.6\u00a0%", "100\u00a0%"]
    assert data["chart"]["lines"][1]["texts"] == [None] * 3
    json.dumps(data)


def _app() -> None:
    import streamlit as st

    from tests.pages.test_film import _film
    from ui.film import show

    place = show(_film(), "film", "at", [10, 20, 30], cell="picture", first=(1, 2))
    st.markdown(f"{place.frame} {place.cell}")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({}, "2 (1, 2)"),
        ({"at": "20"}, "1 (1, 2)"),
        ({"at": "10", "picture": "0-3"}, "0 (0, 3)"),
        ({"at": "15", "picture": "7-7"}, "2 (1, 2)"),
    ],
)
def test_the_address_sets_frame_and_picture_and_foreign_ones_are_dropped(
    query: dict[str, str], place: str
) -> None:
    app = AppTest.from_function(_app, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    assert app.markdown[0].value == place
    held, sent = (json.loads(e.proto.json) for e in app.get("bidi_component"))
    assert held["strip"] == _film().packed.strip
    assert held["film"] == sent["film"]
    assert f"{sent['index']} {tuple(sent['cell'])}" == place
    known = {"at": ["10", "20", "30"], "picture": ["0-3"]}
    assert dict(app.query_params) == {k: v for k, v in query.items() if v in known[k]}
