"""One image at one noise level: noisy, and what the network and a perfect memory make of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ambient.errors import InputError
from ambient.images.corpus import ASSETS, to_bytes, to_rows, to_unit
from ambient.runs.folder import Run
from ui import data, noise, words
from ui.noise_microscope import own_image
from ui.pictures import NEUTRAL, Images, arm_color, enlarge, png
from ui.teacher import control, hidden

PACKS = ASSETS / "microscope"  # made by scripts/build_microscope.py
KINDS = ("training", "unseen")
TOP = 5
LEAST = 0.0005  # a weight that a caption names
REMEMBERED = 16  # answers of a session: 75 kB each
TILE = 140  # as wide as four of them and the origins fit beside the choice of the image
ORIGINS = 340  # as wide as a phone
LISTED = 2000  # names in a list; more would be megabytes in the browser
BLOCK = 4096  # training images in memory as numbers at once


@dataclass(frozen=True)
class Specimen:
    """An image under the microscope.

    Attributes:
        image: (h, w, c).
        kind: training, unseen or generated.
        position: among the run's images of this kind; None for a visitor's own.
    """

    image: Images
    name: str
    kind: str
    position: int | None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.image.tobytes()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """A denoised image and its mean squared error an element."""

    image: Images
    error: float

    @classmethod
    def of(cls, denoised: NDArray[np.float32], clean: Images) -> Answer:
        """
        Args:
            denoised: (c, h, w) in [-1, 1], not clipped. clean: (h, w, c).
        """
        error = ((denoised.astype(np.float64) - to_unit(clean[None])[0]) ** 2).mean()
        return cls(to_bytes(denoised[None])[0], float(error))


def posterior(noisy: NDArray[np.float32], train: Images, sigma: float) -> NDArray[np.float64]:
    """Which training image, all equally likely, gave this noisy one: `posterior`.

    In numpy, so that a page opens without torch.
    """
    x = noisy.reshape(1, -1)
    blocks = (to_rows(train[i : i + BLOCK]) for i in range(0, len(train), BLOCK))
    d2 = np.concatenate([((b - x) ** 2).sum(1, dtype=np.float64) for b in blocks])
    w = np.exp((d2.min() - d2) / (2 * sigma**2))
    return w / w.sum()


def ideal(noisy: NDArray[np.float32], weights: NDArray[np.float64], train: Images) -> NDArray:
    """The mean of the training images under the posterior: the denoiser that memorizes."""
    held = np.flatnonzero(weights > 1e-9)
    total = np.zeros(noisy.size)
    for i in range(0, len(held), BLOCK):
        rows = held[i : i + BLOCK]
        total += weights[rows] @ to_rows(train[rows])
    return total.reshape(noisy.shape).astype(np.float32)


Answers = dict[float, Answer]  # by noise level


@dataclass(frozen=True)
class Pack:
    """What a run's network makes of one training and one unseen image at every level."""

    positions: dict[str, int]
    answers: dict[str, Answers]
    checkpoint_sha256: str


def pack(run: Run) -> Pack | None:
    """The stored pictures of a run, if they are of the network that its curves are of."""
    path, curves = PACKS / f"{run.name}.npz", data.curves(run)
    found = _pack(str(path), data.stamp(path)) if path.exists() else None
    same = found and curves and curves.get("checkpoint_sha256") == found.checkpoint_sha256
    return found if same else None


@st.cache_resource(max_entries=16)
def _pack(path: str, changed: int) -> Pack:
    with np.load(path, allow_pickle=False) as f:
        stored = {k: f[k] for k in f.files}
    positions = dict(zip(KINDS, stored["positions"].tolist(), strict=True))
    answers = {}
    for kind, images, errors in zip(KINDS, stored["images"], stored["errors"], strict=True):
        found = [Answer(x, float(e)) for x, e in zip(images, errors, strict=True)]
        answers[kind] = dict(zip(stored["sigmas"].tolist(), found, strict=True))
    return Pack(positions, answers, str(stored["checkpoint_sha256"]))


def _asked() -> dict[tuple[str, str], Answers]:
    """What networks answered in this session, by the hashes of their weights and of the image."""
    return st.session_state.setdefault("microscope-asked", {})


