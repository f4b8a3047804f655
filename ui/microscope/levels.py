"""What a run's stored curves say over all noise levels: in words, as rows, as a chart."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st
from msgspec.structs import asdict

from ambient.diffusion.closed_forms import last_covered
from ambient.diffusion.records import Curves
from ambient.runs.folder import Run
from ui import charts, cutoffs, data, words
from ui.charts.levels import noise_levels
from ui.microscope.answers import remembered
from ui.microscope.records import Answers
from ui.microscope.specimens import Specimen
from ui.noise import strip

MOST = 0.9  # a share of unseen images that pass for training images


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
    most = f"{widest.gap_ratio:.3g} times"
    text = f"**Measured**, its gap is widest at level {widest.sigma:.2g}: {most}"
    if widest not in (levels[0], levels[-1]):
        ends = f"{levels[0].gap_ratio:.3g} at the lowest level"
        text = f"**Measured**, its gap peaks in between, at level {widest.sigma:.2g}: "
        text += f"{most}, after {ends}"
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


def rows(curves: Curves) -> list[dict[str, Any]]:
    """One row a level: every number, and the sampling steps near it."""
    levels = [p.sigma for p in curves.levels]
    visited = [min(levels, key=lambda s: abs(math.log(s / at))) for at in curves.sampler_sigmas]
    return [{**asdict(p), "sampling_steps": visited.count(p.sigma)} for p in curves.levels]


def errors(
    run: Run, specimen: Specimen, found: Answers, sigmas: list[float]
) -> list[dict[str, Any]]:
    """Errors on one picture at every level, of the network and of a perfect memory."""
    _, best = remembered(run, specimen.image, sigmas)
    return [
        {
            "kind": specimen.kind,
            "image": specimen.name,
            "sigma": sigma,
            "network_error": float(error),
            "ideal_error": ideal,
        }
        for sigma, error, ideal in zip(sigmas, found.errors, best, strict=True)
    ]


def show_levels(run: Run, curves: Curves, specimen: Specimen) -> None:
    """What theory says, what was measured, and all panels on one axis of noise levels."""
    st.markdown(f"{in_theory(run, curves)}  \n{in_practice(curves)}", width=860)
    widest, subset = data.widest_gap(curves), curves.subset
    charts.show(
        noise_levels(curves, run.config.arm, strip(specimen.image)),
        f"levels-{run.name}",
        f"Aligned panels against noise level for {words.run_name(run)}: a training picture under "
        "growing noise, errors on training and unseen pictures, their ratio, which peaks at "
        f"{widest.gap_ratio:.3g} near noise level {widest.sigma:.2g}, what comes back from there, "
        "what a noisy picture gives away, and where training and sampling look.",
    )
    words.under(
        "noise-levels",
        "*Certainty*: of the best guess which training picture it was. *Identity*: the share of "
        "that question it answers. *Unseen in reach*: unseen pictures that could pass for noisy "
        "training pictures.",
        [
            words.provenance(run, None, step=curves.step),
            f"{len(subset.train)} training and {len(subset.heldout)} unseen images, "
            f"{subset.noises} noises each",
        ],
        lambda: rows(curves),
        words.measures(run, "--json curves.json"),
    )
