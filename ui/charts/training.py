"""Against the training step: loss, copies."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ui.charts import Rows, finish, ink, rgba
from ui.pictures import NEUTRAL, arm_color


def loss(lines: Rows, arm: str, steps: int, mark: int | None = None) -> go.Figure:
    """Training loss, raw and smoothed, to the run's last step."""
    color = arm_color(arm)
    x, y = [m["step"] for m in lines], np.array([m["loss"] for m in lines])
    figure = go.Figure()
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": rgba(color, 0.3), "width": 1}, hoverinfo="skip"
    )
    if len(y) > 5:
        weights = np.ones(15)
        smooth = np.convolve(y, weights, "same") / np.convolve(np.ones_like(y), weights, "same")
        figure.add_scatter(
            x=x,
            y=smooth,
            mode="lines",
            line={"color": color, "width": 3},
            hovertemplate="step %{x:,}: %{y:.4f}<extra></extra>",
        )
    if mark:
        figure.add_vline(x=mark, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    figure.update_xaxes(title_text="training step", range=[0, 1.02 * steps])
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]
    figure.update_yaxes(title_text="loss", type="log", tickvals=ticks, ticktext=ticks)
    return finish(figure, 230)


def copied_along(stages: Rows, arm: str, steps: int, mark: int | None = None) -> go.Figure:
    """Share of copies against training step, with intervals."""
    color = arm_color(arm)
    figure = go.Figure()
    rate = [100 * p["rate"] for p in stages]
    figure.add_scatter(
        x=[p["step"] for p in stages],
        y=rate,
        mode="lines+markers",
        line={"color": color, "width": 3},
        marker={"size": 9},
        error_y={
            "type": "data",
            "array": [100 * p["ci95"][1] - r for p, r in zip(stages, rate, strict=True)],
            "arrayminus": [r - 100 * p["ci95"][0] for p, r in zip(stages, rate, strict=True)],
            "color": color,
            "thickness": 1.5,
        },
        hovertemplate="step %{x:,}: %{y:.1f} % copies<extra></extra>",
    )
    if mark:
        figure.add_vline(x=mark, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    figure.update_xaxes(range=[0, 1.02 * steps])
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(figure, 230)
