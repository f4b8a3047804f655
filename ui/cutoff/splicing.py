"""Surgery: one network works above a noise level, another below it. Who decides what is copied?"""

import streamlit as st

from ambient.runs.folder import Run
from ui import charts, cutoffs, data, galleries, stages, words
from ui.charts.cutoffs import copies_against_switch
from ui.controls import more
from ui.cutoffs import Family, Splices
from ui.data import Shown
from ui.frame import errors_in_words
from ui.teacher import hidden

USUAL = 0.4  # the switch shown first, where it is stored
SHOWN = 12


def show_splices(family: str, runs: Family) -> None:
    """Stored splices of the standard run and an ambient one, and some sampled now; folded."""
    found, key = cutoffs.splices(runs), f"switch-{family}"
    if found is None:
        return
    named = st.query_params.get(key) in [f"{s:g}" for s in found.switches]
    if named:  # a link of before names no fold
        st.session_state.setdefault("more", True)
    with more("Where is copying decided?") as opened:
        if opened:
            _show(family, found, key)


def _show(family: str, found: Splices, key: str) -> None:
    switch = st.select_slider(
        "Switch (noise level): one network works above it, the other below",
        found.switches,
        value=min(found.switches, key=lambda s: abs(s - USUAL)),
        format_func=lambda s: f"{s:g}",
        key=key,
        bind="query-params",
    )
    below, above = found.at(switch)
    charts.show(
        copies_against_switch(
            found.rows,
            (found.standard.name, found.ambient.name),
            found.ambient.config.cutoff,
            switch,
        ),
        f"surgery-{family}",
        f"At switch {switch:g}: {words.percent(below['copies'])} copies with the standard network "
        f"below, {words.percent(above['copies'])} with it above.",
    )
    words.under(
        "surgery",
        "Left of where the lines cross, the network above the switch decides what is copied; right "
        "of it, the one below. Bars: who works where.",
        [found.about],
        lambda: found.rows,
        f"python -m scripts.measure surgery\npython -m ambient sample {found.standard.name} "
        f"--above {found.ambient.name} --switch {switch:g} --out spliced.png",
    )
    if not hidden("live"):
        _sample_now(found, switch)


def _sample_now(found: Splices, switch: float) -> None:
    """Twelve samples of a splice, on request; they stay until the switch moves."""
    key = f"spliced-{found.standard.name}-{found.ambient.name}-{switch:g}"
    pairs = ((found.standard, found.ambient), (found.ambient, found.standard))
    with st.container(horizontal=True, gap="small"):
        for below, above in pairs:
            label = f"Sample {below.config.arm} below, {above.config.arm} above"
            if st.button(label, icon=":material/content_cut:", type="tertiary"):
                with errors_in_words():
                    st.session_state[key] = label, below.config.arm, _sampled(below, above, switch)
    if key in st.session_state:
        label, arm, some = st.session_state[key]
        galleries.draw(some, arm, f"{label}, switch {switch:g}: {len(some)} samples", columns=12)


def _sampled(below: Run, above: Run, switch: float) -> Shown:
    """Samples of a splice, with their marks."""
    bar = st.progress(0.0, "Loading the networks")
    from ui import live

    for share, images in live.sampled(below, tuple(range(SHOWN)), "heun", 18, (above, switch)):
        bar.progress(share, f"Denoising {len(images)} pictures: {share:.0%}")
    bar.empty()
    both, found = data.sets(below), stages.find(below, images)
    nearest = [first for first, _ in found.near]
    names = tuple(both.train_names[i] for i in nearest)
    return Shown(images, both.train[nearest], names, tuple(m == "copy" for m in found.marks))
