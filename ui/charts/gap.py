"""The gap alone: how many times worse networks are on unseen images, by noise level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui import data
from ui.charts import drawn_once, finish, rgba, write
from ui.pictures import COOL, NEUTRAL, arm_color


@drawn_once
def gaps(networks: Sequence[tuple[Mapping[str, Any], str, str]]) -> go.Figure:
    """Held-out over train error of each with its 95 % band, and the cutoff.

    Args:
        networks: curves, arm and name of each; the name stands at its widest gap.
    """
    figure = go.Figure()
    for k, (curves, arm, name) in enumerate(networks):
        _line(figure, curves, arm, name, "solid" if k == 0 else "dot")
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
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
    for curves, arm, name in networks:
        peak = data.widest_gap(curves)
        at = {"x": math.log10(peak["sigma"]), "y": math.log10(peak["gap_ratio"])}
        if name:
            write(figure, name, arm_color(arm), **at, yanchor="bottom", yshift=4)
    return finish(figure, 380)


def _line(figure: go.Figure, curves: Mapping[str, Any], arm: str, name: str, dash: str) -> None:
    levels, color = curves["levels"], arm_color(arm)
    sigma = [p["sigma"] for p in levels]
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
        line={"color": color, "width": 3, "dash": dash},
        hovertemplate=f"{name} " * bool(name)
        + "noise level %{x:.3g}: %{y:.3g} times<extra></extra>",
    )
    if curves["cutoff"]:
        figure.add_vline(x=curves["cutoff"], line={"color": COOL, "width": 2, "dash": "dash"})
