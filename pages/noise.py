"""What comes back out of noise: training pictures as they were, unseen ones as somebody else's."""

import streamlit as st

from ambient.diffusion.closed_forms import noise_levels
from ui import data, measuring, stages, visitor, words
from ui.controls import more
from ui.film import show
from ui.frame import enter, errors_in_words
from ui.microscope import answers, levels, pad
from ui.microscope.film import BACK, film, opening
from ui.microscope.specimens import choose
from ui.teacher import control, hidden

enter(
    "Noise",
    "Bury two pictures in noise, and let the network draw down from there: what comes back?",
)
runs = {r.name: r for r in data.bundled()} | visitor.runs(st.query_params.get("run"))
if not runs:
    words.missing("No stored runs yet.", "python -m ambient train --out runs/first")
    st.stop()
visitor.tell_gone("run", runs)

place = st.container()  # the pictures come first
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    names = sorted(runs, key=lambda k: (answers.pack(runs[k]) is None, *stages.order(runs[k])))
    with control("settings"):
        run = runs[st.selectbox("Network", names, key="run", bind="query-params", width=300)]
    with errors_in_words():
        stored = answers.pack(run)
        specimens = choose(run, stored.positions if stored else {})
with place, errors_in_words():
    measured = data.curves(run)
    low, high = run.levels
    usual = [s for s in noise_levels(run.config.cutoff) if low <= s <= high]
    sigmas = [p.sigma for p in measured.levels] if measured else usual
    ready = all(answers.is_stored(run, specimen, sigmas) for specimen in specimens)
    if not ready and (hidden("live") or not run.steps):
        st.info("What this network makes of these pictures is not stored.", width=760)
        st.stop()
    made = film(run, specimens, sigmas)
    options = [f"{s:.3g}" for s in sigmas]
    key = f"noise-{run.name}"
    show(
        made, key, "sigma", options, usual=opening(made, specimens), cell="picture", first=(1, BACK)
    )
    words.under(
        "noise",
        "A *perfect memory* knows the training pictures by heart, and guesses among them alone.",
        [words.provenance(run, None, not ready)],
        lambda: [
            row
            for specimen in specimens
            for row in levels.errors(run, specimen, answers.answers(run, specimen, sigmas), sigmas)
        ],
        "python -m scripts.build_stored microscope",
    )

if not (hidden("open") or hidden("live")):
    st.markdown("**Draw on it**, and drag: the network answers in your browser.")
    pad.show(run, specimens[0].image)

with more("All that is measured by noise level") as opened, errors_in_words():
    if opened and measured:
        levels.show_levels(run, measured, specimens[0])
    elif opened:
        measuring.offer(run)
