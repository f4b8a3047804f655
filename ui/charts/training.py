"""Against the training step: loss, copies, errors on training and unseen images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.charts import (
    Rows,
    drawn_once,
    finish,
    label,
    line,
    log_axis,
    percents,
    rgba,
    whole,
    write,
)
from ui.pictures import NEUTRAL, arm_color

KINDS = {"heldout": ("dot", "unseen"), "train": ("solid", "training")}  # line and name
ROOM = 0.4  # right of the lines, as a share of their width: what names need on a phone
NEAR_ENDS = 0.12  # ends of lines that are closer, as a share of the figure, have names that overlap
NEAR = 1.3  # errors closer than this factor have labels that overlap


@drawn_once
def loss(lines: Rows, arm: str, steps: int) -> go.Figure:
    """Training loss, raw and smoothed, to the run's last step."""
    color, figure = arm_color(arm), go.Figure()
    x, y = [m["step"] for m in lines], np.array([m["loss"] for m in lines])
    if len(y) <= 5:  # a single point would be no line
        line(figure, x, y, color, width=1, marker={"size": 6}, hover="%{y}")
    else:
        weights = np.ones(min(15, len(y) // 6 * 2 + 1))  # a third of a short run at most
        smooth = np.convolve(y, weights, "same") / np.convolve(np.ones_like(y), weights, "same")
        line(figure, x, y, rgba(color, 0.3), width=1)
        line(figure, x, smooth, color, hover="step %{x:,}: %{y:.4f}")
    figure.update_xaxes(title_text="training step", range=[0, 1.02 * steps])
    figure.update_yaxes(title_text="loss", **log_axis([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]))
    return finish(figure, 230)


@drawn_once
def copies_and_errors(stages: Mapping[str, Rows], errors: Mapping[str, Rows]) -> go.Figure:
    """Copied share above, errors below, of up to two runs over one axis of steps.

    Args:
        stages, errors: rows of a run's stages, by arm.
    """
    count = 2 if any(errors.values()) else 1
    figure = make_subplots(rows=count, cols=1, shared_xaxes=True, vertical_spacing=0.09)
    end = max(rows[-1]["step"] for rows in stages.values())
    for arm, rows in stages.items():
        _copies(figure, rows, arm, row=1, col=1)
        _name_end(figure, rows[-1], "rate", arm, arm_color(arm))
    _false_alarms(figure, next(iter(stages.values())))
    for arm, rows in errors.items():
        for kind, (dash, text) in KINDS.items():
            _error(figure, rows, arm, kind, dash, text)
    _name_errors(figure, errors)
    figure.update_xaxes(range=[0, 1.42 * end], tickvals=_ticks(end), tickformat=",")
    figure.update_xaxes(title_text="training step", row=count, col=1)
    figure.update_yaxes(title_text="copies, %", rangemode="tozero", row=1, col=1)
    if count == 2:
        axis = log_axis([0.02, 0.05, 0.1, 0.2, 0.5, 1])
        figure.update_yaxes(title_text="error", **axis, row=2, col=1)
    return finish(whole(figure), 560 if count == 2 else 300, top=24)


def _ticks(end: int) -> list[float]:
    """About four round steps up to the end."""
    size = 10 ** math.floor(math.log10(end / 4))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= end / 4)
    return [i * step for i in range(end // step + 1)]


def _copies(figure: go.Figure, rows: Rows, arm: str, **place: Any) -> None:
    line(
        figure,
        [r["step"] for r in rows],
        [100 * r["rate"] for r in rows],
        arm_color(arm),
        marker={"size": 8, "symbol": _symbol(arm)},
        ends=[percents(r["ci95"]) for r in rows],
        hover=f"{arm}, step %{{x:,}}: %{{y:.1f}} % copies",
        **place,
    )


def _symbol(arm: str) -> str:
    return "diamond" if arm == "standard" else "circle"


def _name_end(figure: go.Figure, last: Mapping[str, float], of: str, text: str, color: str) -> None:
    label(figure, last["step"], 100 * last[of], text, color, xshift=10, yanchor="middle")


def _false_alarms(figure: go.Figure, rows: Rows) -> None:
    line(
        figure,
        [r["step"] for r in rows],
        [100 * r["heldout_rate"] for r in rows],
        NEUTRAL,
        width=2,
        dash="dot",
        hover="unseen images, step %{x:,}: %{y:.1f} % called copies",
        row=1,
        col=1,
    )
    _name_end(figure, rows[-1], "heldout_rate", "unseen", NEUTRAL)


def _error(figure: go.Figure, rows: Rows, arm: str, kind: str, dash: str, text: str) -> None:
    if not rows:
        return
    of = f"loss_{kind}"
    line(
        figure,
        [r["step"] for r in rows],
        [r[of] for r in rows],
        arm_color(arm),
        width=2,
        dash=dash,
        marker={"size": 6, "symbol": _symbol(arm)},
        ends=[r[f"{of}_ci95"] for r in rows],
        hover=f"{arm}, {text} images, step %{{x:,}}: %{{y:.3g}}",
        row=2,
        col=1,
    )


def _name_errors(figure: go.Figure, errors: Mapping[str, Rows]) -> None:
    """A label at the end of every error line; labels that would overlap move apart."""
    ends = [
        (rows[-1][f"loss_{kind}"], rows[-1]["step"], arm_color(arm), text)
        for arm, rows in errors.items()
        if rows
        for kind, (_, text) in KINDS.items()
    ]
    ends.sort()
    for i, (value, step, color, text) in enumerate(ends):
        below = i > 0 and value < NEAR * ends[i - 1][0]
        above = i + 1 < len(ends) and ends[i + 1][0] < NEAR * value
        place = {"xanchor": "left", "xshift": 10, "yshift": 9 * (below - above)}
        write(figure, text, color, x=step, y=math.log10(value), row=2, col=1, **place)


@drawn_once
def copies_along(lines: Sequence[tuple[str, str, Rows, bool]]) -> go.Figure:
    """Copied share of runs against their training step.

    Args:
        lines: arm and name of each run, rows of its stages, and whether it is at hand: thick.
    """
    figure = go.Figure()
    top = max(100 * r["rate"] for _, _, rows, _ in lines for r in rows)
    ends = [100 * rows[-1]["rate"] for _, _, rows, _ in lines]
    for arm, text, rows, on in lines:
        line(
            figure,
            [r["step"] for r in rows],
            [100 * r["rate"] for r in rows],
            rgba(arm_color(arm), 1 if on else 0.45),
            width=4 if on else 2,
            marker={"size": 9 if on else 5},
            hover=f"{text}, step %{{x:,}}: %{{y:.1f}} % copies",
        )
        _name_run(figure, arm, text, rows[-1], on, top, ends)
    reach = [math.log10(r[i]["step"]) for _, _, r, _ in lines for i in (0, -1)]
    ticks = [100, 300, 1000, 3000, 10000, 30000]
    figure.update_xaxes(
        title_text="training step",
        range=[min(reach) - 0.05, max(reach) + ROOM * (max(reach) - min(reach))],
        **log_axis(ticks, [f"{t:,}" for t in ticks]),
    )
    figure.update_yaxes(title_text="copies, %", range=[-0.1 * top, 1.08 * top])
    return finish(figure, 420)


def _name_run(
    figure: go.Figure,
    arm: str,
    text: str,
    last: Mapping[str, float],
    on: bool,
    top: float,
    ends: Sequence[float],
) -> None:
    """A run's name at its end; names that would lie on one another move apart."""
    rate = 100 * last["rate"]
    text = text.replace(", ", ",<br>")  # there is little room on a phone
    text = f"<b>{text}</b>" if on else text
    place: dict[str, object] = {"xanchor": "left", "align": "left", "xshift": 10}
    near = [end - rate for end in ends if end != rate and abs(end - rate) < NEAR_ENDS * top]
    if near:
        place["yanchor"] = "bottom" if near[0] < 0 else "top"
    if rate < 3:  # others rise above where it ends
        place = {"xanchor": "right", "yshift": -13}
    write(figure, text, arm_color(arm), x=math.log10(last["step"]), y=rate, **place)
