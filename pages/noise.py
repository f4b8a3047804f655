"""At which noise levels a network treats training images differently from unseen ones."""

import streamlit as st

from ui import covers, data, visitor, words
from ui.frame import enter, errors_in_words
from ui.noise_microscope import clone_test, levels, microscope
from ui.noise_microscope.specimens import choose_training, choose_unseen
from ui.teacher import control

bar = enter(
    "Noise",
    "A diffusion model is one denoiser for every noise level. Memory shows where it denoises its "
    "training images better than images it never saw.",
)
runs = {r.name: r for r in data.bundled()} | visitor.runs(st.query_params.get("run"))
if not runs:
    words.missing("No stored runs yet.", "python -m ambient train --out runs/first")
    st.stop()
visitor.tell_gone("run", runs)
with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
    names = sorted(runs, key=lambda k: data.curves(runs[k]) is None)
    with control("settings"):
        run = runs[
            st.selectbox(
                "Run",
                names,
                key="run",
                bind="query-params",
                width=300,
                on_change=microscope.forget_level,
            )
        ]
    with errors_in_words():
        curves = data.curves(run)
    command = f"python -m ambient curves {words.address(run)}"
    if curves is None:
        words.missing(f"Run {run.name} has no stored curves yet.", f"{command} --store")
        st.stop()
    step = microscope.choose_step(run)
    words.bar(bar, [run], step)
    sigmas = [p.sigma for p in curves.levels]
    sigma = microscope.choose_level(sigmas, data.widest_gap(curves).sigma)
level = curves.levels[sigmas.index(sigma)]

if not covers.covered("gap"):
    st.subheader(levels.headline(level, run.config.arm), anchor=False)
    st.caption(levels.about_gap(level, curves, step))
with errors_in_words():
    specimens = []
    for choose in (choose_training, choose_unseen):
        left, right = st.columns([1, 4.9], gap="medium", vertical_alignment="center")
        with left:
            specimens.append(choose(run))
        with right:
            microscope.show_row(run, step, specimens[-1], sigma)
words.under(
    "microscope",
    "One training image and one unseen one under the same noise. A *perfect memory* knows the "
    "training images by heart and answers with their mean, weighted by how likely each is to be "
    "under the noise: it makes a training image of everything. Where the network does so too, it "
    "has memorized.",
    [words.provenance(run, None, microscope.asked(run, step, specimens), step)],
    lambda: microscope.rows(run, step, specimens, sigmas),
    "python -m scripts.build_microscope",
)

st.subheader("All noise levels at once", anchor=False)
if not covers.covered("gap"):
    levels.show_levels(run, curves, sigma, specimens[0])

with errors_in_words():
    clone_test.show_clone_test(run, step, specimens, level)
