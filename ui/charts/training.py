"""Against the training step: loss, errors on training and unseen images, copies."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.charts import Rows, drawn_once, finish, ink, line, log_axis, rgba, upright, whole, write
from ui.pictures import arm_color

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
def errors_along(errors: Mapping[str, Rows], onsets: Mapping[str, int]) -> go.Figure:
    """Errors on training and unseen images of up to two runs, by arm, against their training step.

    The onset is the step at which copying sets in; 0 where it never does.
    """
    figure, ends = go.Figure(), []
    for arm, rows in errors.items():
        steps, color = [r["step"] for r in rows], arm_color(arm)
        for kind, (dash, text) in KINDS.items():
            values = [r[f"loss_{kind}"] for r in rows]
            line(
                figure,
                steps,
                values,
                color,
                width=2,
                dash=dash,
                marker={"size": 6, "symbol": "diamond" if arm == "standard" else "circle"},
                ends=[r[f"loss_{kind}_ci95"] for r in rows],
                hover=f"{arm}, {text} images, step %{{x:,}}: %{{y:.3g}}",
            )
            ends.append((values[-1], steps[-1], color, text))
        if first := onsets[arm]:
            upright(figure, first, ink(color))
            place = {"yref": "paper", "xanchor": "left", "xshift": 6, "size": 13}
            write(figure, "copies begin", color, x=first, y=1, **place)
    _name_errors(figure, sorted(ends))
    end = max(step for _, step, *_ in ends)
    figure.update_xaxes(title_text="training step", range=[0, 1.42 * end], tickformat=",")
    figure.update_yaxes(title_text="error", **log_axis([0.02, 0.05, 0.1, 0.2, 0.5, 1]))
    return finish(whole(figure), 320, top=24)


def _name_errors(figure: go.Figure, ends: Sequence[tuple[float, int, str, str]]) -> None:
    """A label at the end of every error line; labels that would overlap move apart."""
    for i, (value, step, color, text) in enumerate(ends):
        below = i > 0 and value < NEAR * ends[i - 1][0]
        above = i + 1 < len(ends) and ends[i + 1][0] < NEAR * value
        place = {"xanchor": "left", "xshift": 10, "yshift": 9 * (below - above)}
        write(figure, text, color, x=step, y=math.log10(value), **place)


@drawn_once
def copies_along(lines: Sequence[tuple[str, str, Rows, bool]]) -> go.Figure:
    """Copied share of runs against their training step.

    Each has an arm, a name, rows of its stages, and whether it is at hand: thick.
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
