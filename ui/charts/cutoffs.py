"""Quality against copies, copies against the cutoff, copies against the switch of a splice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui.charts import (
    drawn_once,
    finish,
    line,
    log_axis,
    percents,
    rgba,
    text_color,
    upright,
    whiskers,
    whole,
    write,
)
from ui.cutoffs import Field, Point
from ui.pictures import COOL, NEUTRAL, WARM, arm_color

_SHAPES = {"standard": "diamond", "ambient": "circle", "fresh": "square", "reweight": "x"}
_NEVER = 0.06  # where "no cutoff" stands on a log axis, left of every cutoff
_BESIDE = {"fresh": 1.12, "reweight": 1.25}  # times the cutoff, where a control stands


@drawn_once
def quality_against_copies(
    field: Field, measure: str, selected: str, small: bool = False
) -> go.Figure:
    """Every way of training at its end, with its stages as a thin line; left and down is better.

    Args:
        measure: what the distances are, for the axis.
        selected: the `Point.name` to ring.
        small: names only the ringed one and ordinary training, and no stages.
    """
    figure, named = go.Figure(), ("standard-0", selected)
    for name, stages in field.paths.items():
        color, shown = arm_color(stages[0].arm), name in named
        line(
            figure,
            [p.distance for p in stages],
            [100 * p.rate for p in stages],
            rgba(color, 0.6 if shown else 0.2),
            width=2 if shown else 1,
            marker={"size": 5, "color": rgba(color, 1 if shown else 0.35)},
            customdata=[f"{p.label}, step {p.step:,}" for p in stages],
            hover="%{customdata}: %{y:.1f} % copies at %{x:.3g}",
        )
    for point in field.ends:
        others = [p for p in field.ends if p is not point]
        _end(figure, point, point.name == selected)
        if not small or point.name in named:
            _name(figure, point, others, point.name == selected)
    if not small:
        _name_steps(figure, field.paths.get("standard-0", []))
    figure.update_xaxes(title_text=f"{measure} (left is better)")
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    near = [p.distance for path in [field.ends, *field.paths.values()] for p in path]
    if near:
        reach = max(max(near) - min(near), 0.05 * max(near))
        figure.update_xaxes(range=[min(near) - 0.05 * reach, max(near) + 0.35 * reach])
    return finish(whole(figure), 480)


def _name(figure: go.Figure, p: Point, others: Sequence[Point], on: bool) -> None:
    """The label of a point, on the side where no other one's interval is near."""
    beside = [q for q in others if q.low - 0.02 <= p.rate <= q.high + 0.02]
    right = min((q.distance - p.distance for q in beside if q.distance >= p.distance), default=1)
    left = min((p.distance - q.distance for q in beside if q.distance < p.distance), default=1)
    side, shift = ("left", 14) if right >= left else ("right", -14)
    text = f"<b>{p.label}</b>" if on else p.label
    place = {"xanchor": side, "xshift": shift, "yshift": 0}
    _write(figure, p.distance, 100 * p.rate, text, arm_color(p.arm), size=15 if on else 13, **place)


def _name_steps(figure: go.Figure, path: Sequence[Point]) -> None:
    """The steps of a path but its last, each away from its nearest neighbor on the path."""
    for k, p in enumerate(path[:-1]):
        beside = [path[k + 1], *path[max(k - 1, 0) : k]]
        nearest = min(beside, key=lambda q: abs(q.distance - p.distance))
        free = nearest.distance <= p.distance
        place = {"xanchor": "left", "xshift": 5} if free else {"xanchor": "right", "xshift": -5}
        _write(figure, p.distance, 100 * p.rate, f"{p.step:,}", WARM, size=12, yshift=0, **place)


def _end(figure: go.Figure, p: Point, on: bool) -> None:
    """A point with its interval; that of the distance only where it is told apart from others."""
    distance, across = f", distance {p.distance:.3g}", {}
    if not math.isnan(p.near):
        distance += f" ({p.near:.3g} to {p.far:.3g})"
        if on:
            ends = whiskers([p.distance], [(p.near, p.far)], arm_color(p.arm), 1)
            across = {"error_x": ends}
    opacity = 1 if on or p.arm == "standard" else 0.75
    _point(figure, p, p.distance, on, 20, 2 if on else 1, distance, opacity=opacity, **across)


