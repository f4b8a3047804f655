"""Every choice that a form offers, as `Config` declares it, filled by a preset or a run."""

from collections.abc import Container
from typing import Any

import streamlit as st
from msgspec import Meta

from ambient.config import CHOICES, PEAK_RATES, TYPES
from ambient.files import InputError
from ambient.images.corpus import BUNDLED, Corpus
from ambient.runs.folder import OWN, Run
from ambient.runs.presets import PRESETS
from ui import data, stages, visitor, words
from ui.teacher import hidden
from ui.train import cards, desk, own_pictures, suggestion
from ui.training_form import OFFERED, SCRATCH, fill, settings, settings_of

FIRST = settings_of(next(iter(PRESETS.values())))  # fills the form until something else does
OPEN = "advanced"  # in the address, and in the session: whether the form is unfolded


def start_from(run: Run) -> None:
    """Unfold the form with a run's settings, to go on from its weights."""
    fill({**settings(run.config), "start": f"{run.name}@{run.last_step}"})
    st.session_state[OPEN] = True
    st.query_params.pop("mine", None)


def started_from() -> str:
    """The weights to start from, as run@step; empty without any."""
    asked = st.session_state.get("train-start", st.query_params.get("train-start", SCRATCH))
    return "" if asked == SCRATCH else str(asked)


def show() -> None:
    """The folded form, and what its buttons start."""
    suggestion.fill_waiting()
    if any(k.startswith("train-") for k in st.query_params):  # a link brings settings along
        st.session_state.setdefault(OPEN, True)
    place = st.expander("Advanced", icon=":material/tune:", key=OPEN, bind="query-params")
    if not place.open:
        return
    with place:
        images, choices = _fields()
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            go = st.button("Train", "go-form", icon=":material/play_arrow:", type=words.prominent())
            both = st.button("Train a pair", "go-pair", icon=":material/balance:", help=PAIR)
            if images and not hidden("live"):
                suggestion.offer(images, choices["n_train"])
            st.caption(_expected(images, choices), width="content")
    if go or both:
        cards.start(images, choices, pair=both)


PAIR = "Two runs, all else the same: one without a cutoff, and one with it, or with a suggested one"


def _expected(images: Corpus | None, choices: dict[str, Any]) -> str:
    """How long it takes, and when copying is expected to begin."""
    said = []
    try:
        found = desk.seconds(desk.configured(images, choices))
        said += [f"About {words.duration(found)}."] if found else []
        said.append(desk.wait())
    except InputError:
        return ""  # said when it is asked for
    if onset := stages.usual_onset(choices["n_train"], choices["batch"]):
        near = f"near step {onset.low:,} to {onset.high:,}"
        said.append(f"Without a cutoff, copying (d1/d2 < 1/3) begins {near}.")
    return " ".join(filter(None, said))


def _fields() -> tuple[Corpus | None, dict[str, Any]]:
    """The fields and the images they speak of.

    All are in the address. They have no bounds of their own: `config` says in words what is wrong,
    where a bounded field would silently keep the value before.
    """
    st.selectbox(
        "Fill it in as",
        list(PRESETS),
        None,
        format_func=lambda name: PRESETS[name].title,
        key="preset",
        placeholder="a card",
        on_change=_fill_preset,
        width=320,
    )
    grid = st.grid(4, min_column_width=150, gap="small", vertical_alignment="bottom")
    corpora = [*BUNDLED] if hidden("open") else [*BUNDLED, OWN]
    with grid:
        corpus = st.selectbox(
            "Images",
            corpora,
            corpora.index(FIRST["corpus"]),
            format_func=lambda name: "my own pictures" if name == OWN else name,
            key="train-corpus",
            bind="query-params",
        )
        chosen = {name: _ask(name) for name in OFFERED}
        images = desk.images_of(corpus, started_from())
        start = _start(images, chosen)
        if corpus == OWN:
            own_pictures.choose_size()
    return images, {**chosen, "corpus": corpus, "start": start}


def _fill_preset() -> None:
    if name := st.session_state["preset"]:
        fill(settings_of(PRESETS[name]))


def _ask(name: str) -> Any:
    """The widget of a field, by its type and bounds."""
    choice, hint, value = CHOICES[name], TYPES[name], FIRST[name]
    more: dict[str, Any] = {"key": f"train-{name}", "bind": "query-params"}
    label, kind = choice.title.capitalize(), hint.__origin__
    if choice.among:
        about = "  \n".join(f"**{key}**: {what}" for key, what in choice.among.items())
        names = list(choice.among)
        if name == "network":
            more["on_change"] = _usual_rate
        return st.selectbox(label, names, names.index(value), help=about, **more)
    about = choice.help
    if kind is bool:
        return st.toggle(label, value, help=about, **more)
    bounds = next((a for a in hint.__metadata__ if isinstance(a, Meta)), Meta())
    if kind is int:
        step = bounds.multiple_of or max(1, 10 ** (len(str(choice.usual)) - 2))
        return int(st.number_input(label, value=value, step=step, help=about, **more))
    step = (bounds.lt or bounds.le or 1) / 1000
    off = name == "cutoff" and st.session_state.get("train-arm", FIRST["arm"]) == "standard"
    return float(
        st.number_input(
            label, value=float(value), step=step, format="%g", help=about, disabled=off, **more
        )
    )


def _usual_rate() -> None:
    """The learning rate follows the kind of network."""
    st.session_state["train-lr"] = PEAK_RATES[st.session_state["train-network"]]


def _start(images: Corpus | None, chosen: dict[str, Any]) -> str:
    """The weights to start from, among those that fit."""
    fit = desk.starts(images, chosen["width"], chosen["network"])
    start: str = st.selectbox(
        "Start from",
        [SCRATCH, *fit, *_misfit(fit)],
        format_func=lambda s: "nothing learned" if s == SCRATCH else s.replace("@", ", step "),
        help="Weights of another run, of the same kind of network, width and size of images.",
        key="train-start",
        bind="query-params",
    )
    if images and start not in (SCRATCH, *fit):
        st.caption(f":orange[{desk.MISFIT}]")
    return start


def _misfit(fit: Container[str]) -> list[str]:
    """The weights chosen before a width or kind of network that they do not fit."""
    chosen, known = started_from(), [*visitor.runs(), *(run.name for run in data.bundled())]
    return [chosen] if chosen and chosen not in fit and chosen.partition("@")[0] in known else []
