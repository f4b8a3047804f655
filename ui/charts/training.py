"""Against the training step: loss, copies, errors on training and unseen images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.charts import (
    Rows,
    drawn_once,
    finish,
    ink,
    label,
    percents,
    rgba,
    text_color,
    whiskers,
    whole,
    write,
)
from ui.pictures import NEUTRAL, arm_color

KINDS = {"heldout": ("dot", "unseen"), "train": ("solid", "training")}  # line and name
ROOM = 0.4  # right of the lines, as a share of their width: what names need on a phone
NEAR_ENDS = 0.12  # ends of lines that are closer, as a share of the figure, have names that overlap
NEAR = 1.3  # errors closer than this factor have labels that overlap


@drawn_once
def loss(lines: Rows, arm: str, steps: int, mark: int | None = None) -> go.Figure:
    """Training loss, raw and smoothed, to the run's last step."""
    color = arm_color(arm)
    x, y = [m["step"] for m in lines], np.array([m["loss"] for m in lines])
    figure = go.Figure()
    few = len(y) <= 5  # a single point would be no line
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers" if few else "lines",
        line={"color": color if few else rgba(color, 0.3), "width": 1},
        hoverinfo="y" if few else "skip",
    )
    if not few:
        weights = np.ones(min(15, len(y) // 6 * 2 + 1))  # a third of a short run at most
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


@drawn_once
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
        error_y=whiskers(rate, [percents(p["ci95"]) for p in stages], color),
        hovertemplate="step %{x:,}: %{y:.1f} % copies<extra></extra>",
    )
    if mark:
        figure.add_vline(x=mark, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    figure.update_xaxes(range=[0, 1.02 * steps])
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(whole(figure), 230)


@drawn_once
def copies_and_errors(
    stages: Mapping[str, Rows], errors: Mapping[str, Rows], mark: int, guess: int | None = None
) -> go.Figure:
    """Copied share above, errors below, of up to two runs over one axis of steps.

    Args:
        stages, errors: rows of a run's stages, by arm.
        mark: the step the pictures are of. guess: the step a visitor said, if any.
    """
    measured = any(errors.values())
    figure = make_subplots(
        rows=2 if measured else 1, cols=1, shared_xaxes=True, vertical_spacing=0.09
    )
    end = max(rows[-1]["step"] for rows in stages.values())
    for arm, rows in stages.items():
        _copies(figure, rows, arm)
    _baseline(figure, next(iter(stages.values())))
    for arm, rows in errors.items():
        for kind, (dash, text) in KINDS.items():
            _error(figure, rows, arm, kind, dash, text)
    _name_errors(figure, errors)
    figure.add_vline(x=mark, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    if guess:
        figure.add_vline(x=guess, line={"color": text_color(), "width": 2, "dash": "dot"})
        place = {"xanchor": "center", "yref": "y domain", "y": 1.0, "yanchor": "bottom"}
        write(figure, "your guess", text_color(), x=guess, **place)
    figure.update_xaxes(range=[0, 1.42 * end], tickvals=_ticks(end), tickformat=",")
    figure.update_xaxes(title_text="training step", row=2 if measured else 1, col=1)
    figure.update_yaxes(title_text="copies, %", rangemode="tozero", row=1, col=1)
    if measured:
        ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1]
        figure.update_yaxes(
            title_text="error", type="log", tickvals=ticks, ticktext=ticks, row=2, col=1
        )
    return finish(whole(figure), 560 if measured else 300, top=24)


def _ticks(end: int) -> list[float]:
    """About four round steps up to the end."""
    size = 10 ** math.floor(math.log10(end / 4))
    step = next(m * size for m in (1, 2, 5, 10) if m * size >= end / 4)
    return [i * step for i in range(end // step + 1)]


def _copies(figure: go.Figure, rows: Rows, arm: str) -> None:
    color, rates = arm_color(arm), [100 * r["rate"] for r in rows]
    figure.add_scatter(
        x=[r["step"] for r in rows],
        y=rates,
        mode="lines+markers",
        line={"color": color, "width": 3},
        marker={"size": 8, "symbol": "diamond" if arm == "standard" else "circle"},
        error_y=whiskers(rates, [percents(r["ci95"]) for r in rows], color),
        hovertemplate=f"{arm}, step %{{x:,}}: %{{y:.1f}} % copies<extra></extra>",
        row=1,
        col=1,
    )
    last = rows[-1]
    label(figure, last["step"], 100 * last["rate"], arm, color, xshift=10, yanchor="middle")


def _baseline(figure: go.Figure, rows: Rows) -> None:
    figure.add_scatter(
        x=[r["step"] for r in rows],
        y=[100 * r["heldout_rate"] for r in rows],
        mode="lines",
        line={"color": NEUTRAL, "width": 2, "dash": "dot"},
        hovertemplate="unseen images, step %{x:,}: %{y:.1f} % called copies<extra></extra>",
        row=1,
        col=1,
    )
    last = rows[-1]
    label(
        figure, last["step"], 100 * last["heldout_rate"], "unseen", NEUTRAL, xshift=10,
        yanchor="middle",
    )  # fmt: skip


def _error(figure: go.Figure, rows: Rows, arm: str, kind: str, dash: str, text: str) -> None:
    if not rows:
        return
    color, of = arm_color(arm), f"loss_{kind}"
    errors = [r[of] for r in rows]
    figure.add_scatter(
        x=[r["step"] for r in rows],
        y=errors,
        mode="lines+markers",
        line={"color": color, "width": 2, "dash": dash},
        marker={"size": 6, "symbol": "diamond" if arm == "standard" else "circle"},
        error_y=whiskers(errors, [r[f"{of}_ci95"] for r in rows], color),
        hovertemplate=f"{arm}, {text} images, step %{{x:,}}: %{{y:.3g}}<extra></extra>",
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
def copies_along(
    lines: Sequence[tuple[str, str, Rows, bool]], mark: int | None = None
) -> go.Figure:
    """Copied share of runs against their training step.

    Args:
        lines: arm and name of each run, rows of its stages, and whether it is at hand: thick.
    """
    figure = go.Figure()
    top = max(100 * r["rate"] for _, _, rows, _ in lines for r in rows)
    last_rates = [100 * rows[-1]["rate"] for _, _, rows, _ in lines]
    for arm, text, rows, on in lines:
        color = arm_color(arm)
        figure.add_scatter(
            x=[r["step"] for r in rows],
            y=[100 * r["rate"] for r in rows],
            mode="lines+markers",
            line={"color": rgba(color, 1 if on else 0.45), "width": 4 if on else 2},
            marker={"size": 9 if on else 5},
            hovertemplate=f"{text}, step %{{x:,}}: %{{y:.1f}} % copies<extra></extra>",
        )
        last = rows[-1]
        text = text.replace(", ", ",<br>")  # there is little room on a phone
        text = f"<b>{text}</b>" if on else text
        place = {"xanchor": "left", "align": "left", "xshift": 10}
        near = [r - 100 * last["rate"] for r in last_rates if r != 100 * last["rate"]]
        near = [gap for gap in near if abs(gap) < NEAR_ENDS * top]
        if near:  # labels that would lie on one another move apart
            place["yanchor"] = "bottom" if near[0] < 0 else "top"
        if last["rate"] < 0.03:  # others rise above where it ends
            place = {"xanchor": "right", "yshift": -13}
        at = {"x": math.log10(last["step"]), "y": 100 * last["rate"]}
        write(figure, text, color, **at, **place)
    if mark:
        figure.add_vline(x=mark, line={"color": ink(NEUTRAL), "width": 2, "dash": "dash"})
    ends = [math.log10(r[i]["step"]) for _, _, r, _ in lines for i in (0, -1)]
    ticks = [100, 300, 1000, 3000, 10000, 30000]
    figure.update_xaxes(
        title_text="training step",
        type="log",
        tickvals=ticks,
        ticktext=[f"{t:,}" for t in ticks],
        range=[min(ends) - 0.05, max(ends) + ROOM * (max(ends) - min(ends))],
    )
    figure.update_yaxes(title_text="copies, %", range=[-0.1 * top, 1.08 * top])
    return finish(figure, 420)