def _point(
    figure: go.Figure,
    p: Point,
    x: float,
    on: bool,
    large: int,
    thickness: float,
    more: str = "",
    **how: Any,
) -> None:
    """A way of training at a place of the x axis: large and ringed where it is at hand (`on`)."""
    color, rate = arm_color(p.arm), 100 * p.rate
    figure.add_scatter(
        x=[x],
        y=[rate],
        mode="markers",
        error_y=whiskers([rate], [percents((p.low, p.high))], color, thickness),
        marker={
            "color": color,
            "size": large if on else 12,
            "symbol": _SHAPES.get(p.arm, "triangle-up"),
            "line": {"width": 4 if on else 0, "color": text_color()},
        },
        hovertemplate=f"{p.label}: {rate:.1f} % copies ({100 * p.low:.1f} to {100 * p.high:.1f})"
        f"{more}<extra></extra>",
        **how,
    )


def _write(figure: go.Figure, x: float, y: float, text: str, color: str, **place: Any) -> None:
    place = {"xanchor": "left", "xshift": 12, "yshift": 10, "size": 13, **place}
    write(figure, text, color, x=x, y=y, **place)


@drawn_once
def copies_against_cutoff(
    field: Field, suggested: float | None, selected: float, small: bool = False
) -> go.Figure:
    """Copied share at every stored cutoff; without one at the left edge; controls beside.

    Args:
        small: leaves the controls without their names.
    """
    figure = go.Figure()
    ambient = sorted((p for p in field.ends if p.arm == "ambient"), key=lambda p: p.cutoff)
    standard = [p for p in field.ends if p.arm == "standard"]
    joined = [*standard, *ambient]
    x, y = [p.cutoff or _NEVER for p in joined], [100 * p.rate for p in joined]
    line(figure, x, y, rgba(COOL, 0.5))
    for p in field.ends:
        on = p.arm in ("ambient", "standard") and p.cutoff == selected
        at = (p.cutoff or _NEVER) * _BESIDE.get(p.arm, 1)
        _point(figure, p, at, on, 18, 2)
        if p.arm in _BESIDE and not small:
            _write(figure, math.log10(at), 100 * p.rate, p.arm, arm_color(p.arm), yshift=0)
    if suggested:
        upright(figure, suggested, dash="dot")
        place = {"yref": "paper", "xshift": 6, "yshift": -8, "yanchor": "top"}
        _write(figure, math.log10(suggested), 1, "suggested", NEUTRAL, **place)
    ticks = [_NEVER, *(p.cutoff for p in ambient)]
    names = ["none", *(f"{p.cutoff:g}" for p in ambient)]
    figure.update_xaxes(
        title_text="cutoff (noise level)",
        **log_axis(ticks, names),
        range=[math.log10(_NEVER) - 0.15, math.log10(max(ticks)) + 0.25],
    )
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(whole(figure), 380)


@drawn_once
def copies_against_switch(
    rows: Sequence[Mapping[str, Any]], names: tuple[str, str], cutoff: float, switch: float
) -> go.Figure:
    """Copies of two spliced runs against the noise level at which one hands over to the other.

    Args:
        rows: of assets/results/surgery.json.
        names: the standard and the ambient run.
    """
    figure = go.Figure()
    standard, ambient = names
    for below, color, text in (
        (standard, WARM, "standard below"),
        (ambient, COOL, "ambient below"),
    ):
        spliced = sorted((r for r in rows if r["switch"] and r["below"] == below), key=_switch)
        rates = [100 * r["copies"] for r in spliced]
        line(
            figure,
            [r["switch"] for r in spliced],
            rates,
            color,
            marker={
                "size": [16 if r["switch"] == switch else 8 for r in spliced],
                "symbol": "diamond" if below == standard else "circle",
            },
            ends=[percents(r["ci95"]) for r in spliced],
            hover=f"{text} the switch %{{x:g}}: %{{y:.1f}} % copies",
        )
        last = spliced[-1]
        place = {"align": "left", "yshift": 0}
        words = text.replace(" ", "<br>")  # there is little room on a phone
        _write(figure, math.log10(last["switch"]), rates[-1], words, color, size=15, **place)
    for run, color in ((standard, WARM), (ambient, COOL)):
        for r in (r for r in rows if r["switch"] is None and r["below"] == run):
            line_of = {"color": rgba(color, 0.6), "width": 1, "dash": "dot"}
            figure.add_hline(y=100 * r["copies"], line=line_of)
    upright(figure, cutoff, COOL)
    place = {"yref": "paper", "xshift": 6, "yshift": 0, "yanchor": "bottom"}
    _write(figure, math.log10(cutoff), 0, f"cutoff {cutoff:g}", COOL, **place)
    switches = sorted({r["switch"] for r in rows if r["switch"]})
    figure.update_xaxes(
        title_text="switch (noise level)",
        **log_axis(switches),
        range=[math.log10(switches[0]) - 0.12, math.log10(switches[-1]) + 0.7],
    )
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(whole(figure), 380)


def _switch(row: Mapping[str, Any]) -> float:
    return float(row["switch"])
