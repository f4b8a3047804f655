"""What words do: how far they move the sampling, and what is paid for pictures that obey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ui.charts import drawn_once, finish, line, percents, rgba, text_color, whole, write
from ui.pictures import NEUTRAL, arm_color

Scores = NDArray[np.float64]
DASHES = {"training": "solid", "held-out": "dash", "recombined": "dot"}


@drawn_once
def needle(
    arms: Sequence[str], known: Sequence[tuple[Scores, Scores]], here: Sequence[float]
) -> go.Figure:
    """Where a prompt stands among captions that were learned (filled) and unseen ones (hollow).

    Args:
        arms: of the runs, one line each from top to bottom.
        known: by run, the scores of learned and of unseen captions.
        here: the score of the prompt at hand, by run.
    """
    figure, rng = go.Figure(), np.random.default_rng(0)
    for row, (arm, both, score) in enumerate(zip(arms, known, here, strict=True)):
        color, middle = arm_color(arm), -float(row)
        for scores, side, fill in zip(both, (1, -1), (color, "rgba(0,0,0,0)"), strict=True):
            said = "a caption it learned" if side > 0 else "a caption it never saw"
            dot = {"size": 6, "color": fill, "opacity": 0.7, "line": {"width": 1, "color": color}}
            height = middle + side * (0.06 + 0.26 * rng.random(len(scores)))
            hover = f"{said}: %{{x:.2f}}"
            line(figure, scores, height, "rgba(0,0,0,0)", marker=dot, hover=hover)
        ends = {"x0": score, "x1": score, "y0": middle - 0.38, "y1": middle + 0.38}
        figure.add_shape(type="line", line={"color": text_color(), "width": 3}, **ends)
        write(figure, arm, color, x=0, xref="paper", y=middle + 0.42, xanchor="left")
    figure.update_xaxes(title_text="how far the words move the first steps", rangemode="tozero")
    sides = [0.5 - len(arms), 0.55]
    figure.update_yaxes(range=sides, showticklabels=False, showgrid=False, zeroline=False)
    return finish(whole(figure), 110 + 110 * len(arms))


@drawn_once
def obedience(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """How often a probe finds the prompt in the picture, against copies; a line joins guidances.

    Args:
        rows: with run's `arm`, `kind`, `guidance`, `copies`, `copies_ci95`, `precision_rate`,
            `precision_ci95`.
    """
    figure = go.Figure()
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for kind, dash in DASHES.items():
            path = [r for r in rows if (r["arm"], r["kind"]) == (arm, kind) and r["precision_rate"]]
            if not path:
                continue
            color = arm_color(arm)
            line(
                figure,
                [100 * r["copies"] for r in path],
                [100 * r["precision_rate"] for r in path],
                rgba(color, 0.75),
                dash=dash,
                marker={"size": [6 + 2.5 * r["guidance"] for r in path], "color": color},
                ends=[percents(r["precision_ci95"]) for r in path],
                customdata=[f"{kind} captions, {arm}, loudness {r['guidance']:g}" for r in path],
                hover="%{customdata}: %{x:.0f} % copies, %{y:.0f} % show the words",
            )
            last = path[-1]
            place = {"x": 100 * last["copies"], "y": 100 * last["precision_rate"]}
            write(figure, kind, color, xanchor="left", xshift=12, size=12, **place)
    ceilings = [r["precision_ceiling"] for r in rows if r["precision_ceiling"]]
    if ceilings:
        top = 100 * max(ceilings)
        figure.add_hline(y=top, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
        write(figure, "real pictures", NEUTRAL, x=0, xref="paper", y=top, xanchor="left", size=12)
    figure.update_xaxes(title_text="copies, %", range=[-2, 104])
    figure.update_yaxes(title_text="show what was asked, %", rangemode="tozero")
    return finish(whole(figure), 380)
