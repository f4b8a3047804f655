"""What all figures share: labels on the lines themselves, exact values on hover, few lines.

One module a kind of figure.
"""

import hashlib
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any, ParamSpec

import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from ui.pictures import COOL, NEUTRAL, WARM

P = ParamSpec("P")
Rows = Sequence[Mapping[str, Any]]
Values = Sequence[Any] | NDArray[Any]  # numbers, None where one is not known
INK = {WARM: "#F58B3D", COOL: "#58AFE6", NEUTRAL: "#B1ACA3"}  # as text on dark paper
# One button, on hover: save the chart as SVG.
STILL = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "ambient-explorer"},
    "scrollZoom": False,
}


def dark() -> bool:
    """Whether this visitor reads the page in dark mode."""
    return st.context.theme.type == "dark"


def show(figure: go.Figure, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, alt=alt, config=STILL)


def drawn_once(draw: Callable[P, go.Figure]) -> Callable[P, go.Figure]:
    """A drawing kept for all visitors: the same figure for the same arguments, never changed."""

    @wraps(draw)
    def kept(*args: P.args, **kwargs: P.kwargs) -> go.Figure:
        given = hashlib.sha256(pickle.dumps((args, kwargs))).hexdigest()
        return _kept(
            f"{draw.__module__}.{draw.__name__}", given, dark(), partial(draw, *args, **kwargs)
        )

    return kept


@st.cache_resource(max_entries=128, show_spinner=False)
def _kept(name: str, given: str, dark: bool, _draw: Callable[[], go.Figure]) -> go.Figure:
    return _draw()


def ink(color: str) -> str:
    """A meaning color as text: lighter on dark paper."""
    return INK[color] if dark() else color


def rgba(color: str, alpha: float) -> str:
    return f"rgba({int(color[1:3], 16)},{int(color[3:5], 16)},{int(color[5:7], 16)},{alpha})"


def label(figure: go.Figure, x: float, y: float, text: str, color: str, **place: Any) -> None:
    """A direct label at a point of a line; plotly places annotations on log axes by exponent."""
    row = place.pop("row", 1)
    log_x = figure.get_subplot(row, 1).xaxis.type == "log"
    log_y = figure.get_subplot(row, 1).yaxis.type == "log"
    at = {"x": math.log10(x) if log_x else x, "y": math.log10(y) if log_y else y}
    place = {"xanchor": "left", "yanchor": "bottom", **place}
    write(figure, text, color, row=row, col=1, **at, **place)


def text_color() -> str:
    return "#ECE8E1" if dark() else "#22272B"


def paper(alpha: float = 0.8) -> str:
    """The page's own color, by default a little of what lies below shining through."""
    return f"rgba(22,24,26,{alpha})" if dark() else f"rgba(251,248,242,{alpha})"


def write(figure: go.Figure, text: str, color: str, **place: Any) -> None:
    """Words in a figure, readable where a line runs through them; their size is 14 unless given."""
    size = place.pop("size", 14)
    figure.add_annotation(
        text=text,
        font={"color": ink(color) if color in INK else color, "size": size},
        bgcolor=paper(),
        borderpad=1,
        showarrow=False,
        **place,
    )


def whiskers(
    values: Values, ends: Sequence[Sequence[float]], color: str, thickness: float = 1.5
) -> dict[str, Any]:
    """Intervals around values as plotly's error bars; both in the units of the axis."""
    pairs = list(zip(values, ends, strict=True))
    return {
        "type": "data",
        "array": [high - value for value, (_, high) in pairs],
        "arrayminus": [value - low for value, (low, _) in pairs],
        "color": color,
        "thickness": thickness,
        "width": 4,
    }


def line(
    figure: go.Figure,
    x: Values,
    y: Values,
    color: str,
    *,
    width: float = 3,
    dash: str = "solid",
    marker: Mapping[str, Any] | None = None,
    ends: Sequence[Sequence[float]] = (),
    hover: str = "",
    **place: Any,
) -> None:
    """A line through points.

    Args:
        marker: what stands at each point, in the line's color; nothing by default.
        ends: 95 % intervals of y, drawn as whiskers.
        hover: what a point says, in plotly's format, after the line's name if it has one; it is
            silent without.
        place: further arguments of the trace, such as row, column and name.
    """
    place |= {"error_y": whiskers(y, ends, color)} if ends else {}
    place |= {"marker": {"color": color, **marker}} if marker else {}
    nameless = "" if "name" in place else "<extra></extra>"
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers" if marker else "lines",
        line={"color": color, "width": width, "dash": dash},
        hovertemplate=hover + nameless if hover else None,
        hoverinfo=None if hover else "skip",
        **place,
    )


def band(
    figure: go.Figure,
    x: Sequence[float],
    ends: Sequence[Sequence[float]],
    color: str,
    alpha: float = 0.2,
    **place: Any,
) -> None:
    """95 % intervals along a line, shaded."""
    for edge, fill in ((1, None), (0, "tonexty")):
        figure.add_scatter(
            x=x,
            y=[pair[edge] for pair in ends],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=rgba(color, alpha),
            hoverinfo="skip",
            **place,
        )


def log_axis(ticks: Sequence[float], names: Sequence[str] | None = None) -> dict[str, Any]:
    """A logarithmic axis with these ticks alone."""
    return {"type": "log", "tickvals": ticks, "ticktext": names or [f"{t:g}" for t in ticks]}


def upright(figure: go.Figure, x: float, color: str | None = None, dash: str = "dash") -> None:
    """A line from top to bottom: a cutoff in its color, or what the page is at."""
    figure.add_vline(x=x, line={"color": color or ink(NEUTRAL), "width": 2, "dash": dash})


def whole(figure: go.Figure) -> go.Figure:
    """Marks at the edge of the frame, such as those at 0, are drawn whole."""
    return figure.update_traces(cliponaxis=False, selector={"type": "scatter"})


def percents(ends: Sequence[float]) -> list[float]:
    return [100 * x for x in ends]


def finish(figure: go.Figure, height: int, top: int = 8, **layout: Any) -> go.Figure:
    figure.update_layout(
        height=height,
        showlegend=False,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        dragmode=False,
        font={"size": 14},
        **layout,
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True, gridcolor="rgba(138,133,124,0.18)")
    return figure
