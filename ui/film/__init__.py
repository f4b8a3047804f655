"""A slider over a film: dragging changes the pictures in the browser, only a release comes here.

`show(film, key, "step", steps)` draws a `Film` (`ui.film.parts`) and returns where it stands: the
frame that the address names, and the picture that was tapped. A film is built once and kept
(`st.cache_resource`), for packing its pictures takes longer than showing them.

- Frames: `options` are the address's values of the frames. A release puts the one chosen into the
  address and runs the page (or the fragment around it) again.
- Pictures: with `cell="picture"`, a tap puts "row-place" into the address, and `near` of the rows
  shows the training images nearest to it in the browser, without a word to the server.
- A line to drag: rows with `scores` and a film with `lines` are marked in the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from ui.film.parts import Film

HERE = Path(__file__).parent
PERIOD = 5000  # milliseconds a whole film plays, at most 700 a frame


def _read(*names: str) -> str:
    return "".join((HERE / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component(
    "ambient_film",
    html=_read("film.html"),
    css=_read("film.css"),
    js=_read("chart.js", "film.js"),
)
# Apart, since Streamlit sends an element that did not change as a reference only.
_hold = st.components.v2.component("ambient_strip", js=_read("strip.js"))

Cell = tuple[int, int]  # the row and the place in it


@dataclass(frozen=True)
class Place:
    """Where a film stands. `cell` is None where no picture was tapped."""

    frame: int
    cell: Cell | None


def chosen(name: str, options: Sequence[object], usual: int = -1) -> int:
    """The place of the option that the address names, else this visit; else the usual one.

    An option that is none of these is dropped from the address.
    """
    known = {str(option): i for i, option in enumerate(options)}
    asked = str(st.query_params.get(name, st.session_state.get(name, "")))
    if not asked or asked not in known:
        st.query_params.pop(name, None)
        st.session_state.pop(name, None)
        return range(len(options))[usual]
    _keep(name, asked)
    return known[asked]


def _keep(name: str, value: str) -> None:
    """Put a value into the address and keep it for this visit."""
    st.session_state[name] = value
    if st.query_params.get(name) != value:
        st.query_params[name] = value


def _named(cell: Sequence[int]) -> str:
    return "{}-{}".format(*cell)


def _tapped(film: Film, name: str, first: Cell | None) -> Cell | None:
    """The picture that the address names, else the first one."""
    cells = {_named((r, c)): (r, c) for r, row in enumerate(film.rows) for c in range(row.count)}
    options = ["", *cells]
    found = options[chosen(name, options, options.index(_named(first)) if first else 0)]
    return cells.get(found)


def show(
    film: Film,
    key: str,
    name: str,
    options: Sequence[object],
    *,
    usual: int = -1,
    cell: str = "",
    first: Cell | None = None,
    opens: bool = False,
) -> Place:
    """Show a film where the address says, and return where that is.

    Args:
        name: of the frame in the address, empty for a film of one; `options` are its values.
        usual: the frame shown where the address names none.
        cell: name of the tapped picture in the address; without, none can be tapped.
        first: the picture that counts as tapped where the address names none, if one does.
        opens: once a page load it runs up to where it stands, unless the visitor chose a frame.
    """
    opens = opens and name not in st.query_params and name not in st.session_state
    index = chosen(name, options, usual) if name else 0
    tapped = _tapped(film, cell, first) if cell else None

    def moved() -> None:
        to = st.session_state[key].moved
        if to and name and 0 <= to["frame"] < len(options):
            _keep(name, str(options[to["frame"]]))
        if to and cell and to["cell"]:
            _keep(cell, _named(to["cell"]))

    packed = film.packed
    with st.container(gap=None):
        _hold(key=f"{key}-strip", data={"film": packed.sha256, "strip": packed.strip})
        _mount(
            key=key,
            data={
                **packed.data,
                "index": index,
                "cell": tapped,
                "taps": bool(cell),
                "period": min(700, PERIOD // len(film.frames)),
                "opens": opens,
            },
            on_moved_change=moved,
        )
    return Place(index, tapped)
