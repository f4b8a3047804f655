"""Quality against copies, copies against the cutoff, copies against the switch of a splice."""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
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
from ui.cutoffs import Field, Point, stopped_early
from ui.pictures import COOL, NEUTRAL, WARM, arm_color

_NEVER = 0.06  # where "no cutoff" stands on a log axis, left of every cutoff
_ROOM = 0.35  # right of all points, as a share of their spread: what names need


@drawn_once
def quality_against_copies(field: Field, measure: str, selected: str) -> go.Figure:
    """Every way of training as a path over its stages, a mark at its end; left and down is better.

    The path at hand, by its label, is thick, with intervals at its end.
    """
    figure = go.Figure()
    for label, path in field.paths.items():
        on = label in ("no cutoff", selected)
        color = arm_color(path[-1].arm)
        line(
            figure,
            [p.distance for p in path],
            [100 * p.rate for p in path],
            rgba(color, 0.8 if on else 0.3),
            width=3 if on else 1.5,
            marker={"size": [6] * (len(path) - 1) + [14], "color": rgba(color, 1 if on else 0.5)},
            customdata=[f"{label}, step {p.step:,}" for p in path],
            hover="%{customdata}: %{y:.1f} % copies at %{x:.3g}",
        )
        if on:
            _whiskers(figure, path[-1], color)
    for point in field.ends:
        _name(figure, point, field.ends, point.label == selected)
    for point in _telling(field, selected):
        place = {"xanchor": "left", "yanchor": "bottom", "xshift": 5, "yshift": 3, "size": 12}
        write(figure, f"{point.step:,}", WARM, x=point.distance, y=100 * point.rate, **place)
    every = [p.distance for path in field.paths.values() for p in path]
    reach = max(max(every) - min(every), 0.05 * max(every))
    figure.update_xaxes(
        title_text=f"{measure} (left is better)",
        range=[min(every) - 0.1 * reach, max(every) + _ROOM * reach],
    )
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(whole(figure), 380)


def _telling(field: Field, selected: str) -> list[Point]:
    """The stages without a cutoff that are named: the first, and the rival of the path at hand."""
    rival = stopped_early(field, selected)
    return [*field.paths.get("no cutoff", [])[:-1][:1], *([rival] if rival else [])]


def _whiskers(figure: go.Figure, p: Point, color: str) -> None:
    """The intervals at the end of a path."""
    across = {}
    if not math.isnan(p.near):
        across = {"error_x": whiskers([p.distance], [(p.near, p.far)], color, 1)}
    figure.add_scatter(
        x=[p.distance],
        y=[100 * p.rate],
        mode="markers",
        marker={"size": 1, "color": color},
        error_y=whiskers([100 * p.rate], [percents((p.low, p.high))], color, 2),
        hoverinfo="skip",
        **across,
    )


def _name(figure: go.Figure, p: Point, others: Sequence[Point], on: bool) -> None:
    """The label of an end, on the side where no other end is near."""
    beside = [q for q in others if q is not p and abs(q.rate - p.rate) < 0.05]
    right = min((q.distance - p.distance for q in beside if q.distance >= p.distance), default=1)
    left = min((p.distance - q.distance for q in beside if q.distance < p.distance), default=1)
    side, shift = ("left", 12) if right >= left else ("right", -12)
    text = f"<b>{p.label}</b>" if on else p.label
    place = {"xanchor": side, "xshift": shift, "size": 15 if on else 13}
    write(figure, text, arm_color(p.arm), x=p.distance, y=100 * p.rate, **place)


