"""Quality against copies for every stored cutoff and control."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from ui.charts import Rows, dark, finish, ink, rgba
from ui.pictures import arm_color


def quality_against_copies(points: Rows, paths: Mapping[str, Rows], selected: str) -> go.Figure:
    """Every stored model: Frechet distance (lower is better) against its share of copies.

    Args:
        points: name, label, arm, frechet, rate, ci95 of each finished model.
        paths: stages of training of an arm (frechet, rate, step), in order.
        selected: the name of the model to ring.
    """
    figure = go.Figure()
    for arm, stages in paths.items():
        color = arm_color(arm)
        figure.add_scatter(
            x=[p["frechet"] for p in stages],
            y=[100 * p["rate"] for p in stages],
            mode="lines+markers",
            line={"color": rgba(color, 0.55), "width": 2},
            marker={"size": 5, "color": color},
            customdata=[p["step"] for p in stages],
            hovertemplate="step %{customdata:,}: %{y:.1f} % copies at %{x:.3g}<extra></extra>",
        )
        if len(stages) > 2:
            p = stages[len(stages) // 2]
            figure.add_annotation(
                x=p["frechet"],
                y=100 * p["rate"],
                text="standard, stopped earlier",
                font={"color": ink(color), "size": 13},
                showarrow=False,
                xanchor="left",
                yanchor="bottom",
                xshift=6,
            )
    for p in points:
        color = arm_color(p["arm"])
        on = p["name"] == selected
        rate, (low, high) = 100 * p["rate"], (100 * x for x in p["ci95"])
        figure.add_scatter(
            x=[p["frechet"]],
            y=[rate],
            mode="markers",
            error_y={
                "type": "data",
                "array": [high - rate],
                "arrayminus": [rate - low],
                "color": color,
                "thickness": 2,
                "width": 5,
            },
            marker={
                "color": color,
                "size": 20 if on else 12,
                "symbol": _SHAPES.get(p["arm"], "x"),
                "line": {"width": 4 if on else 0, "color": "#ECE8E1" if dark() else "#22272B"},
            },
            hovertemplate=f"{p['label']}: {rate:.1f} % copies ({low:.1f} to {high:.1f}), "
            f"distance {p['frechet']:.3g}<extra></extra>",
        )
        figure.add_annotation(
            x=p["frechet"],
            y=rate,
            text=f"<b>{p['label']}</b>" if on else p["label"],
            font={"color": ink(color), "size": 15 if on else 13},
            showarrow=False,
            xanchor="left",
            xshift=14 if on else 10,
            yshift=10,
        )
    figure.update_xaxes(title_text="Fréchet distance (left is better)")
    figure.update_yaxes(title_text="copies, % of samples (lower is better)", rangemode="tozero")
    if points:  # stages far to the right are no rivals, and would squeeze the rest
        high = max(p["frechet"] for p in points)
        low = min(p["frechet"] for p in [*points, *(q for path in paths.values() for q in path)])
        reach = max(high - low, 0.05 * high)
        figure.update_xaxes(range=[low - 0.15 * reach, high + 0.8 * reach])
    return finish(figure, 460)


_SHAPES = {"standard": "diamond", "ambient": "circle"}
