"""What a rule finds and what it lets through."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ambient.copies.records import Copies
from ui.charts import (
    drawn_once,
    finish,
    line,
    log_axis,
    percents,
    rgba,
    text_color,
    upright,
    whole,
    write,
)
from ui.pictures import NEUTRAL, arm_color

BINS = 40
TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10]


@drawn_once
def roc(
    copies: Copies,
    samples: NDArray[np.float32],
    unseen: NDArray[np.float32],
    threshold: float,
    arm: str,
) -> go.Figure:
    """Copied share against the share of unseen images that the same line would call copies.

    A visitor's line, a ratio below which images are copies, is ringed.
    """
    figure, color = go.Figure(), arm_color(arm)
    lines = np.unique(np.concatenate([np.linspace(0.02, 1, 99), [threshold]]))

    def alarming(t: float) -> float:
        return 100 * float((unseen < t).mean()) if len(unseen) else 0.0

    alarms = [alarming(t) for t in lines]
    rates = [100 * float((samples < t).mean()) for t in lines]
    begin = max(int(np.searchsorted(alarms, TICKS[0])) - 1, 0)
    line(figure, np.maximum(alarms, TICKS[0])[begin:], rates[begin:], rgba(color, 0.5))
    points = [p for p in copies.operating if p.rate is not None and p.ci95]
    line(
        figure,
        [max(alarming(p.threshold), TICKS[0]) for p in points],
        [100 * p.rate for p in points if p.rate is not None],
        color,
        width=0,
        marker={"size": 9},
        ends=[percents(p.ci95) for p in points if p.ci95],
        text=[f"{100 * p.false_alarms:g}" for p in points],
        hover="%{y:.1f} % copies at %{x:.1f} % false alarms: the rule for %{text} %",
    )
    here = int(np.abs(lines - threshold).argmin())
    at = max(alarms[here], TICKS[0]), rates[here]
    ring = {"size": 20, "color": "rgba(0,0,0,0)", "line": {"width": 3, "color": text_color()}}
    line(figure, [at[0]], [at[1]], color, marker=ring)
    write(figure, "your line", text_color(), x=np.log10(at[0]), y=at[1], xanchor="left", xshift=14)
    figure.update_xaxes(
        title_text="false alarms, % of unseen images",
        **log_axis(TICKS),
        range=[np.log10(0.08), np.log10(12)],
    )
    figure.update_yaxes(title_text="copies, %", range=[0, 104])
    return finish(whole(figure), 340)


@drawn_once
def histogram(
    samples: NDArray[np.float32],
    unseen: NDArray[np.float32],
    threshold: float,
    arm: str,
    below: str,
) -> go.Figure:
    """Ratios of samples above the axis and of images that are no copies, which are named, below it,
    the line through both.
    """
    edges = np.linspace(0, 1, BINS + 1)
    middle, figure = (edges[:-1] + edges[1:]) / 2, go.Figure()
    for values, sign, tone, name in (
        (samples, 1, arm_color(arm), "generated"),
        (unseen, -1, NEUTRAL, below),
    ):
        share = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        figure.add_bar(
            x=middle,
            y=sign * share,
            width=0.92 / BINS,
            marker={"color": tone, "opacity": np.where(middle < threshold, 1, 0.5)},
            customdata=share,
            hovertemplate=f"{name}: %{{customdata:.1f}} % at %{{x:.2f}}<extra></extra>",
        )
        edge: dict[str, Any] = {"xref": "paper", "yref": "paper", "xanchor": "left"}
        edge |= {"y": 1, "yanchor": "top"} if sign > 0 else {"y": 0, "yanchor": "bottom"}
        write(figure, name, tone, x=0.38, size=15, **edge)
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    upright(figure, threshold)
    place = {"yref": "paper", "y": 1, "xanchor": "right", "yanchor": "bottom"}
    write(figure, "copies ", text_color(), x=threshold, **place)
    figure.update_xaxes(title_text="ratio", range=[0, 1])
    figure.update_yaxes(title_text="% of images", tickformat="~s")
    return finish(figure, 380, top=28, barmode="overlay", bargap=0)
