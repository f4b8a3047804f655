"""Curves by noise level: all in panels on one axis, or the ratio of several networks alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from ambient.diffusion.records import Curves, Level
from ui.charts import (
    band,
    drawn_once,
    finish,
    label,
    line,
    log_axis,
    paper,
    rgba,
    text_color,
    upright,
    write,
)
from ui.pictures import COOL, NEUTRAL, arm_color

TITLES = {  # of the panels from top to bottom, with their shares of the height
    "pictures": ("What the network sees", 0.11),
    "error": ("Its error (mean squared, an element)", 0.25),
    "ratio": ("How many times worse on unseen images", 0.18),
    "returns": ("How many come back from here", 0.17),
    "posterior": ("How much one noisy image gives away", 0.17),
    "visits": ("Training (area) and sampling steps", 0.12),
}
HEIGHT = 1180
TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
X_RANGE = [math.log10(0.0085), math.log10(48)]  # the levels, and those that sampling visits
RETURNS = (("heldout", NEUTRAL, "solid"), ("train", None, "solid"), ("generated", None, "dash"))


def noise_levels(curves: Curves, arm: str, pictures: Mapping[float, Image.Image]) -> go.Figure:
    """Error, ratio, returns, posterior and density against noise level; the cutoff through all.

    Above the curves stands what an image looks like at some levels.
    """
    levels, color = curves.levels, arm_color(arm)
    tested = any(p.return_train is not None for p in levels)
    titles = {k: v for k, v in TITLES.items() if tested or k != "returns"}
    row = {name: k for k, name in enumerate(titles, 1)}
    figure = _panels(titles)
    _bands(figure, levels, color, row)
    _lines(figure, levels, color, row)
    _name_lines(figure, levels, color, row)
    if tested:
        _name_returns(figure, levels, color, row["returns"])
    _place_pictures(figure, pictures)
    _place_steps(figure, curves.sampler_sigmas, levels, row["visits"])
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=row["ratio"])
    if curves.cutoff:
        mark(figure, curves.cutoff, {"color": COOL, "width": 2, "dash": "dash"})
        y, text = max(p.gap_ratio or 1 for p in levels), f" cutoff {curves.cutoff:g}"
        label(figure, curves.cutoff, y, text, COOL, row=row["ratio"], yanchor="top")
    _scale(figure, levels, row)
    height = HEIGHT * sum(share for _, share in titles.values())
    anywhere = {"hovermode": "x unified", "hoverdistance": -1, "clickmode": "event+select"}
    return finish(figure, round(height), top=34, **anywhere)


@drawn_once
def gaps(networks: Sequence[tuple[Curves, str, str]]) -> go.Figure:
    """The ratio alone, of several networks, with its 95 % bands and the cutoffs.

    Each has curves, an arm and a name, which stands at its widest gap.
    """
    figure = go.Figure()
    for k, (curves, arm, name) in enumerate(networks):
        known = [(p.sigma, p.gap_ratio, ends) for p in curves.levels if (ends := p.gap_ratio_ci95)]
        sigmas, ratios, intervals = zip(*known, strict=True)
        color, dash = arm_color(arm), "dot" if k else "solid"
        hover = f"{name} noise level %{{x:.3g}}: %{{y:.3g}} times".strip()
        band(figure, sigmas, intervals, color)
        line(figure, sigmas, ratios, color, dash=dash, hover=hover)
        if curves.cutoff:
            upright(figure, curves.cutoff, COOL)
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    times = [1, 2, 5, 10, 20, 50]
    figure.update_xaxes(title_text="noise level", **log_axis([0.02, 0.1, 0.5, 2, 10]))
    figure.update_yaxes(
        title_text="unseen / training error", **log_axis(times, [f"{t}×" for t in times])
    )
    for curves, arm, name in networks:
        peak = curves.widest_gap
        if name and peak and peak.gap_ratio:
            at = {"x": math.log10(peak.sigma), "y": math.log10(peak.gap_ratio)}
            write(figure, name, arm_color(arm), **at, yanchor="bottom", yshift=4)
    return finish(figure, 380)


def mark(figure: go.Figure, sigma: float, line: Mapping[str, Any] | None = None) -> None:
    """One line at a level through all panels and the gaps between them."""
    line = line or {"color": text_color(), "width": 1.5}
    figure.add_shape(
        type="line",
        xref="x",
        yref="paper",
        x0=sigma,
        x1=sigma,
        y0=0,
        y1=1,
        line=line,
        layer="below",
    )


def _panels(titles: Mapping[str, tuple[str, float]]) -> go.Figure:
    figure = make_subplots(
        len(titles),
        1,
        shared_xaxes=True,
        row_heights=[share for _, share in titles.values()],
        vertical_spacing=0.042,
        subplot_titles=[title for title, _ in titles.values()],
    )
    figure.update_xaxes(type="log")
    for k, name in enumerate(titles, 1):
        if name in ("error", "ratio"):
            figure.update_yaxes(type="log", row=k)
    return figure


def _bands(figure: go.Figure, levels: Sequence[Level], color: str, row: Mapping[str, int]) -> None:
    """95 % intervals, shaded."""
    shaded = [("ratio", "gap_ratio", color)]
    if "returns" in row:
        shaded += [("returns", f"return_{kind}", tone or color) for kind, tone, _ in RETURNS]
    for panel, name, tone in shaded:
        known = [(p.sigma, ends) for p in levels if (ends := getattr(p, f"{name}_ci95"))]
        sigmas, ends = [sigma for sigma, _ in known], [pair for _, pair in known]
        band(figure, sigmas, ends, tone, 0.15, row=row[panel], col=1)


def _lines(figure: go.Figure, levels: Sequence[Level], color: str, row: Mapping[str, int]) -> None:
    """Each curve with a dot at every measured level: what one can point at and click on."""
    lines = [
        ("error", "loss_heldout", "unseen images", NEUTRAL, "solid"),
        ("error", "loss_train", "training images", color, "solid"),
        ("error", "loss_ideal", "a perfect memory", color, "dot"),
        ("ratio", "gap_ratio", "ratio", color, "solid"),
        ("posterior", "posterior_max", "certainty which image it was", color, "solid"),
        ("posterior", "leakage", "share of its identity left", color, "dash"),
        ("posterior", "coverage", "unseen images within reach", NEUTRAL, "solid"),
        ("visits", "train_density", "training density", color, "solid"),
    ]
    if "returns" in row:
        named = {"train": "training images", "heldout": "unseen images", "generated": "its samples"}
        lines += [
            ("returns", f"return_{kind}", f"{named[kind]} that come back", tone or color, dash)
            for kind, tone, dash in RETURNS
        ]
    for panel, name, text, tone, dash in lines:
        marker = {"size": 5, "color": tone}
        line(
            figure,
            [p.sigma for p in levels],
            [getattr(p, name) for p in levels],
            tone,
            dash=dash,
            marker=marker,
            hover="%{y:.0%}" if panel == "returns" else "%{y:.3g}",
            name=text,
            selected={"marker": marker},
            unselected={"marker": {"opacity": 1}},
            fill="tozeroy" if name == "train_density" else None,
            fillcolor=rgba(color, 0.15),
            row=row[panel],
            col=1,
        )


def _scale(figure: go.Figure, levels: Sequence[Level], row: Mapping[str, int]) -> None:
    """Ranges, ticks and titles of the axes."""
    figure.update_xaxes(tickvals=TICKS, ticktext=[f"{t:g}" for t in TICKS], range=X_RANGE)
    figure.update_xaxes(title_text="noise level σ", row=row["visits"])
    top = max(max(p.loss_train, p.loss_heldout, p.loss_ideal) for p in levels)
    heights = [math.log10(_floor(levels)), math.log10(2 * top)]
    figure.update_yaxes(dtick=1, exponentformat="power", range=heights, row=row["error"])
    ratios = [1, 2, 5, 10, 20, 50, 100, 200]
    ticks = {"tickvals": ratios, "ticktext": [f"{r}×" for r in ratios]}
    figure.update_yaxes(**ticks, row=row["ratio"])
    shares = {"tickvals": [0, 0.5, 1], "range": [-0.05, 1.08]}
    figure.update_yaxes(**shares, row=row["posterior"])
    if "returns" in row:
        figure.update_yaxes(**shares, tickformat=".0%", row=row["returns"])
    figure.update_yaxes(showticklabels=False, row=row["visits"])
    for name in ("pictures", "visits"):
        figure.update_yaxes(showgrid=False, zeroline=False, row=row[name])
    title = {"font": {"size": 15, "color": text_color()}, "bgcolor": paper(1)}  # over the lines
    figure.update_annotations(selector={"yref": "paper"}, x=0, xanchor="left", **title)


def _place_pictures(figure: go.Figure, pictures: Mapping[float, Image.Image]) -> None:
    """Each picture above its noise level; positions on a log axis are exponents."""
    figure.update_yaxes(range=[0, 1], showticklabels=False, row=1)
    figure.add_scatter(x=TICKS, y=[0] * len(TICKS), opacity=0, hoverinfo="skip", row=1, col=1)
    for level, picture in pictures.items():
        figure.add_layout_image(
            source=picture,
            x=math.log10(level),
            y=1,
            xref="x",
            yref="y",
            sizex=0.36,
            sizey=1,
            xanchor="center",
            yanchor="top",
        )


def _place_steps(
    figure: go.Figure, visited: Sequence[float], levels: Sequence[Level], row: int
) -> None:
    """A tick for every level at which sampling steps."""
    top = max(p.train_density or 0 for p in levels)
    if not visited:
        return
    figure.add_scatter(
        x=list(visited),
        y=[-0.25 * top] * len(visited),
        mode="markers",
        name="a sampling step",
        marker={"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": text_color()}},
        hovertemplate="at %{x:.3g}",
        row=row,
        col=1,
    )
    figure.update_yaxes(range=[-0.5 * top, 1.1 * top], row=row)


def _floor(levels: Sequence[Level]) -> float:
    """The smallest error worth drawing: a perfect memory's falls to nothing at low noise."""
    return min(p.loss_train for p in levels) / 10


