"""Plotly figures: few lines, labels on the lines themselves, exact values on hover."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image
from plotly.subplots import make_subplots

from ui.pictures import COOL, NEUTRAL, WARM

Rows = Sequence[Mapping[str, Any]]
STILL = {"displayModeBar": False, "scrollZoom": False}


def dark() -> bool:
    """Whether this visitor reads the page in dark mode."""
    return st.context.theme.type == "dark"


def show(figure: go.Figure, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, alt=alt, config=STILL)


def _ink(color: str) -> str:
    """A meaning color as text: lighter on dark paper."""
    return {WARM: "#F58B3D", COOL: "#58AFE6", NEUTRAL: "#B1ACA3"}[color] if dark() else color


def _rgba(color: str, alpha: float) -> str:
    return f"rgba({int(color[1:3], 16)},{int(color[3:5], 16)},{int(color[5:7], 16)},{alpha})"


def _label(
    figure: go.Figure, x: float, y: float, text: str, color: str, row: int = 1, **place: Any
) -> None:
    """A direct label at a point of a line; plotly places annotations on log axes by exponent."""
    log_x = figure.get_subplot(row, 1).xaxis.type == "log"
    log_y = figure.get_subplot(row, 1).yaxis.type == "log"
    figure.add_annotation(
        x=math.log10(x) if log_x else x,
        y=math.log10(y) if log_y else y,
        text=text,
        font={"color": _ink(color), "size": 14},
        showarrow=False,
        row=row,
        col=1,
        **{"xanchor": "left", "yanchor": "bottom", **place},
    )


def noise_levels(
    curves: Mapping[str, Any], arm: str, pictures: Mapping[float, Image.Image]
) -> go.Figure:
    """Error, ratio, posterior and training density against noise level; the cutoff through all.

    Args:
        pictures: what an image looks like at some levels, drawn in place above the curves.
    """
    levels = curves["levels"]
    sigma = [p["sigma"] for p in levels]
    color = _arm_color(arm)
    figure = make_subplots(
        5,
        1,
        shared_xaxes=True,
        row_heights=[0.13, 0.31, 0.23, 0.2, 0.13],
        vertical_spacing=0.05,
        subplot_titles=(
            "What the network sees",
            "Its error (mean squared, an element)",
            "How many times worse on unseen images",
            "How much one noisy image gives away",
            "Where training looks",
        ),
    )
    figure.update_xaxes(type="log")
    for row in (2, 3):
        figure.update_yaxes(type="log", row=row)
    lines = (
        (2, "loss_heldout", "unseen images", NEUTRAL, "solid"),
        (2, "loss_train", "training images", color, "solid"),
        (2, "loss_ideal", "a perfect memory", color, "dot"),
        (3, "gap_ratio", "ratio", color, "solid"),
        (4, "posterior_max", "certainty which image it was", color, "solid"),
        (4, "leakage", "share of its identity left", color, "dash"),
        (4, "coverage", "unseen images within reach", NEUTRAL, "solid"),
        (5, "train_density", "density", color, "solid"),
    )
    band = [p["gap_ratio_ci95"] for p in levels]
    for edge, fill in ((1, None), (0, "tonexty")):
        figure.add_scatter(
            x=sigma,
            y=[b[edge] for b in band],
            mode="lines",
            line={"width": 0},
            fill=fill,
            fillcolor=_rgba(color, 0.2),
            hoverinfo="skip",
            row=3,
            col=1,
        )
    for row, name, text, tone, dash in lines:
        figure.add_scatter(
            x=sigma,
            y=[p[name] for p in levels],
            mode="lines",
            name=text,
            line={"color": tone, "width": 3, "dash": dash},
            fill="tozeroy" if name == "train_density" else None,
            fillcolor=_rgba(color, 0.15),
            hovertemplate="%{y:.3g}",
            row=row,
            col=1,
        )
    _name_lines(figure, levels, color)
    _place_pictures(figure, pictures)
    figure.add_hline(y=1, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, row=3, col=1)
    if curves["cutoff"]:
        figure.add_vline(x=curves["cutoff"], line={"color": COOL, "width": 2, "dash": "dash"})
        y, text = max(p["gap_ratio"] for p in levels), f" cutoff {curves['cutoff']:g}"
        _label(figure, curves["cutoff"], y, text, COOL, row=3, yanchor="top")
    figure.update_xaxes(tickvals=TICKS, ticktext=[f"{t:g}" for t in TICKS], range=X_RANGE)
    figure.update_xaxes(title_text="noise level σ", row=5)
    heights = [math.log10(_floor(levels)), math.log10(2 * _top(levels))]
    figure.update_yaxes(dtick=1, exponentformat="power", range=heights, row=2)
    ratios = [1, 2, 5, 10, 20, 50, 100, 200]
    figure.update_yaxes(tickvals=ratios, ticktext=[f"{r}×" for r in ratios], row=3)
    figure.update_yaxes(tickvals=[0, 0.5, 1], range=[-0.05, 1.08], row=4)
    figure.update_yaxes(showticklabels=False, row=5)
    for row in (1, 5):
        figure.update_yaxes(showgrid=False, zeroline=False, row=row)
    figure.update_annotations(
        selector={"yref": "paper"}, x=0, xanchor="left", font={"size": 15, "color": _text()}
    )
    return _finish(figure, 980, top=34, hovermode="x unified")


TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
X_RANGE = [math.log10(0.0125), math.log10(32)]


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
            sizex=0.34,
            sizey=1,
            xanchor="center",
            yanchor="top",
        )


def _floor(levels: Rows) -> float:
    """The smallest error worth drawing: a perfect memory's falls to nothing at low noise."""
    return min(p["loss_train"] for p in levels) / 10


