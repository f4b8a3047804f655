"""Where samples and unseen images lie by a rule for copies."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.charts import drawn_once, finish, text_color, upright, write
from ui.pictures import NEUTRAL, arm_color

BINS = 40
AXES = {"ratio": "d1/d2", "similarity": "similarity to the nearest training image"}


@drawn_once
def histogram(
    samples: NDArray[np.float32],
    unseen: NDArray[np.float32] | None,
    threshold: float,
    rule: str,
    arm: str,
    below: str = "unseen real images",
) -> go.Figure:
    """Scores of samples above the axis and of unseen images below it, the threshold through both.

    Args:
        below: what the images below the axis are.
        rule: `ratio`, of which small ones are copies, or `similarity`, of which large ones are.
    """
    ratio = rule == "ratio"
    low = 0.0 if ratio else _floor(samples, unseen)
    edges = np.linspace(low, 1, BINS + 1)
    middle, color = (edges[:-1] + edges[1:]) / 2, arm_color(arm)
    beyond = middle < threshold if ratio else middle > threshold
    figure = go.Figure()
    kinds = [(samples, 1, color, "generated")]
    kinds += [(unseen, -1, NEUTRAL, below)] if unseen is not None else []
    for values, sign, tone, name in kinds:
        share = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        figure.add_bar(
            x=middle,
            y=sign * share,
            width=0.92 * (edges[1] - edges[0]),
            marker={"color": tone, "opacity": np.where(beyond, 1, 0.5)},
            customdata=share,
            hovertemplate=f"{name}: %{{customdata:.1f}} % at %{{x:.3f}}<extra></extra>",
        )
        _text(figure, 0.38 if ratio else 0.02, sign, name, tone)
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    upright(figure, threshold)
    side = {"xanchor": "right" if ratio else "left", "yanchor": "bottom"}
    word = "copies " if ratio else " copies"
    write(figure, word, text_color(), x=threshold, y=1, yref="paper", **side)
    figure.update_xaxes(title_text=AXES[rule], range=[low, 1])
    top = max(float(np.abs(bar.y).max()) for bar in figure.data)
    ticks = _ticks(top)
    figure.update_yaxes(title_text="% of images", tickvals=ticks, ticktext=[abs(t) for t in ticks])
    return finish(figure, 420, top=28, barmode="overlay", bargap=0)


def _ticks(top: float) -> list[int]:
    """Round shares on both sides of the axis, about four up to the largest."""
    step = next((s for s in (1, 2, 5, 10, 20) if 4.5 * s >= top), 25)
    most = int(top // step)
    return [step * k for k in range(-most, most + 1)]


def _floor(samples: NDArray[np.float32], unseen: NDArray[np.float32] | None) -> float:
    """Where the axis of similarities begins: at the lowest tenth that all lie above."""
    lowest = min([float(x.min()) for x in (samples, unseen) if x is not None and len(x)], default=0)
    return max(-1.0, np.floor(10 * lowest) / 10)


def _text(figure: go.Figure, x: float, side: int, text: str, tone: str) -> None:
    """A label at the upper (1) or lower (-1) edge."""
    anchors = {"xanchor": "left", "yanchor": "top" if side > 0 else "bottom"}
    place = {"x": x, "y": (side + 1) / 2, "xref": "paper", "yref": "paper", **anchors}
    write(figure, text, tone, size=15, **place)
