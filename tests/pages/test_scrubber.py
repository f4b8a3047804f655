"""Films and the scrubber: what is drawn, what is sent, which frame an address means."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from ui.pictures import COOL, WARM
from ui.scrubber import film

ROOT = Path(__file__).resolve().parents[2]


def _image(value: int, side: int = 32, channels: int = 3) -> np.ndarray:
    return np.full((side, side, channels), value, np.uint8)


def _film() -> film.Film:
    """Two panels of two cells at three steps; the cell's gray says which it is."""
    panels = []
    for p, (tone, color) in enumerate((("orange", WARM), ("blue", COOL))):
        frames = [
            [film.drawn(_image(100 * p + 10 * i + j), None, False, color) for j in range(2)]
            for i in range(3)
        ]
        words = [f"panel {p}, frame {i}" for i in range(3)]
        panels.append(film.Panel(tone, tone, frames, words, words))
    return film.Film.of(panels)


def test_a_strip_holds_every_cell_where_the_browser_looks() -> None:
    made = _film()
    strip = np.asarray(Image.open(io.BytesIO(made.strip)).convert("RGB"))
    width, height = made.panels[0].frames[0][0].size
    assert strip.shape == (3 * height, 4 * width, 3)
    for p in range(2):
        for i in range(3):
            for j in range(2):
                middle = strip[i * height + height // 3, (2 * p + j) * width + width // 2]
                assert middle.tolist() == [100 * p + 10 * i + j] * 3
    assert base64.b64decode(made.address.partition(",")[2]) == made.strip


def test_small_images_are_enlarged_to_whole_pixels() -> None:
    digit = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    cell = np.asarray(film.drawn(digit, None, False, WARM).convert("RGB"))[..., 0]
    inside = cell[film.MARGIN : film.MARGIN + 32, film.MARGIN : film.MARGIN + 32]
    np.testing.assert_array_equal(inside, np.kron(digit[..., 0], np.ones((4, 4), np.uint8)))


def test_a_copy_is_marked_by_shape_and_color() -> None:
    plain = film.drawn(_image(9), _image(9), False, WARM)
    marked = film.drawn(_image(9), _image(9), True, WARM)
    assert plain.size == marked.size
    assert plain.getpixel((2, plain.height // 3))[3] == 0
    assert marked.getpixel((2, marked.height // 3))[:3] == (0xD5, 0x5E, 0x00)
    changed = np.asarray(plain) != np.asarray(marked)
    sign = changed[film.MARGIN + 32 : film.MARGIN + 32 + film.SEAM]
    assert sign[:, marked.width // 2].any()  # the equals sign between the two


def test_a_sheet_is_the_same_picture_enlarged() -> None:
    made = _film()
    sheet = Image.open(io.BytesIO(made.sheet(1, 2, scale=3)))
    width, height = made.panels[0].frames[0][0].size
    assert sheet.size == (2 * width * 3, height * 3)
    assert sheet.getpixel((width * 3 + width * 3 // 2, height))[:3] == (121, 121, 121)


def _app() -> None:
    import streamlit as st

    from tests.pages.test_scrubber import _film
    from ui import scrubber

    options = [10, 20, 30]
    index = scrubber.chosen("at", options)
    labels = [f"step {o}" for o in options]
    for key in ("one", "two"):
        scrubber.scrub(_film(), "at", options, labels, key, "Step")
    st.markdown(f"frame {index}")


def _open(**query: str) -> AppTest:
    app = AppTest.from_function(_app, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception[0].message
    return app


@pytest.mark.parametrize(("at", "frame"), [("10", 0), ("20", 1), ("", 2), ("15", 2), ("x", 2)])
def test_the_address_sets_the_frame_and_a_foreign_one_is_dropped(at: str, frame: int) -> None:
    app = _open(**({"at": at} if at else {}))
    assert app.markdown[0].value == f"frame {frame}"
    assert ("at" in app.query_params) == (at in ("10", "20"))


def test_the_component_gets_the_strip_and_the_words() -> None:
    app = _open(at="20")
    sent = [json.loads(e.proto.json) for e in app.get("bidi_component")]
    assert len(sent) == 4  # two scrubbers on a page, each with its strip
    for held, data in zip(sent[::2], sent[1::2], strict=True):
        assert data["index"] == 1
        assert data["labels"] == ["step 10", "step 20", "step 30"]
        assert base64.b64decode(held["strip"].partition(",")[2]) == _film().strip
        assert held["film"] == data["film"]
        assert [p["cells"] for p in data["panels"]] == [2, 2]
        assert data["panels"][1]["alts"][1] == "panel 1, frame 1"


def test_without_the_component_the_same_is_shown_and_moved() -> None:
    app = _open(native="1", at="10")
    assert not app.get("bidi_component")
    pictures = [e.proto.imgs[0] for e in app.get("image")]
    assert [p.alt for p in pictures] == ["panel 0, frame 0", "panel 1, frame 0"] * 2
    slider = app.select_slider[0]
    assert slider.value == 0
    slider.set_value(2).run()
    assert "30" in app.query_params["at"]
    assert app.markdown[-1].value == "frame 2"
    pictures = [e.proto.imgs[0] for e in app.get("image")]
    assert [p.alt for p in pictures] == ["panel 0, frame 2", "panel 1, frame 2"] * 2