def _top(levels: Rows) -> float:
    return max(max(p["loss_train"], p["loss_heldout"], p["loss_ideal"]) for p in levels)


def _name_lines(figure: go.Figure, levels: Rows, color: str) -> None:
    """Each label where its line is far from the others."""
    peak = max(levels, key=lambda p: p["gap_ratio"])
    for name, text, tone, x, y in (
        ("loss_heldout", "unseen images ", NEUTRAL, "right", "bottom"),
        ("loss_train", " training images", color, "left", "top"),
    ):
        _label(figure, peak["sigma"], peak[name], text, tone, row=2, xanchor=x, yanchor=y)
    low = 3 * _floor(levels)  # where the falling line of a perfect memory is about to leave
    ideal = min(levels, key=lambda p: abs(math.log(max(p["loss_ideal"], 1e-9) / low)))
    y = max(ideal["loss_ideal"], low)
    text = "a perfect memory  "
    _label(figure, ideal["sigma"], y, text, color, row=2, xanchor="right", yanchor="middle")
    for name, text, tone, height, anchor in (
        ("posterior_max", "certainty  ", color, 0.7, "right"),
        ("coverage", "unseen in reach  ", NEUTRAL, 0.2, "right"),
        ("leakage", "  identity left", color, 0.7, "left"),
    ):
        p = min(levels, key=lambda p: abs(p[name] - height))
        side = "bottom" if anchor == "left" else "middle"
        _label(figure, p["sigma"], p[name], text, tone, row=4, xanchor=anchor, yanchor=side)


def _text() -> str:
    return "#ECE8E1" if dark() else "#22272B"


def _finish(figure: go.Figure, height: int, top: int = 8, **layout: Any) -> go.Figure:
    figure.update_layout(
        height=height,
        showlegend=False,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        dragmode=False,
        font={"size": 14},
        **layout,
    )
    figure.update_xaxes(automargin=True, fixedrange=True)
    figure.update_yaxes(automargin=True, fixedrange=True, gridcolor="rgba(138,133,124,0.18)")
    return figure


