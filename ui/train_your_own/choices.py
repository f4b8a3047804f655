"""The form of a training run: preset cards that fill it, its fields, what it will cost."""

from __future__ import annotations

from statistics import median
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ambient.config import ARMS, Config, configure
from ambient.corpus import BUNDLED
from ambient.presets import PRESETS, Preset
from ui import data, words

OTHERS: dict[str, Any] = {"cutoff": 1.0, "batch": 32, "lr": 1e-3, "width": 48, "seed": 0}
FIRST = next(iter(PRESETS.values()))  # fills the form until a card is chosen


def _settings(preset: Preset) -> dict[str, Any]:
    return {**OTHERS, **preset.choices, "corpus": preset.corpus}


def _fill(preset: Preset) -> None:
    for name, value in _settings(preset).items():
        st.session_state[f"train-{name}"] = value


def cards() -> None:
    """Known settings, known outcomes, and why."""
    for column, (key, preset) in zip(
        st.columns(len(PRESETS), gap="small"), PRESETS.items(), strict=True
    ):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{preset.title}**")
            st.caption(preset.why)
            st.space("stretch")
            st.markdown(_outcome(preset))
            st.button(
                "Use these settings",
                key=f"preset-{key}",
                on_click=_fill,
                args=(preset,),
                width="stretch",
            )


def _outcome(preset: Preset) -> str:
    shown = next((r for r in data.bundled() if r.name == preset.shown_by), None)
    found = data.report(shown) if shown else None
    if not found:
        return ":gray[outcome not stored yet]"
    rule = found["copies"]["ratio"]
    rate = words.tinted(f"**{words.percent(rule['rate'])}**", preset.choices["arm"])
    alarms = f"unseen images: {words.percent(rule['heldout_rate'])}"
    return f"{rate} copied  \n:small[:gray[{words.interval(rule['ci95'])} · {alarms}]]"


def fields() -> dict[str, Any]:
    """The fields of a run, filled by a card or by hand.

    All are in the address. They have no bounds of their own: `config` says in words what is wrong,
    where a bounded field would silently keep the value before.
    """
    first = _settings(FIRST)

    def bound(name: str) -> dict[str, Any]:
        return {"key": f"train-{name}", "bind": "query-params"}

    def number(column: DeltaGenerator, label: str, name: str, step: float, **more: Any) -> float:
        return column.number_input(label, value=first[name], step=step, **bound(name), **more)

    a, b, c, d = st.columns(4)
    corpus = a.selectbox("Images", BUNDLED, BUNDLED.index(first["corpus"]), **bound("corpus"))
    n_train = number(b, "How many to train on", "n_train", 1)
    arms = list(ARMS)
    about = "  \n".join(f"**{name}**: {what}" for name, what in ARMS.items())
    arm = c.selectbox("Training", arms, arms.index(first["arm"]), help=about, **bound("arm"))
    cutoff = number(d, "Cutoff", "cutoff", 0.1, disabled=arm == "standard")
    a, b, c, d = st.columns(4)
    steps = number(a, "Steps", "steps", 100)
    batch = number(b, "Images a step", "batch", 1)
    width = number(c, "Network width", "width", 16)
    seed = number(d, "Seed", "seed", 1)
    return {
        "corpus": corpus,
        "n_train": int(n_train),
        "arm": arm,
        "cutoff": 0.0 if arm == "standard" else float(cutoff),
        "steps": int(steps),
        "batch": int(batch),
        "width": int(width),
        "seed": int(seed),
        "lr": st.session_state.get("train-lr", first["lr"]),
    }


def estimate(choices: dict[str, Any]) -> str:
    """How long it will take, from finished runs of the same images, trained as this one will be."""
    speeds: dict[int, list[float]] = {}
    for run in [*data.own(), *data.bundled()]:
        c = run.config
        if c.corpus == choices["corpus"] and c.threads == 1 and run.state["status"] == "done":
            pace = median(line["images_per_second"] for line in data.metrics(run))
            speeds.setdefault(abs(c.width - choices["width"]), []).append(pace * c.width)
    if not speeds or min(choices["steps"], choices["batch"], choices["width"]) < 1:
        return "No finished run says how long this takes."
    speed = median(speeds[min(speeds)]) / choices["width"]
    seconds = choices["steps"] * choices["batch"] / speed
    return f"About {words.duration(seconds)}, judged by the speed of finished runs."


def config(choices: dict[str, Any]) -> Config:
    """
    Raises:
        InputError: choices that could not be trained.
    """
    rest = {k: v for k, v in choices.items() if k != "corpus"}
    return configure(data.bundled_corpus(choices["corpus"]), **rest)
