"""Where samples and unseen images lie by the rule for copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ui.charts import finish, ink
from ui.pictures import NEUTRAL, arm_color


def ratio_histogram(
    ratios: Sequence[float], heldout: Sequence[float], threshold: float, arm: str
) -> go.Figure:
    """d1/d2 of samples above the axis and of unseen images below it, the threshold through both."""
    edges = np.linspace(0, 1, 41)
    middle = (edges[:-1] + edges[1:]) / 2
    color = arm_color(arm)
    figure = go.Figure()
    for values, sign, tone, name in (
        (ratios, 1, color, "generated"),
        (heldout, -1, NEUTRAL, "unseen real images"),
    ):
        share = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        figure.add_bar(
            x=middle,
            y=sign * share,
            width=0.023,
            marker={"color": tone, "opacity": [1 if m < threshold else 0.5 for m in middle]},
            customdata=share,
            hovertemplate=f"{name}: %{{customdata:.1f}} % at ratio %{{x:.2f}}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    figure.add_vline(x=threshold, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    for x, y, xanchor, yanchor, text, tone in (
        (0.5, 1.0, "center", "top", "generated", color),
        (0.02, 0.0, "left", "bottom", "unseen real images", NEUTRAL),
    ):
        figure.add_annotation(
            x=x,
            y=y,
            yref="paper",
            text=text,
            font={"color": ink(tone), "size": 15},
            showarrow=False,
            xanchor=xanchor,
            yanchor=yanchor,
        )
    figure.add_annotation(
        x=threshold,
        y=1,
        yref="paper",
        text="copies ",
        showarrow=False,
        xanchor="right",
        yanchor="top",
        font={"size": 14},
    )
    figure.update_xaxes(title_text="d1/d2", range=[0, 1])
    figure.update_yaxes(title_text="% of images", tickformat="+.0f", showticklabels=False)
    return finish(figure, 360, barmode="overlay", bargap=0)
