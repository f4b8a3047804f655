"""One image at one noise level: noisy, and what the network and a perfect memory make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ambient.images.corpus import to_bytes
from ambient.runs.folder import Run
from ui import data, noise, words
from ui.noise_microscope.answers import Answer, Answers, pack, perfect_memory, remembered
from ui.noise_microscope.specimens import Specimen
from ui.pictures import NEUTRAL, Images, arm_color, enlarge, png
from ui.teacher import control, hidden

TOP = 5
LEAST = 0.0005  # a weight that a caption names
TILE = 140  # as wide as four of them and the origins fit beside the choice of the image
ORIGINS = 340  # as wide as a phone


def _known(run: Run, step: int, specimen: Specimen) -> Answers | None:
    """All that is stored or was asked for in this session of a network and an image."""
    found = pack(run)
    if found and step == run.last_step and found.positions[specimen.kind] == specimen.position:
        return found.answers[specimen.kind]
    answers: Answers | None = remembered("asked").get((data.weights(run, step), specimen.sha256))
    return answers


def network(run: Run, step: int, specimen: Specimen, sigma: float) -> Answer | None:
    """The network's answer at a level, where it is stored or has been asked for."""
    return (_known(run, step, specimen) or {}).get(sigma)


def asked(run: Run, step: int, specimens: Sequence[Specimen]) -> bool:
    """Whether a network answered in this session about one of these images."""
    return any((data.weights(run, step), s.sha256) in remembered("asked") for s in specimens)


def ask(run: Run, step: int, specimen: Specimen, levels: Sequence[float]) -> None:
    """Ask the network about an image at every level, so that the slider moves at once.

    Raises:
        InputError: unusable weights, or another visitor's work takes too long.
    """
    from ui.noise_microscope import live_denoiser

    found = live_denoiser.answers(run, step, specimen.image, levels)
    key = data.weights(run, step), specimen.sha256
    remembered("asked")[key] = dict(zip(levels, found, strict=True))


def forget_level() -> None:
    """A level that nobody chose: another run begins at its own widest gap, as its link does."""
    if "sigma" not in st.query_params:
        st.session_state.pop("sigma", None)


@control("settings")
def choose_level(levels: Sequence[float], usual: float) -> float:
    """The slider over the stored levels; `?sigma=` in the address."""
    if st.session_state.get("sigma", levels[0]) not in levels:  # the cutoff of another run
        now = st.session_state["sigma"]
        st.session_state["sigma"] = nearest_level(levels, now)
    digits = 3 if len({f"{s:.3g}" for s in levels}) == len(levels) else 6
    return st.select_slider(
        "Noise level σ",
        levels,
        value=usual,
        format_func=lambda s: f"{s:.{digits}g}",
        key="sigma",
        bind="query-params",
        width=620,
    )


def nearest_level(levels: Sequence[float], sigma: float) -> float:
    return min(levels, key=lambda s: abs(np.log(s / sigma)))


@control("settings")
def choose_step(run: Run) -> int:
    """Which stored weights; `?step=` in the address."""
    if len(run.steps) < 2:
        return run.last_step
    if st.session_state.get("step", run.last_step) not in run.steps:
        st.session_state["step"] = run.last_step
    return st.selectbox(
        "Training step",
        run.steps,
        index=len(run.steps) - 1,
        key="step",
        bind="query-params",
        width=180,
    )


def show_row(run: Run, step: int, specimen: Specimen, sigma: float) -> None:
    """In a row: the image, noisy, as the network and a perfect memory see it, its origins."""
    train = data.sets(run).train
    noisy = noise.at(specimen.image, sigma)
    denoised, weights = perfect_memory(noisy, train, sigma)
    best = Answer.of(denoised, specimen.image)
    of = f"of {specimen.name} at noise level {sigma:.3g}"
    with st.container(horizontal=True, gap="small"):
        _tile(specimen.image, "clean", f"{specimen.kind} image: {specimen.name}")
        _tile(to_bytes(noisy[None])[0], "noisy", f"Noisy version {of}")
        found = network(run, step, specimen, sigma)
        if found:
            caption = f"**network**  \nerror {found.error:.2g}"
            _tile(found.image, caption, f"What the network makes {of}")
        else:
            _offer_to_ask(run, step, specimen)
        _tile(best.image, f"**perfect memory**  \nerror {best.error:.2g}", f"Ideal denoiser {of}")
        _origins(run, weights)


def _tile(image: Images, caption: str, alt: str) -> None:
    st.image(png(enlarge(image, 2 * TILE)), width=TILE, caption=caption, alt=alt)


def _offer_to_ask(run: Run, step: int, specimen: Specimen) -> None:
    """A tile with a button where no picture is stored."""
    if hidden("live"):
        return
    tile = st.container(
        width=TILE,
        height=TILE,
        border=True,
        horizontal_alignment="center",
        vertical_alignment="center",
    )
    if not run.steps:
        tile.caption("This run stores no weights to ask.")
        return
    if tile.button("Ask the network", key=f"ask-{specimen.kind}", type="tertiary"):
        levels = [p.sigma for p in curves.levels] if (curves := data.curves(run)) else []
        with tile, st.spinner("Asking"):
            ask(run, step, specimen, levels)
        st.rerun()


def _origins(run: Run, weights: NDArray[np.float64]) -> None:
    """The training images a noisy one most likely came from, a bar under each for its weight."""
    both = data.sets(run)
    top = np.argsort(-weights, kind="stable")[:TOP].tolist()
    names = [f"{both.train_names[i]} {words.percent(weights[i])}" for i in top]
    shown = ", ".join(n for n, i in zip(names, top, strict=True) if weights[i] >= LEAST)
    st.image(
        origins(both.train[top], weights[top], arm_color(run.config.arm)),
        width=ORIGINS,
        caption=f"**it could be**  \n{words.unmarked(shown)}",
        alt=f"Training images that the noisy one may come from: {shown}",
    )


def origins(images: Images, weights: Sequence[float], color: str, tile: int = 160) -> bytes:
    """Images side by side, each over a bar as long as its weight."""
    tiles = [enlarge(x, tile) for x in images]
    side, gap, bar = tiles[0].width, 20, 14
    size = (len(tiles) * (side + gap), side + 24 + bar)  # a margin, for corners are rounded
    sheet = Image.new("RGBA", size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(sheet)
    for k, (picture, weight) in enumerate(zip(tiles, weights, strict=True)):
        x, y = gap // 2 + k * (side + gap), side + 12
        sheet.paste(picture, (x, 0))
        pen.rectangle((x, y, x + side - 1, y + bar - 1), outline=NEUTRAL, width=2)
        if weight * side >= 1:
            pen.rectangle((x, y, x + round(weight * side) - 1, y + bar - 1), fill=color)
    return png(sheet)


def rows(
    run: Run, step: int, specimens: Sequence[Specimen], levels: Sequence[float]
) -> list[dict[str, object]]:
    """The errors of both images at every level, and the likeliest origin with its weight."""
    both, table = data.sets(run), []
    for specimen in specimens:
        for sigma in levels:
            noisy = noise.at(specimen.image, sigma)
            denoised, weights = perfect_memory(noisy, both.train, sigma)
            found = network(run, step, specimen, sigma)
            table.append(
                {
                    "kind": specimen.kind,
                    "image": specimen.name,
                    "sigma": sigma,
                    "network_error": found.error if found else None,
                    "ideal_error": Answer.of(denoised, specimen.image).error,
                    "origin": both.train_names[int(weights.argmax())],
                    "weight": float(weights.max()),
                }
            )
    return table
