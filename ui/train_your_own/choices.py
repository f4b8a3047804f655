"""The form of a training run: preset cards that fill it, its fields, what it will cost."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ambient.config import ARMS, Config, configure
from ambient.corpus import BUNDLED
from ambient.errors import InputError
from ambient.presets import PRESETS, Preset
from ambient.run import Run
from ui import data, visitor, words

SCRATCH = "scratch"  # to start from nothing
FILLED = "form-filled"  # from inside a fragment: the form is outside of it
OTHERS: dict[str, Any] = {
    "cutoff": 1.0, "batch": 32, "lr": 1e-3, "width": 48, "seed": 0, "start": SCRATCH,
}  # fmt: skip
FIRST = next(iter(PRESETS.values()))  # fills the form until a card is chosen


def _settings(preset: Preset) -> dict[str, Any]:
    return {**OTHERS, **preset.choices, "corpus": preset.corpus}


def settings(c: Config) -> dict[str, Any]:
    """What the form asks for, as a run has it."""
    names = ("corpus", "n_train", "arm", "steps", "batch", "lr", "width", "seed")
    return {**OTHERS, **{name: getattr(c, name) for name in names}, "cutoff": c.cutoff or 1.0}


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form, for its next run."""
    st.session_state.update({f"train-{name}": value for name, value in values.items()})


def start_from(run: Run) -> None:
    """Fill the form with a run's settings, to go on from its weights."""
    fill({**settings(run.config), "start": f"{run.name}@{run.last_step}"})
    st.session_state[FILLED] = True


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
                on_click=fill,
                args=(_settings(preset),),
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


def _starts(corpus: str, width: int) -> dict[str, tuple[Run, int]]:
    """All stored weights that fit such a run, by run@step."""
    known = [*visitor.runs().values(), *data.bundled()]
    fit = [r for r in known if (r.config.corpus, r.config.width) == (corpus, width)]
    return {f"{r.name}@{step}": (r, step) for r in fit for step in r.steps[::-1]}


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
    a, _, _, _ = st.columns(4)
    start = a.selectbox(
        "Start from",
        [SCRATCH, *_starts(corpus, int(width))],
        format_func=lambda s: "nothing learned" if s == SCRATCH else s.replace("@", ", step "),
        help="Weights of another run, of the same width and kind of images.",
        **bound("start"),
    )
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
        "start": start,
    }


def _speed(corpus: str, width: int) -> float | None:
    """Images a second, from finished runs of the same images, trained as a new one will be."""
    speeds: dict[int, list[float]] = {}
    for run in [*data.own(), *data.bundled()]:
        c, lines = run.config, data.metrics(run)
        if c.corpus == corpus and c.threads == 1 and lines and run.state["status"] == "done":
            pace = median(line["images_per_second"] for line in lines)
            speeds.setdefault(abs(c.width - width), []).append(pace * c.width)
    return median(speeds[min(speeds)]) / width if speeds else None


def _pace(c: Config) -> float | None:
    """Seconds a step of a run that has not trained yet."""
    speed = _speed(c.corpus, c.width)
    return c.batch / speed if speed else None


def estimate(chosen: dict[str, Any]) -> str:
    """How long it will take, and how long it will wait before."""
    if min(chosen["steps"], chosen["batch"], chosen["width"]) < 1:
        return ""
    speed = _speed(chosen["corpus"], chosen["width"])
    text = "No finished run says how long this takes."
    if speed:
        seconds = chosen["steps"] * chosen["batch"] / speed
        text = f"About {words.duration(seconds)}, judged by the speed of finished runs."
    return f"{text} {_wait(None)}"


def waiting(run: Run) -> str:
    """Where a queued run stands."""
    from ambient import worker

    return f"Runs before this one: {worker.position(run)}. {_wait(run)}"


def _wait(run: Run | None) -> str:
    from ambient import worker

    seconds = worker.wait_seconds(run, data.runs_folder(), visitor.token(), _pace)
    if seconds is None:
        return "How long it waits for others is not known."
    return f"It starts in about {words.duration(seconds)}." if seconds else "It starts at once."


def submit(chosen: dict[str, Any]) -> Run:
    """Queue the run.

    Raises:
        InputError: choices that could not be trained, or are too much for this server.
    """
    from ambient import worker

    rest = {k: v for k, v in chosen.items() if k not in ("corpus", "start")}
    config = configure(data.bundled_corpus(chosen["corpus"]), **rest)
    start = None
    if chosen["start"] != SCRATCH:
        start = _starts(chosen["corpus"], chosen["width"]).get(chosen["start"])
        if start is None:
            raise InputError(f"'{chosen['start']}' is no longer there; choose what to start from.")
    return worker.submit(config, data.runs_folder(), visitor.own_token(), start)