def network(run: Run, step: int, specimen: Specimen, sigma: float) -> Answer | None:
    """The network's answer at a level, where it is stored or has been asked for."""
    found = pack(run)
    if found and step == run.last_step and found.positions[specimen.kind] == specimen.position:
        return found.answers[specimen.kind].get(sigma)
    return _asked().get((data.weights(run, step), specimen.sha256), {}).get(sigma)


def asked(run: Run, step: int, specimens: Sequence[Specimen]) -> bool:
    """Whether a network answered in this session about one of these images."""
    return any((data.weights(run, step), s.sha256) in _asked() for s in specimens)


def ask(run: Run, step: int, specimens: Sequence[Specimen], levels: Sequence[float]) -> None:
    """Ask the network about these images at every level, so that the slider moves at once.

    Raises:
        InputError: unusable weights, or another visitor's work takes too long.
    """
    from ui.noise_microscope import live_denoiser

    known = _asked()
    for specimen in specimens:
        found = live_denoiser.answers(run, step, specimen.image, levels)
        known[data.weights(run, step), specimen.sha256] = dict(zip(levels, found, strict=True))
    for old in list(known)[:-REMEMBERED]:
        del known[old]


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


def choose_training(run: Run) -> Specimen:
    both = data.sets(run)
    return _choose(run, "training", "Training image", both.train, both.train_names)


def choose_unseen(run: Run) -> Specimen:
    """An image the network never saw: a held-out one, or the visitor's own."""
    both, place = data.sets(run), st.container()
    own = _own_picture(run)
    with place:
        listed = _choose(run, "unseen", "Unseen image", both.heldout, both.heldout_names, bool(own))
    return own or listed


def _choose(
    run: Run, kind: str, label: str, images: Images, names: Sequence[str], disabled: bool = False
) -> Specimen:
    labels = _labels(tuple(names[:LISTED]))
    found = pack(run)
    usual = found.positions[kind] if found else 0
    if st.session_state.get(kind, labels[0]) not in labels:  # of another run
        st.session_state[kind] = labels[usual]
    with control("settings"):
        chosen = st.selectbox(
            label, labels, index=usual, key=kind, bind="query-params", disabled=disabled
        )
    position = labels.index(chosen)
    return Specimen(images[position], names[position], kind, position)


@st.cache_data(max_entries=32, show_spinner=False)
def _labels(names: tuple[str, ...]) -> list[str]:
    """Names, each once: another image of the same name gets its number."""
    seen: set[str] = set()
    labels = []
    for i, name in enumerate(names):
        labels.append(f"{name} ({i})" if name in seen else name)
        seen.add(name)
    return labels


def _own_picture(run: Run) -> Specimen | None:
    """The visitor's picture in the run's size; one clear line where it cannot be read."""
    if hidden("open"):
        return None
    with st.popover("Use your own", icon=":material/upload:", type="tertiary"):
        file = st.file_uploader(
            "A picture of yours, in place of the unseen one",
            type=["png", "jpg", "jpeg", "webp"],
            max_upload_size=own_image.MEGABYTES,
            key="own-picture",
        )
    if file is None:
        return None
    try:
        image = own_image.decode(file.getvalue(), run.config)
    except InputError as e:
        words.refuse(e)
        return None
    st.caption("Your picture, in place of the one above")
    return Specimen(image, "your image", "unseen", None)


def show(run: Run, step: int, specimen: Specimen, sigma: float) -> None:
    """In a row: the image, noisy, as the network and a perfect memory see it, its origins."""
    train = data.sets(run).train
    noisy = noise.at(specimen.image, sigma)
    weights = posterior(noisy, train, sigma)
    best = Answer.of(ideal(noisy, weights, train), specimen.image)
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
        levels = [p["sigma"] for p in (data.curves(run) or {})["levels"]]
        with tile, st.spinner("Asking"):
            ask(run, step, [specimen], levels)
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
            weights = posterior(noisy, both.train, sigma)
            best = Answer.of(ideal(noisy, weights, both.train), specimen.image)
            found = network(run, step, specimen, sigma)
            table.append(
                {
                    "kind": specimen.kind,
                    "image": specimen.name,
                    "sigma": sigma,
                    "network_error": found.error if found else None,
                    "ideal_error": best.error,
                    "origin": both.train_names[int(weights.argmax())],
                    "weight": float(weights.max()),
                }
            )
    return table