def _name_lines(
    figure: go.Figure, levels: Sequence[Level], color: str, row: Mapping[str, int]
) -> None:
    """Each label where its line is far from the others."""
    peak = max(levels, key=lambda p: p.gap_ratio or 0)
    for name, text, tone, x, y in (
        ("loss_heldout", "unseen images ", NEUTRAL, "right", "bottom"),
        ("loss_train", " training images", color, "left", "top"),
    ):
        place = {"row": row["error"], "xanchor": x, "yanchor": y}
        label(figure, peak.sigma, getattr(peak, name), text, tone, **place)
    low = 3 * _floor(levels)  # where the falling line of a perfect memory is about to leave
    ideal = min(levels, key=lambda p: abs(math.log(max(p.loss_ideal, 1e-9) / low)))
    place = {"row": row["error"], "xanchor": "right", "yanchor": "middle"}
    text = "a perfect memory  "
    label(figure, ideal.sigma, max(ideal.loss_ideal, low), text, color, **place)
    for name, text, tone, height, anchor in (
        ("posterior_max", "certainty  ", color, 0.7, "right"),
        ("coverage", "unseen in reach  ", NEUTRAL, 0.2, "right"),
        ("leakage", "  identity", color, 0.7, "left"),
    ):
        p = min(levels, key=lambda p: abs(getattr(p, name) - height))
        side = "bottom" if anchor == "left" else "middle"
        place = {"row": row["posterior"], "xanchor": anchor, "yanchor": side}
        label(figure, p.sigma, getattr(p, name), text, tone, **place)


def _name_returns(figure: go.Figure, levels: Sequence[Level], color: str, row: int) -> None:
    """Names beside the falling lines: of the two that fall first, one on each side of the pair."""
    known = [p for p in levels if p.return_train is not None]

    def falls(name: str, height: float) -> Level:
        return next((p for p in known if getattr(p, name) < height), known[-1])

    first, second = sorted(
        (("return_heldout", "unseen", NEUTRAL), ("return_generated", "its samples", color)),
        key=lambda line: falls(line[0], 0.5).sigma,
    )
    for (name, text, tone), height, anchor in (
        (("return_train", "training images  ", color), 0.6, "right"),
        ((first[0], f"{first[1]}  ", first[2]), 0.4, "right"),
        ((second[0], f"  {second[1]}", second[2]), 0.7, "left"),
    ):
        p = falls(name, height)
        place = {"row": row, "xanchor": anchor, "yanchor": "middle"}
        label(figure, p.sigma, getattr(p, name), text, tone, **place)
