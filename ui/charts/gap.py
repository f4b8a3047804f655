"""The gap alone: how many times worse a network is on unseen images, by noise level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from ui.charts import finish, rgba
from ui.pictures import COOL, NEUTRAL, arm_color


def gap(curves: Mapping[str, Any], arm: str) -> go.Figure:
    """Held-out over train error with its 95 % band, and the cutoff."""
    levels, color = curves["levels"], arm_color(arm)
    sigma = [p["sigma"] for p in levels]
    figure = go.Figure()
    for edge, fill in ((1, None), (0, "tonexty")):
        figure.add_scatter(
            x=sigma,
            y=[p["gap_ratio_ci95"][edge] for p in levels],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=rgba(color, 0.2),
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=sigma,
        y=[p["gap_ratio"] for p in levels],
        mode="lines",
        line={"color": color, "width": 3},
        hovertemplate="noise level %{x:.3g}: %{y:.3g} times<extra></extra>",
    )
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    if curves["cutoff"]:
        figure.add_vline(x=curves["cutoff"], line={"color": COOL, "width": 2, "dash": "dash"})
    ticks = [0.02, 0.1, 0.5, 2, 10]
    figure.update_xaxes(
        title_text="noise level", type="log", tickvals=ticks, ticktext=[f"{t:g}" for t in ticks]
    )
    times = [1, 2, 5, 10, 20, 50]
    figure.update_yaxes(
        title_text="unseen / training error",
        type="log",
        tickvals=times,
        ticktext=[f"{t}×" for t in times],
    )
    return finish(figure, 380)
