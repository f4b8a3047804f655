"""What a cutoff does to a network's memory, and what it costs: curves below the film."""

import streamlit as st

from ui import charts, curves, cutoffs, data, measuring, words
from ui.charts.cutoffs import copies_against_cutoff, quality_against_copies
from ui.controls import pick
from ui.cutoffs import Family


def show_memory(runs: Family, cutoff: float) -> None:
    """How many times worse unseen pictures fare, level by level, without and with the cutoff."""
    networks = [runs[0.0], *([runs[cutoff]] if cutoff else [])]
    curves.show_gaps(
        "What it remembers, by noise level",
        [(cutoffs.label(run), run) for run in networks],
        "memory",
        "Times its error grows on unseen pictures. Below the dashed cutoff it sees clean pictures "
        "and remembers them: no privacy guarantee.",
    )
    for run in networks:
        if data.curves(run) is None:
            measuring.offer(run)


def show_valley(family: str, runs: Family, cutoff: float) -> None:
    """Copies at every stored cutoff, with the one suggested before any training."""
    st.subheader("How much cutoff?", anchor=False)
    measured, suggested = cutoffs.field(runs), cutoffs.suggestion(runs[0.0].config)
    charts.show(
        copies_against_cutoff(measured, suggested.value if suggested else None, cutoff),
        f"valley-{family}",
        "Copies against the cutoff: "
        + "; ".join(f"{p.label} {words.percent(p.rate)}" for p in measured.ends),
    )
    c = runs[0.0].config
    words.under(
        "copies-against-cutoff",
        "None and a very large one are the same ordinary training."
        + (" Dotted: this tool's suggestion from the pictures alone." if suggested else "")
        + measured.note,
        [measured.about, *measured.sources],
        lambda: cutoffs.rows(measured),
        f"{measured.command}\n"
        f"python -m ambient suggest-cutoff --corpus {c.corpus} --n-train {c.n_train}",
    )


def show_quality(family: str, runs: Family, cutoff: float) -> None:
    """Every way of training as a path in the plane of quality and copies."""
    names = cutoffs.measures(runs)
    if not names:
        return
    st.subheader("Fewer copies, at which quality?", anchor="quality")
    measure = names[0]
    if len(names) > 1:
        measure = pick(
            "settings", "Quality by", names, key="quality", name=cutoffs.MEASURES.__getitem__
        )
    measured = cutoffs.field(runs, measure)
    selected = f"cutoff {cutoff:g}" if cutoff else "no cutoff"
    points = [f"{p.label} {words.percent(p.rate)} at {p.distance:.3g}" for p in measured.ends]
    charts.show(
        quality_against_copies(measured, cutoffs.MEASURES[measure], selected),
        f"quality-{family}",
        f"Copies against {cutoffs.MEASURES[measure]}: {'; '.join(points)}.",
    )
    if rival := cutoffs.against_stopping_early(measured, selected):
        st.markdown(rival, width=760)
    words.under(
        "quality-against-copies",
        "Down and left is better. Each line is one way of training, step by step: stopping early "
        "is a cutoff's strongest rival.",
        [measured.about, *measured.sources],
        lambda: cutoffs.rows(measured),
        measured.command,
    )
