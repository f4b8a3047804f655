"""The return test for one image: noise it, sample down from there, see whether it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from ambient.diffusion.records import Level
from ambient.images.corpus import to_bytes
from ambient.runs.folder import Run
from ui import data, noise, words
from ui.controls import pick
from ui.noise_microscope import levels
from ui.noise_microscope.answers import Return, remembered
from ui.noise_microscope.specimens import Specimen
from ui.pictures import FRAME, NEUTRAL, Images, arm_color, enlarge, equals, png
from ui.teacher import control, hidden

SEEDS = tuple(range(1, 7))  # noises; 0 is that of the pictures above
KINDS = ("training", "unseen", "generated")


def show_clone_test(run: Run, step: int, specimens: Sequence[Specimen], level: Level) -> None:
    """The stored rates in a sentence, one image under several noises, and the test on a click."""
    st.subheader("Clone test: what comes back?", anchor=False)
    st.markdown(
        "Noise an image, then let the network sample down from there. At low noise any real "
        "image comes back, for most of it is still there. At a level where unseen images no longer "
        "do, one that comes back as itself is known by heart. "
        + (levels.returned(level) or "No rates are stored for this level."),
        width=760,
    )
    if warning := levels.tells_little(level):
        st.markdown(f":material/info: **{warning}**", width=760)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = pick("settings", "Which image", KINDS, key="clone")
        origin = _generated(run) if kind == KINDS[2] else specimens[KINDS.index(kind)]
        may = bool(run.steps) and not hidden("live")
        icon = ":material/play_arrow:"
        go = may and st.button("Run the clone test", type=words.prominent(), icon=icon)
    found = _tested(run, step, origin, level.sigma, go)
    names = data.sets(run).train_names
    words.under(
        "clone-test",
        _result(run, origin, found),
        [words.provenance(run, None, bool(found), step)],
        lambda: [
            {"noise": seed, "came_back": r.home, "nearest": names[r.nearest]}
            for seed, r in zip(SEEDS, found, strict=False)
        ],
        words.measures(run, "--json curves.json"),
    )


def _tested(run: Run, step: int, origin: Specimen, sigma: float, go: bool) -> Sequence[Return]:
    """Draw what came back, as known from before or, on a click, one noise after the other."""
    split = run.config.corpus_sha256, run.config.n_train, run.config.split_seed
    key = (data.weights(run, step), split, origin.sha256, origin.kind, sigma)
    slot = st.empty()
    if go:
        from ui.noise_microscope import live_denoiser

        found: list[Return] = []
        bar = st.progress(0.0, "Loading the network")
        for one in live_denoiser.returns(run, step, origin, sigma, SEEDS):
            found.append(one)
            share = len(found) / len(SEEDS)
            bar.progress(share, f"Sampled down from {len(found)} of {len(SEEDS)} noises")
            _draw(slot, run, origin, sigma, found)
        bar.empty()
        remembered("clones")[key] = found
    known: Sequence[Return] = remembered("clones").get(key, ())
    _draw(slot, run, origin, sigma, known)
    return known


@control("settings")
def _generated(run: Run) -> Specimen:
    images, seeds = data.samples(run)
    chosen = st.number_input(
        "Sample", 0, len(images) - 1, 0, key="sample", bind="query-params", width=140
    )
    name = f"sample of seed {int(seeds[chosen])}"
    return Specimen(images[chosen], name, "generated", int(chosen))


def _draw(slot: Any, run: Run, origin: Specimen, sigma: float, found: Sequence[Return]) -> None:
    noisy = to_bytes(np.stack([noise.at(origin.image, sigma, s) for s in SEEDS]))
    home = sum(r.home for r in found)
    slot.image(
        sheet(origin.image, noisy, found, arm_color(run.config.arm)),
        width=760,
        alt=f"{origin.name} under {len(SEEDS)} noises of level {sigma:.3g}"
        + (f" and what the network made of each; {home} came back" if found else ""),
    )


def _result(run: Run, origin: Specimen, found: Sequence[Return]) -> str:
    """What the picture shows, in words."""
    name = words.unmarked(origin.name)
    shown = f"Left: *{name}*. Top: the same image under {len(SEEDS)} noises of this level. "
    if not found:
        return shown + "The row below is empty until the test is run."
    home = sum(r.home for r in found)
    names = data.sets(run).train_names
    away = list(dict.fromkeys(names[r.nearest] for r in found if not r.home))
    text = f"{shown}Below: what came of each. **{home} of {len(found)} came back**, framed"
    others = words.unmarked(", ".join(away))
    return text + (f"; nearest to the others: {others}." if away else ".")


def sheet(
    origin: Images, noisy: Images, found: Sequence[Return], color: str, tile: int = 128
) -> bytes:
    """The origin, its noisy versions, and under each what came back; framed if it is the same."""
    first, tops = enlarge(origin, tile), [enlarge(x, tile) for x in noisy]
    side, gap = first.width, 2 * FRAME + 8
    pitch, left = side + gap, FRAME
    size = (left + (len(tops) + 1) * pitch + gap, 2 * pitch + FRAME)
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    picture.paste(first, (left, FRAME + pitch // 2))
    for k, top in enumerate(tops):
        x, y = left + gap + (k + 1) * pitch, FRAME + pitch
        picture.paste(top, (x, FRAME))
        if k >= len(found):
            pen.rounded_rectangle((x, y, x + side - 1, y + side - 1), 8, outline=NEUTRAL, width=2)
            continue
        picture.paste(enlarge(found[k].image, tile), (x, y))
        if found[k].home:
            edge = (x - FRAME, y - FRAME, x + side + FRAME - 1, y + side + FRAME - 1)
            pen.rounded_rectangle(edge, 12, outline=color, width=FRAME - 2)
            equals(pen, (x + side - 12, y + side - 12), color)
    return png(picture)
