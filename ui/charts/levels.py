"""Curves per noise level: panels on one log-sigma axis, the cutoff through all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from ui.charts import Rows, finish, label, rgba, text_color
from ui.pictures import COOL, NEUTRAL, arm_color


def noise_levels(
    curves: Mapping[str, Any], arm: str, pictures: Mapping[float, Image.Image]
) -> go.Figure:
    """Error, ratio, posterior and training density against noise level; the cutoff through all.

    Args:
        pictures: what an image looks like at some levels, drawn in place above the curves.
    """
    levels = curves["levels"]
    sigma = [p["sigma"] for p in levels]
    color = arm_color(arm)
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
            fillcolor=rgba(color, 0.2),
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
            fillcolor=rgba(color, 0.15),
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
        label(figure, curves["cutoff"], y, text, COOL, row=3, yanchor="top")
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
        selector={"yref": "paper"}, x=0, xanchor="left", font={"size": 15, "color": text_color()}
    )
    return finish(figure, 980, top=34, hovermode="x unified")


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
        label(figure, peak["sigma"], peak[name], text, tone, row=2, xanchor=x, yanchor=y)
    low = 3 * _floor(levels)  # where the falling line of a perfect memory is about to leave
    ideal = min(levels, key=lambda p: abs(math.log(max(p["loss_ideal"], 1e-9) / low)))
    y = max(ideal["loss_ideal"], low)
    text = "a perfect memory  "
    label(figure, ideal["sigma"], y, text, color, row=2, xanchor="right", yanchor="middle")
    for name, text, tone, height, anchor in (
        ("posterior_max", "certainty  ", color, 0.7, "right"),
        ("coverage", "unseen in reach  ", NEUTRAL, 0.2, "right"),
        ("leakage", "  identity left", color, 0.7, "left"),
    ):
        p = min(levels, key=lambda p: abs(p[name] - height))
        side = "bottom" if anchor == "left" else "middle"
        label(figure, p["sigma"], p[name], text, tone, row=4, xanchor=anchor, yanchor=side)