def quality_against_copies(points: Rows, paths: Mapping[str, Rows], selected: str) -> go.Figure:
    """Every stored model: Frechet distance (lower is better) against its share of copies.

    Args:
        points: name, label, arm, frechet, rate, ci95 of each finished model.
        paths: stages of training of an arm (frechet, rate, step), in order.
        selected: the name of the model to ring.
    """
    figure = go.Figure()
    for arm, stages in paths.items():
        color = _arm_color(arm)
        figure.add_scatter(
            x=[p["frechet"] for p in stages],
            y=[100 * p["rate"] for p in stages],
            mode="lines+markers",
            line={"color": _rgba(color, 0.55), "width": 2},
            marker={"size": 5, "color": color},
            customdata=[p["step"] for p in stages],
            hovertemplate="step %{customdata:,}: %{y:.1f} % copies at %{x:.3g}<extra></extra>",
        )
        if len(stages) > 2:
            p = stages[len(stages) // 2]
            figure.add_annotation(
                x=p["frechet"],
                y=100 * p["rate"],
                text="standard, stopped earlier",
                font={"color": _ink(color), "size": 13},
                showarrow=False,
                xanchor="left",
                yanchor="bottom",
                xshift=6,
            )
    for p in points:
        color = _arm_color(p["arm"])
        on = p["name"] == selected
        rate, (low, high) = 100 * p["rate"], (100 * x for x in p["ci95"])
        figure.add_scatter(
            x=[p["frechet"]],
            y=[rate],
            mode="markers",
            error_y={
                "type": "data",
                "array": [high - rate],
                "arrayminus": [rate - low],
                "color": color,
                "thickness": 2,
                "width": 5,
            },
            marker={
                "color": color,
                "size": 20 if on else 12,
                "symbol": _SHAPES.get(p["arm"], "x"),
                "line": {"width": 4 if on else 0, "color": "#ECE8E1" if dark() else "#22272B"},
            },
            hovertemplate=f"{p['label']}: {rate:.1f} % copies ({low:.1f} to {high:.1f}), "
            f"distance {p['frechet']:.3g}<extra></extra>",
        )
        figure.add_annotation(
            x=p["frechet"],
            y=rate,
            text=f"<b>{p['label']}</b>" if on else p["label"],
            font={"color": _ink(color), "size": 15 if on else 13},
            showarrow=False,
            xanchor="left",
            xshift=14 if on else 10,
            yshift=10,
        )
    figure.update_xaxes(title_text="Fréchet distance (left is better)")
    figure.update_yaxes(title_text="copies, % of samples (lower is better)", rangemode="tozero")
    if points:  # stages far to the right are no rivals, and would squeeze the rest
        high = max(p["frechet"] for p in points)
        low = min(p["frechet"] for p in [*points, *(q for path in paths.values() for q in path)])
        reach = max(high - low, 0.05 * high)
        figure.update_xaxes(range=[low - 0.15 * reach, high + 0.8 * reach])
    return _finish(figure, 460)


_SHAPES = {"standard": "diamond", "ambient": "circle"}


def _arm_color(arm: str) -> str:
    return {"standard": WARM, "ambient": COOL}.get(arm, NEUTRAL)


def ratio_histogram(
    ratios: Sequence[float], heldout: Sequence[float], threshold: float, arm: str
) -> go.Figure:
    """d1/d2 of samples above the axis and of unseen images below it, the threshold through both."""
    edges = np.linspace(0, 1, 41)
    middle = (edges[:-1] + edges[1:]) / 2
    color = _arm_color(arm)
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
    figure.add_vline(x=threshold, line={"color": _ink(NEUTRAL), "width": 2, "dash": "dash"})
    for x, y, xanchor, yanchor, text, tone in (
        (0.5, 1.0, "center", "top", "generated", color),
        (0.02, 0.0, "left", "bottom", "unseen real images", NEUTRAL),
    ):
        figure.add_annotation(
            x=x,
            y=y,
            yref="paper",
            text=text,
            font={"color": _ink(tone), "size": 15},
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
    return _finish(figure, 360, barmode="overlay", bargap=0)


def loss(lines: Rows, arm: str, steps: int, mark: int | None = None) -> go.Figure:
    """Training loss, raw and smoothed, to the run's last step."""
    color = _arm_color(arm)
    x, y = [m["step"] for m in lines], np.array([m["loss"] for m in lines])
    figure = go.Figure()
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": _rgba(color, 0.3), "width": 1}, hoverinfo="skip"
    )
    if len(y) > 5:
        weights = np.ones(15)
        smooth = np.convolve(y, weights, "same") / np.convolve(np.ones_like(y), weights, "same")
        figure.add_scatter(
            x=x,
            y=smooth,
            mode="lines",
            line={"color": color, "width": 3},
            hovertemplate="step %{x:,}: %{y:.4f}<extra></extra>",
        )
    if mark:
        figure.add_vline(x=mark, line={"color": _ink(NEUTRAL), "width": 2, "dash": "dash"})
    figure.update_xaxes(title_text="training step", range=[0, 1.02 * steps])
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]
    figure.update_yaxes(title_text="loss", type="log", tickvals=ticks, ticktext=ticks)
    return _finish(figure, 230)


def copied_along(stages: Rows, arm: str, steps: int, mark: int | None = None) -> go.Figure:
    """Share of copies against training step, with intervals."""
    color = _arm_color(arm)
    figure = go.Figure()
    rate = [100 * p["rate"] for p in stages]
    figure.add_scatter(
        x=[p["step"] for p in stages],
        y=rate,
        mode="lines+markers",
        line={"color": color, "width": 3},
        marker={"size": 9},
        error_y={
            "type": "data",
            "array": [100 * p["ci95"][1] - r for p, r in zip(stages, rate, strict=True)],
            "arrayminus": [r - 100 * p["ci95"][0] for p, r in zip(stages, rate, strict=True)],
            "color": color,
            "thickness": 1.5,
        },
        hovertemplate="step %{x:,}: %{y:.1f} % copies<extra></extra>",
    )
    if mark:
        figure.add_vline(x=mark, line={"color": _ink(NEUTRAL), "width": 2, "dash": "dash"})
    figure.update_xaxes(range=[0, 1.02 * steps])
    figure.update_yaxes(title_text="copies, %", rangemode="tozero")
    return _finish(figure, 230)
