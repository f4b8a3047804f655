"""At which noise levels a network treats training images differently from unseen ones."""

import streamlit as st

from ui import charts, data, words
from ui.charts.levels import noise_levels
from ui.frame import enter, errors_in_words
from ui.noise import strip

enter(
    "Noise microscope",
    "A diffusion model is one denoiser for every noise level. Memory shows where it denoises its "
    "training images better than images it never saw.",
)
runs = {r.name: r for r in [*data.bundled(), *data.own()]}
if not runs:
    words.missing("No stored runs yet.", "python -m ambient train --out runs/first")
    st.stop()
names = sorted(runs, key=lambda k: data.curves(runs[k]) is None)
name = st.selectbox(
    "Run",
    names,
    key="run",
    bind="query-params",
    width=420,
)
run = runs[name]
with errors_in_words():
    curves = data.curves(run)
    images = data.sets(run)
command = f"python -m ambient curves {words.address(run)}"

if curves is None:
    words.missing(f"Run {run.name} has no stored curves yet.", f"{command} --store")
    st.stop()

peak = max(curves["levels"], key=lambda p: p["gap_ratio"])
low, high = peak["gap_ratio_ci95"]
times = words.tinted(f"{peak['gap_ratio']:.3g} times", run.config.arm)
st.subheader(
    f"At noise level {peak['sigma']:.2g}, unseen images cost {times} the error of training images.",
    anchor=False,
)
st.caption(f"The widest gap; 95 % interval over images: {low:.3g} to {high:.3g} times.")
charts.show(
    noise_levels(curves, run.config.arm, strip(images.train[0])),
    f"levels-{name}",
    f"Five aligned panels against noise level for {words.run_name(run)}: a training image under "
    f"growing noise, the error on training and unseen images, their ratio, which peaks at "
    f"{peak['gap_ratio']:.3g} near noise level {peak['sigma']:.2g}, what the noisy image gives "
    "away, and where training draws its noise levels.",
)
subset = curves["subset"]
drawn = f"{len(subset['train'])} training and {len(subset['heldout'])} unseen images"
words.under(
    "noise-levels",
    f"Follow one noise level down all panels, from what the network sees ({images.train_names[0]}, "
    "a training image). Where unseen and training images part, it has memorized; where a noisy "
    "image no longer says which image it was, nothing could. *Certainty*: of the best guess which "
    "training image it was. *Identity left*: the share of that question it answers. *Unseen in "
    "reach*: unseen images that could pass for noisy training images.",
    [words.provenance(run, data.report(run)), f"{drawn}, {subset['noises']} noises each"],
    lambda: [
        {k: v for k, v in p.items() if not isinstance(v, list)}
        | dict(zip(("gap_ratio_low", "gap_ratio_high"), p["gap_ratio_ci95"], strict=True))
        for p in curves["levels"]
    ],
    f"{command} --json curves.json",
)
