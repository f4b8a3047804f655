"""The form of a training run: preset cards that fill it, its fields, what it will cost."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from statistics import median
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ambient.config import (
    CHOICES,
    PEAK_RATES,
    PRESETS,
    Config,
    Preset,
    configure,
    usual_threads,
)
from ambient.files import InputError
from ambient.images.corpus import BUNDLED, Corpus
from ambient.runs import queue
from ambient.runs.folder import IMAGES_FILE, OWN, SLOWEST, Run, open_run
from ambient.runs.limits import Limits, is_public
from ambient.runs.room import check_room
from ui import data, visitor, words
from ui.teacher import hidden
from ui.train_your_own import own_pictures, suggestion
from ui.training_form import NEXT, OTHERS, SCRATCH, fill, hand_over, settings

MISFIT = "These weights are gone, or of another kind, width or size of images."
FILLED = "form-filled"  # from inside a fragment: the form is outside of it
Nearness = tuple[bool, bool, bool, int]  # how unlike another run is, the worst first
RECENT, RECENT_LINES = 3, 20  # runs, and lines of each, that tell how fast this machine is now
FIRST = next(iter(PRESETS.values()))  # fills the form until a card is chosen


def _settings(preset: Preset) -> dict[str, Any]:
    chosen = {**OTHERS, **preset.choices, "corpus": preset.corpus}
    return {"lr": PEAK_RATES[chosen["network"]], **chosen}


def start_from(run: Run) -> None:
    """Fill the form with a run's settings, to go on from its weights."""
    hand_over(())
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
    rule = found.copies.ratio.rated
    rate = words.tinted(f"**{words.percent(rule.rate)}**", preset.choices["arm"])
    alarms = f"unseen images: {words.percent(rule.heldout_rate)}"
    return f"{rate} copied  \n:small[:gray[{words.interval(rule.ci95)} · {alarms}]]"


def _starts(images: Corpus | None, width: int, network: str) -> dict[str, tuple[Run, int]]:
    """All stored weights that fit a network of such images, by run@step."""
    if images is None:
        return {}
    shape = (*images.images.shape[2:], width, network)
    known = [(r, r.config) for r in (*visitor.runs().values(), *data.bundled())]
    fit = [
        r for r, c in known if (c.side, c.channels, c.width, c.network) == shape and not c.augment
    ]
    return {f"{r.name}@{step}": (r, step) for r in fit for step in r.steps[::-1]}


def _images(corpus: str) -> Corpus | None:
    """Images to train on; of one's own, those handed over or those of the run to start from."""
    if corpus != OWN:
        return data.bundled_corpus(corpus)
    if given := own_pictures.ask():
        return given
    run = visitor.runs().get(str(st.session_state.get("train-start")).rpartition("@")[0])
    if run is None or run.config.corpus != OWN:
        return None
    st.caption(f"Without others, the pictures of {run.name}.")
    return _pictures_of(str(run.path), data.stamp(run.path / IMAGES_FILE))


@st.cache_resource(max_entries=4, show_spinner=False)
def _pictures_of(path: str, changed: int) -> Corpus:
    return open_run(path).corpus()


def fields() -> dict[str, Any]:
    """The fields of a run, filled by a card or by hand.

    All are in the address. They have no bounds of their own: `config` says in words what is wrong,
    where a bounded field would silently keep the value before.
    """
    first = _settings(FIRST)
    if values := st.session_state.pop(NEXT, None):
        fill(values)

    def bound(name: str) -> dict[str, Any]:
        return {"key": f"train-{name}", "bind": "query-params"}

    def ask(column: DeltaGenerator, name: str, **more: Any) -> Any:
        choice, value = CHOICES[name], first[name]
        label = choice.title.capitalize()
        if choice.among is None:
            return column.number_input(label, value=value, **bound(name), **more)
        about = "  \n".join(f"**{key}**: {what}" for key, what in choice.among.items())
        names = list(choice.among)
        return column.selectbox(label, names, names.index(value), help=about, **bound(name), **more)

    a, b, c, d = st.columns(4)
    corpora = [*BUNDLED] if hidden("open") else [*BUNDLED, OWN]
    corpus = a.selectbox(
        CHOICES["corpus"].title.capitalize(),
        corpora,
        corpora.index(first["corpus"]),
        format_func=lambda name: "your own pictures" if name == OWN else name,
        help="Or train on pictures of your own: the last choice opens a place to drop them.",
        **bound("corpus"),
    )
    n_train = ask(b, "n_train", step=1)
    arm = ask(c, "arm")
    cutoff = ask(d, "cutoff", step=0.1, disabled=arm == "standard")
    images = _images(corpus)
    if corpus == OWN and images:
        own_pictures.tell(images, int(n_train))
    a, b, c, d = st.columns(4)
    own = "Its own: those of the weights that it starts from are not counted."
    steps = ask(a, "steps", step=100, help=own)
    batch = ask(b, "batch", step=1)
    width = ask(c, "width", step=16)
    seed = ask(d, "seed", step=1)
    a, b, c, _ = st.columns(4)
    network = ask(a, "network", on_change=_usual_rate)
    rate = ask(b, "lr", step=1e-3, format="%g")
    fit = _starts(images, int(width), network)
    start = c.selectbox(
        "Start from",
        [SCRATCH, *fit, *_misfit(fit)],
        format_func=lambda s: "nothing learned" if s == SCRATCH else s.replace("@", ", step "),
        help="Weights of another run, of the same kind of network, width and size of images.",
        **bound("start"),
    )
    if images and start not in (SCRATCH, *fit):
        c.caption(f":orange[{MISFIT}]")
    if images and not hidden("live"):
        suggestion.offer(images, int(n_train))
    suggestion.expect(int(n_train), int(batch), int(steps))
    return {
        "images": images,
        "n_train": int(n_train),
        "arm": arm,
        "cutoff": 0.0 if arm == "standard" else float(cutoff),
        "steps": int(steps),
        "batch": int(batch),
        "width": int(width),
        "network": network,
        "seed": int(seed),
        "lr": float(rate),
        "start": start,
    }


