"""The map of a run's images: points, a few pictures, and lines from copies to their originals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.charts import finish, rgba, text_color
from ui.pictures import NEUTRAL, arm_color

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Images of one kind: where they lie, what hovering says, and their keys for a search."""

    kind: str
    at: Points
    names: Sequence[str]
    keys: Sequence[int]


MARKS = {  # symbol and size: kinds differ by shape, not by color alone
    "unseen": ("circle-open", 5),
    "generated": ("circle", 6),
    "training": ("square", 7),
}


def image_map(
    layers: Sequence[Layer],
    lines: Points,
    pictures: Mapping[str, Points],
    corners: tuple[Points, Points],
    cell: Points,
    chosen: Points | None,
    arm: str,
) -> go.Figure:
    """Points of every kind.

    Args:
        lines: (n, 2, 2), from copies to their originals.
        pictures: thumbnails, by their address; drawn where they lie.
        cell: width and height of a thumbnail.
        chosen: the searched image, ringed.
    """
    color, figure = arm_color(arm), go.Figure()
    figure.update_layout(images=_images(pictures, cell))
    tones = {"unseen": NEUTRAL, "generated": color, "training": text_color()}
    for layer in layers:
        symbol, size = MARKS[layer.kind]
        faint = {"opacity": 0.75}
        figure.add_scatter(
            x=layer.at[:, 0],
            y=layer.at[:, 1],
            mode="markers",
            marker={"color": tones[layer.kind], "symbol": symbol, "size": size, **faint},
            selected={"marker": faint},
            unselected={"marker": faint},
            text=np.array(layer.names),
            hovertemplate="%{text}<extra></extra>",
        )
    gaps = np.full((len(lines), 1, 2), np.nan, np.float32)
    strokes = np.concatenate([np.reshape(lines, (-1, 2, 2)), gaps], axis=1).reshape(-1, 2)
    figure.add_scatter(
        x=strokes[:, 0],
        y=strokes[:, 1],
        mode="lines",
        line={"color": rgba(color, 0.5), "width": 1},
        hoverinfo="skip",
    )
    if chosen is not None:
        figure.add_scatter(
            x=[chosen[0]],
            y=[chosen[1]],
            mode="markers",
            marker={
                "color": text_color(),
                "symbol": "circle-open",
                "size": 26,
                "line": {"width": 4},
            },
            hoverinfo="skip",
        )
    low, high = corners
    figure.update_xaxes(range=[low[0], high[0]], visible=False)
    figure.update_yaxes(range=[low[1], high[1]], visible=False)
    return finish(figure, 640, clickmode="event+select")


def _images(pictures: Mapping[str, Points], cell: Points) -> list[dict[str, Any]]:
    form = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle", "layer": "below"}
    size = {"sizex": float(cell[0]), "sizey": float(cell[1])}
    return [
        {"source": source, "x": float(at[0]), "y": float(at[1]), **size, **form}
        for source, at in pictures.items()
    ]