@drawn_once
def copies_against_cutoff(field: Field, suggested: float | None, selected: float) -> go.Figure:
    """Copied share at every stored cutoff, none at the left edge; other ways of training beside."""
    figure = go.Figure()
    joined = [p for p in field.ends if p.label == "no cutoff" or p.label.startswith("cutoff")]
    joined = sorted((p for p in joined if "+" not in p.label), key=lambda p: p.cutoff)
    x = [p.cutoff or _NEVER for p in joined]
    line(
        figure,
        x,
        [100 * p.rate for p in joined],
        rgba(COOL, 0.7),
        marker={
            "size": [18 if p.cutoff == selected else 10 for p in joined],
            "color": [arm_color(p.arm) for p in joined],
        },
        ends=[percents((p.low, p.high)) for p in joined],
        customdata=[p.label for p in joined],
        hover="%{customdata}: %{y:.1f} % copies",
    )
    for p in (p for p in field.ends if p not in joined):
        at, rate = (p.cutoff or _NEVER) * 1.15, 100 * p.rate
        line(figure, [at], [rate], NEUTRAL, marker={"size": 9}, hover=f"{p.label}: %{{y:.1f}} %")
        write(figure, p.label, NEUTRAL, x=math.log10(at), y=rate, xanchor="left", xshift=8, size=12)
    if suggested:
        upright(figure, suggested, dash="dot")
        place = {"yref": "paper", "yanchor": "top", "xanchor": "left", "xshift": 6, "size": 13}
        write(figure, "suggested", NEUTRAL, x=math.log10(suggested), y=1, **place)
    names = ["none", *(f"{p.cutoff:g}" for p in joined if p.cutoff)]
    figure.update_xaxes(
        title_text="cutoff (noise level)",
        **log_axis(x, names),
        range=[math.log10(_NEVER) - 0.15, math.log10(max(x)) + 0.25],
    )
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return finish(whole(figure), 340)


@drawn_once
def copies_against_switch(
    rows: Sequence[Mapping[str, Any]], names: tuple[str, str], cutoff: float, switch: float
) -> go.Figure:
    """Copies of two spliced runs (results/surgery.json) by the level at which one takes over.

    Under them a bar each: who works where, the standard run being the first.
    """
    figure, standard = go.Figure(), names[0]
    switches = sorted({row["switch"] for row in rows if row["switch"]})
    top = 100 * max(row["ci95"][1] for row in rows)
    low, high = switches[0] / 1.4, switches[-1] * 1.4
    for k, (below, color, other) in enumerate(((standard, WARM, COOL), (names[1], COOL, WARM))):
        spliced = sorted(
            (r for r in rows if r["switch"] and r["below"] == below), key=itemgetter("switch")
        )
        rates = {r["switch"]: 100 * r["copies"] for r in spliced}
        line(
            figure,
            list(rates),
            list(rates.values()),
            color,
            marker={"size": [16 if s == switch else 8 for s in rates]},
            ends=[percents(r["ci95"]) for r in spliced],
            hover="switch %{x:g}: %{y:.1f} % copies",
        )
        text = "no cutoff<br>below" if below == standard else f"cutoff {cutoff:g}<br>below"
        place = {"xanchor": "left", "xshift": 8, "size": 13, "align": "left"}
        write(figure, text, color, x=math.log10(switches[-1]), y=[*rates.values()][-1], **place)
        y = -top * (0.12 + 0.13 * k)
        for tone, ends in ((color, (low, switch)), (other, (switch, high))):
            place = {"x0": ends[0], "x1": ends[1], "y0": y, "y1": y + 0.09 * top}
            figure.add_shape(type="rect", fillcolor=tone, line={"width": 0}, **place)
        bold = f"<b>{rates[switch]:.0f} %</b>"
        place = {"xanchor": "left", "xshift": 8}
        write(figure, bold, color, x=math.log10(high), y=y + 0.045 * top, **place)
    upright(figure, switch, text_color(), "solid")
    figure.update_xaxes(
        title_text="noise level of the switch",
        **log_axis(switches),
        range=[math.log10(low), math.log10(high) + 0.55],
    )
    ticks = list(range(0, int(top) + 1, 20 if top > 40 else 10))
    figure.update_yaxes(title_text="copies, %", range=[-0.28 * top, top], tickvals=ticks)
    return finish(whole(figure), 420)
