"""What a cutoff buys and what it costs: copies against the cutoff, quality against copies."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ambient.runs.folder import Run
from ui import charts, covers, cutoffs, words
from ui.charts.cutoffs import copies_against_cutoff, quality_against_copies
from ui.controls import pick
from ui.frame import errors_in_words


def show_valley(runs: Mapping[float, Run], n: int, cutoff: float) -> None:
    """Copies at every stored cutoff, with the one suggested before any training."""
    st.subheader("How much cutoff?", anchor=False)
    if covers.covered("valley"):
        return
    with errors_in_words():
        measured = cutoffs.field(runs, n)
        suggested = cutoffs.suggestion(n)
    charts.show(
        copies_against_cutoff(measured, suggested.value if suggested else None, cutoff),
        f"valley-{n}",
        "Copies against the cutoff: "
        + "; ".join(f"{p.label} {words.percent(p.rate)}" for p in measured.ends),
    )
    line = ""
    if suggested:
        line = (
            "The dotted line is this tool's own suggestion, made from the images alone: the "
            "largest noise level at which at most 5 % of unseen images pass for training images, "
            f"{suggested.value:.2f} on average over three splits. "
        )
    words.under(
        "copies-against-cutoff",
        "No cutoff and a very large one are the same ordinary training; the question is what lies "
        f"between. {line}{measured.about}{cutoffs.on_fresh_seeds(runs)}",
        measured.sources,
        lambda: cutoffs.rows(measured),
        f"{measured.command}\npython -m ambient suggest-cutoff --corpus emoji --n-train {n}",
    )


def show_quality(runs: Mapping[float, Run], n: int, selected: str) -> None:
    """Every way of training in the plane of quality and copies, early stages included."""
    st.subheader("Fewer copies, at which quality?", anchor="quality")
    if covers.covered("quality"):
        return
    names = cutoffs.measures(n)
    measure = names[0]
    if len(names) > 1:
        about = (
            "Fréchet distance and KID compare what is in the pictures and forgive grain; fine "
            "detail compares 7x7 patches and sees grain and blur."
        )
        measure = pick("settings", "Quality by", names, key="quality", help=about)
    with errors_in_words():
        measured = cutoffs.field(runs, n, measure)
    points = [f"{p.label} {words.percent(p.rate)} at {p.distance:.3g}" for p in measured.ends]
    charts.show(
        quality_against_copies(measured, measure, selected),
        f"quality-{n}",
        f"Copies against {measure}: {'; '.join(points)}.",
    )
    if rival := cutoffs.against_stopping_early(measured, selected):
        st.markdown(rival, width=760)
    controls = ""
    if any(p.arm in ("fresh", "reweight") for p in measured.ends):
        controls = (
            "*fresh* redraws the noise at every visit and *reweight* only lowers the weight: "
            "controls. "
        )
    words.under(
        "quality-against-copies",
        "Down and left is better. Thin lines are the same training stopped earlier; without a "
        "cutoff, at the steps written there, that is the cutoff's strongest rival. "
        f"{controls}{measured.about}",
        measured.sources,
        lambda: cutoffs.rows(measured),
        measured.command,
    )