def _misfit(fit: Container[str]) -> list[str]:
    """The weights chosen before a width or kind of network that they do not fit."""
    chosen = st.session_state.get("train-start", SCRATCH)
    return [] if chosen == SCRATCH or chosen in fit else [chosen]


def _usual_rate() -> None:
    """The learning rate follows the kind of network."""
    st.session_state["train-lr"] = PEAK_RATES[st.session_state["train-network"]]


def _speed(c: Config) -> tuple[float, str] | None:
    """Images a second of such a network, and where that was measured: here rather than elsewhere.

    Of another width or size of images it is scaled by channels and pixels; runs of the same
    network, arithmetic and number of threads come first.
    """
    here = [r for r in data.own() if (r.path / "state.json").exists()][:RECENT]
    bundled = "the bundled runs, longer while this machine is busy"
    found: list[tuple[Nearness, float, str]] = []
    for runs, where in ((here, "the last runs here"), (data.bundled(), bundled)):
        speeds: dict[Nearness, list[float]] = {}
        for run in runs:
            k, lines = run.config, data.metrics(run)[-RECENT_LINES:]
            pace = median(line["images_per_second"] for line in lines) if lines else 0.0
            if pace >= SLOWEST:
                other = (k.network, k.dtype) != (c.network, c.dtype)
                near = k.side != c.side, other, k.threads != c.threads, abs(k.width - c.width)
                speeds.setdefault(near, []).append(pace * k.width * k.side**2)
        if speeds:
            found.append((min(speeds), median(speeds[min(speeds)]), where))
    if not found:
        return None
    # Images of this size elsewhere tell more than those of another size here.
    _, speed, where = min(found, key=lambda f: f[0][0])
    return speed / (c.width * c.side**2), where


def _pace(c: Config) -> float | None:
    """Seconds a step of a run that has not trained yet."""
    speed = _speed(c)
    return c.batch / speed[0] if speed else None


def _configured(chosen: Mapping[str, Any]) -> Config:
    """The config of these choices.

    Raises:
        InputError: choices that could not be trained, or no pictures yet.
    """
    if chosen["images"] is None:
        raise InputError("there are no pictures to train on yet; upload yours above.")
    rest = {k: v for k, v in chosen.items() if k not in ("images", "start")}
    images = chosen["images"]
    threads = 1 if is_public() else usual_threads(images.images.shape[1])  # others have pages open
    return configure(images, threads=threads, **rest)


def estimate(chosen: Mapping[str, Any]) -> None:
    """Whether there is room for it, how long it will take, and how long it will wait before."""
    try:
        check_room(data.runs_folder())
    except InputError as e:
        st.caption(f":orange[No run can be started now: {words.unmarked(str(e))}]", width="content")
        return
    try:
        config = _configured(chosen)
    except InputError:
        return  # said when it is asked for
    speed = _speed(config)
    text = "No run says how long this takes."
    if speed:
        seconds = config.steps * config.batch / speed[0]
        text = f"About {words.duration(seconds)}, at the speed of {speed[1]}."
    st.caption(f"{text} {_wait(None, 'Another run would start')}", width="content")


def waiting(run: Run) -> str:
    """Where a queued run stands."""
    return f"Runs before this one: {queue.position(run)}. {_wait(run, 'It starts')}"


def _wait(run: Run | None, begins: str) -> str:
    seconds = queue.wait_seconds(run, data.runs_folder(), visitor.token(), _pace)
    if seconds is None:
        return "How long it waits for the runs before it is not known."
    return f"{begins} in about {words.duration(seconds)}." if seconds else "It starts at once."


def check(chosen: Mapping[str, Any], count: int) -> None:
    """Refuse choices that could not be trained, or so many runs of them, where this server would.

    Raises:
        InputError: what is wrong with them.
    """
    config = _configured(chosen)
    Limits.here().check(config, data.runs_folder(), visitor.queueing(count), count)


def submit(chosen: Mapping[str, Any], cutoffs: Sequence[float] = ()) -> list[Run]:
    """Queue the run; or one for each of these cutoffs (0 is standard), all else the same.

    Raises:
        InputError: choices that could not be trained, or are too much for this server.
    """
    arms = [{"arm": "ambient" if c else "standard", "cutoff": c} for c in cutoffs] or [{}]
    images, start = chosen["images"], None
    configs = [_configured({**chosen, **arm}) for arm in arms]
    if chosen["start"] != SCRATCH:
        known = _starts(images, chosen["width"], chosen["network"])
        start = known.get(chosen["start"])
        if start is None:
            raise InputError(f"{chosen['start']}: {MISFIT} Choose what to start from.")
    dtype = _dtype(start[0] if start else None)
    configs = [c.replace(dtype=dtype) for c in configs]
    owner = visitor.queueing(len(configs))
    return queue.submit_all(configs, data.runs_folder(), owner, start, images)


def _dtype(parent: Run | None) -> str:
    """The arithmetic that `ambient train` takes on this machine; it is measured once a server."""
    from ambient.diffusion import hardware  # torch, which no page needs until then

    if parent:
        return hardware.inference_dtype(parent.config.dtype)
    return hardware.faster_dtype(hardware.choose_device("auto"))
