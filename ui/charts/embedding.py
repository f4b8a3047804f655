"""The map of a run's images: points, a few pictures, and lines from copies to their originals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.charts import finish, rgba, text_color
from ui.pictures import NEUTRAL, arm_color

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layer:
    """Points that look alike."""

    mark: str  # a name in `MARKS`
    at: Points  # (n, 2), where they lie
    names: Sequence[str]  # what hovering says
    # a thumbnail each, as addresses that hold them; none for plain marks
    pictures: Sequence[str] = ()


MARKS = {  # symbol, size, opacity: kinds differ by shape, not by color alone
    "unseen": ("circle-open", 5, 0.7),
    "new": ("x-thin-open", 5, 0.6),
    "copy": ("circle", 6, 0.8),
    "training": ("square", 7, 0.8),
    "picture": ("square", 24, 0.0),  # answers to the pointer; the picture lies below
}


def image_map(
    layers: Sequence[Layer],
    lines: Points,
    corners: tuple[Points, Points],
    cell: Points,
    chosen: Points | None,
    arm: str,
) -> go.Figure:
    """Points of every kind, one trace a layer, and lines (n, 2, 2) from copies to their originals.

    Thumbnails have the size of a cell; the searched image is ringed.
    """
    color, ink = arm_color(arm), text_color()
    tones = {"unseen": NEUTRAL, "new": color, "copy": color, "training": ink, "picture": ink}
    figure = go.Figure()
    for layer in layers:
        symbol, size, opacity = MARKS[layer.mark]
        still = {"marker": {"opacity": opacity}}  # a click must not fade the others
        figure.add_scatter(
            x=layer.at[:, 0],
            y=layer.at[:, 1],
            mode="markers",
            marker={"color": tones[layer.mark], "symbol": symbol, "size": size, "opacity": opacity},
            selected=still,
            unselected=still,
            text=np.array(layer.names),
            hovertemplate="%{text}<extra></extra>",
        )
    gaps = np.full((len(lines), 1, 2), np.nan, np.float32)
    strokes = np.concatenate([lines, gaps], axis=1).reshape(-1, 2)
    figure.add_scatter(
        x=strokes[:, 0],
        y=strokes[:, 1],
        mode="lines",
        line={"color": rgba(color, 0.6), "width": 1},
        hoverinfo="skip",
    )
    if chosen is not None:
        figure.add_scatter(
            x=chosen[:1],
            y=chosen[1:],
            mode="markers",
            marker={"color": ink, "symbol": "circle-open", "size": 34, "line": {"width": 4}},
            hoverinfo="skip",
        )
    low, high = corners
    figure.update_xaxes(range=[low[0], high[0]], visible=False)
    figure.update_yaxes(range=[low[1], high[1]], visible=False)
    return finish(figure, 620, clickmode="event+select", images=_images(layers, cell))


def _images(layers: Sequence[Layer], cell: Points) -> list[dict[str, Any]]:
    form = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle", "layer": "below"}
    size = {"sizex": float(cell[0]), "sizey": float(cell[1])}
    return [
        {"source": source, "x": float(x), "y": float(y), **size, **form}
        for layer in layers
        if layer.pictures
        for source, (x, y) in zip(layer.pictures, layer.at, strict=True)
    ]
