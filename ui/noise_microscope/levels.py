"""What a run's stored curves say at one noise level and over all: in words, as rows, as a chart."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from msgspec.structs import asdict

from ambient.diffusion.closed_forms import COVERED, last_covered
from ambient.diffusion.records import Curves, Level
from ambient.runs.folder import Run
from ui import charts, cutoffs, data, words
from ui.charts.levels import mark, noise_levels
from ui.noise import strip
from ui.noise_microscope.microscope import nearest_level
from ui.noise_microscope.specimens import Specimen
from ui.pictures import Images
from ui.teacher import hidden

MOST = 0.9  # a share of unseen images that pass for training images; few are `COVERED`
RETURNED = {"train": "training images", "heldout": "unseen ones", "generated": "its own samples"}


def times(level: Level) -> str:
    return f"{level.gap_ratio:.3g} times"


def headline(level: Level, arm: str) -> str:
    return (
        f"At noise level {level.sigma:.2g}, unseen images cost "
        f"{words.tinted(times(level), arm)} the error of training images."
    )


def about_gap(level: Level, curves: Curves, step: int) -> str:
    """The interval, the widest gap, and whether the pictures are of an earlier network."""
    low, high = level.gap_ratio_ci95 or (math.nan, math.nan)
    widest = data.widest_gap(curves)
    place = (
        "The widest gap"
        if level is widest
        else f"It is widest at level {widest.sigma:.2g}: {times(widest)}"
    )
    text = f"95\u00a0% interval over images: {low:.3g} to {high:.3g} times. {place}."
    if curves.step not in (None, step):
        text += f" Curves and rates are of step {curves.step:,}, the pictures of step {step:,}."
    return text


def reach(curves: Curves) -> float:
    """Up to which level hardly any unseen image passes for a training image."""
    sigmas = [p.sigma for p in curves.levels]
    return last_covered(sigmas, [p.coverage for p in curves.levels]) or sigmas[0]


def in_theory(run: Run, curves: Curves) -> str:
    """Why copying is necessary only at low noise, by the coverage of the data."""
    first = reach(curves)
    if math.isinf(first):
        return (
            "**In theory** (the paper), copying is necessary only at low noise; with these images "
            "that is the whole range, for no unseen one ever passes for a noisy training image."
        )
    return (
        "**In theory** (the paper), copying is only *necessary* at low noise: below level "
        f"{first:.2g} hardly any unseen image (at most 5\u00a0%) could pass for a noisy training "
        "image; above, more and more could, and nothing forces a network to tell them apart."
        + _as_suggested(run)
    )


def _as_suggested(run: Run) -> str:
    """That the suggested cutoff is this same level, of several splits."""
    suggested = cutoffs.suggestion(run.config)
    if suggested is None:
        return ""
    return (
        f" The same level, averaged over {suggested.count} splits, is the cutoff that this "
        f"tool suggests: {suggested.value:.2f}."
    )


def in_practice(curves: Curves) -> str:
    """Where this network does tell them apart, and how often sampling passes there."""
    levels, widest = curves.levels, data.widest_gap(curves)
    text = f"**Measured**, its gap is widest at level {widest.sigma:.2g}: {times(widest)}"
    if widest not in (levels[0], levels[-1]):
        ends = f"{levels[0].gap_ratio:.3g} at the lowest level"
        text = f"**Measured**, its gap peaks in between, at level {widest.sigma:.2g}: "
        text += f"{times(widest)}, after {ends}"
    late = next((p for p in levels if p.coverage >= MOST), None)
    if late and late.sigma > widest.sigma:
        text += f"; where most unseen images are in reach, it is {late.gap_ratio:.3g}"
    visited = curves.sampler_sigmas
    if not visited:
        return f"{text}."
    near = sum(0.5 <= s / widest.sigma <= 2 for s in visited)
    return (
        f"{text}. But sampling hardly visits that level: {near} of its {len(visited)} steps are "
        "within a factor of two of it."
    )


def returned(level: Level) -> str | None:
    """The stored return rates of a level in one sentence; None where there are none."""
    rates = {k: getattr(level, f"return_{k}") for k in RETURNED}
    if any(rate is None for rate in rates.values()):
        return None
    parts = []
    for kind, name in RETURNED.items():
        low, high = (100 * x for x in getattr(level, f"return_{kind}_ci95"))
        parts.append(
            f"**{words.percent(rates[kind])}** of {name} come back ({low:.0f} to {high:.0f}\u00a0%)"
        )
    return f"From noise level {level.sigma:.2g}, {', '.join(parts[:2])} and {parts[2]}."


def tells_little(level: Level) -> str:
    """A warning where unseen images come back too, so that coming back says little of memory."""
    rate = level.return_heldout
    if rate is None or rate <= COVERED:
        return ""
    return (
        f"At this level {words.percent(rate)} of unseen images come back too, so coming back is "
        "no sign of memory here: move to a higher one."
    )


def rows(curves: Curves) -> list[dict[str, Any]]:
    """One row a level: every number, and the sampling steps near it."""
    levels = [p.sigma for p in curves.levels]
    visited = [nearest_level(levels, s) for s in curves.sampler_sigmas]
    return [{**asdict(p), "sampling_steps": visited.count(p.sigma)} for p in curves.levels]


def clickable() -> bool:
    """Not by finger: plotly keeps every touch of a chart that takes clicks, so on a phone one could
    not scroll past it."""
    agent = st.context.headers.get("User-Agent") or ""
    return not hidden("settings") and not any(word in agent for word in ("Mobi", "Android", "iPad"))


def show_levels(run: Run, curves: Curves, sigma: float, specimen: Specimen) -> None:
    """What theory says, what was measured, and all panels on one axis of noise levels."""
    st.markdown(f"{in_theory(run, curves)}  \n{in_practice(curves)}", width=760)
    _chart(run, curves, sigma, specimen)
    subset = curves.subset
    words.under(
        "noise-levels",
        "Follow one noise level down all panels. "
        + ("Click a point to see the pictures behind it. " if clickable() else "")
        + "Where unseen and training images part, the network has memorized; where a noisy image "
        "no longer says which image it was, nothing could. *Certainty*: of the best guess which "
        "training image it was. *Identity*: the share of that question it answers. *Unseen in "
        "reach*: unseen images that could pass for noisy training images.",
        [
            words.provenance(run, None, step=curves.step),
            f"{len(subset.train)} training and {len(subset.heldout)} unseen images, "
            f"{subset.noises} noises each",
        ],
        lambda: rows(curves),
        words.measures(run, "--json curves.json"),
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _figure(
    path: str, changed: int, sha256: str, dark: bool, arm: str, _curves: Curves, _image: Images
) -> go.Figure:
    """All but the chosen level: a copy takes a tenth of the time of drawing it again."""
    return noise_levels(_curves, arm, strip(_image))


def _chart(run: Run, curves: Curves, sigma: float, specimen: Specimen) -> None:
    """The panels; a click on a point moves the slider to its level."""
    key, levels = f"levels-{run.name}", [p.sigma for p in curves.levels]

    def pick() -> None:
        points = st.session_state[key].selection.points
        if points:
            st.session_state["sigma"] = nearest_level(levels, points[0]["x"])

    widest = data.widest_gap(curves)
    changed = data.stamp(run.path / "curves.json")
    key_of = str(run.path), changed, specimen.sha256, charts.dark(), run.config.arm
    figure = _figure(*key_of, curves, specimen.image)
    mark(figure, sigma)
    st.plotly_chart(
        figure,
        key=key,
        config=charts.STILL,
        on_select=pick if clickable() else "ignore",
        selection_mode="points",
        alt=f"Aligned panels against noise level for {words.run_name(run)}: a training image under "
        f"growing noise, the error on training and unseen images, their ratio, which peaks at "
        f"{widest.gap_ratio:.3g} near noise level {widest.sigma:.2g}, what comes back when "
        "sampled down from there, what the noisy image gives away, and where training and sampling "
        f"look. Noise level {sigma:.3g} is marked.",
    )
