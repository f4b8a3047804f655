"""Surgery: one run works above a noise level, another below it. Who decides what is copied?"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ambient.runs.folder import Run
from ui import charts, covers, data, galleries, surgery, words
from ui.charts.cutoffs import copies_against_switch
from ui.data import Shown
from ui.frame import errors_in_words
from ui.teacher import control, hidden

SHOWN = 12


def show_splices(runs: Mapping[float, Run], n: int) -> None:
    """Stored splices of the standard run and an ambient one, and one sampled now."""
    found = surgery.stored(runs, n)
    if found is None:
        return
    standard, ambient, rows = found.standard, found.ambient, found.rows
    st.subheader("Where is copying decided? Splice the two", anchor="splice")
    st.markdown(
        "A sample is made from high noise down. Let one network do the work above a noise level "
        "and the other one below it.",
        width=760,
    )
    switches = found.switches
    with control("settings"):
        switch = st.select_slider(
            "Switch (noise level)",
            switches,
            value=min(switches, key=lambda s: abs(s - surgery.USUAL)),
            format_func=lambda s: f"{s:g}",
            key=f"switch-{n}",
            bind="query-params",
            width=520,
        )
    if covers.covered("splice"):
        return
    sides = ((standard, ambient), (ambient, standard))
    for column, row, (below, above) in zip(
        st.columns(2, gap="medium"), found.at(switch), sides, strict=True
    ):
        with column:
            label = f"{below.config.arm.capitalize()} below {switch:g}, {above.config.arm} above"
            words.rate_metric(f"{label}: copied", row["copies"], row["ci95"], below.config.arm)
    first, last = found.at(switches[0]), found.at(switches[-1])
    ends = [
        f"{run.config.arm} below, {words.percent(a['copies'])} to {words.percent(b['copies'])}"
        for run, a, b in zip((standard, ambient), first, last, strict=True)
    ]
    charts.show(
        copies_against_switch(rows, (standard.name, ambient.name), ambient.config.cutoff, switch),
        f"surgery-{n}",
        f"Copies against the switch, from {switches[0]:g} to {switches[-1]:g}: {'; '.join(ends)}",
    )
    words.under(
        "surgery",
        "Dotted lines: each network alone. Where a line leaves one dotted line for the other, "
        "copying is decided.",
        [found.about],
        lambda: rows,
        f"python -m scripts.measure surgery\npython -m ambient sample {standard.name} --above "
        f"{ambient.name} --switch {switch:g} --out spliced.png",
    )
    if not hidden("live"):
        _sample_now(standard, ambient, switch)


def _sample_now(standard: Run, ambient: Run, switch: float) -> None:
    """Twelve samples of a splice, on request; they stay until the switch moves."""
    key = f"spliced-{standard.name}-{ambient.name}-{switch:g}"
    with st.container(horizontal=True, gap="small"):
        for below, above in ((standard, ambient), (ambient, standard)):
            label = f"{below.config.arm.capitalize()} below, {above.config.arm} above"
            if st.button(label, icon=":material/content_cut:", help="Sample it now; loads torch"):
                with errors_in_words():
                    sampled = _sampled(below, above, switch)
                    st.session_state[key] = label, below.config.arm, *sampled
    if key not in st.session_state:
        return
    label, arm, some, threshold = st.session_state[key]
    rule = f" (d1/d2 < {threshold:.2f}) · seeds 0 to {SHOWN - 1} · live"
    galleries.draw(some, arm, f"{label}, switch {switch:g}: {len(some)} samples", said=rule)


def _sampled(below: Run, above: Run, switch: float) -> tuple[Shown, float]:
    """Samples of a splice, and the threshold that calls some of them copies."""
    bar = st.progress(0.0, "Loading the networks")
    from ui import live

    seeds = tuple(range(SHOWN))
    with live.turn():
        for share, images in live.sampled(below, seeds, "heun", 18, (above, switch)):
            bar.progress(share, f"Denoising {len(images)} images: {share:.0%}")
        found = live.judged(below, images, seeds)
    bar.empty()
    both, threshold = data.sets(below), data.threshold(below)
    nearest = [row.nearest for row in found.samples]
    names = tuple(both.train_names[i] for i in nearest)
    copies = tuple(row.ratio < threshold for row in found.samples)
    return Shown(images, both.train[nearest], names, copies), threshold
