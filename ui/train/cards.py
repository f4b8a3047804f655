"""Picture cards: what to train on, as it would be learned, and one button each."""

from functools import partial
from typing import Any

import streamlit as st

from ambient.config import Config
from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus
from ambient.reports.onset import usual_n_train
from ambient.runs.folder import OWN, Run
from ambient.runs.limits import Limits
from ambient.runs.presets import PRESETS
from ambient.runs.room import check_room
from ui import data, noise, pictures, stages, words
from ui.controls import pick
from ui.teacher import hidden
from ui.train import desk, own_pictures
from ui.training_form import settings_of

KINDS = {
    "copy": ("Copier", "Few pictures, seen again and again: it ends up copying them."),
    "new": ("Creator", "Many pictures, each seen rarely: it has to make new ones."),
    "ambient": (
        "Pair",
        "Two models from the same noise, one with a cutoff: above it, that one only ever sees "
        "pictures as noisy as the right half of each card.",
    ),
}
CORPORA = ("digits", "kanji", "emoji")
FEW = 50  # pictures of one's own that are surely copied
ACROSS = {"copy": 5, "new": 12, "ambient": 6}  # pictures along a side of a card
STARTED = 8  # runs shown below the cards


def show() -> None:
    """The cards; a click trains, and leads to where it can be watched."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kind = pick("settings", "Train a", list(KINDS), key="kind", name=lambda k: KINDS[k][0])
        st.markdown(KINDS[kind][1], width="content")
    grid, asked = st.grid(4, min_column_width=150, gap="small"), None
    for corpus in CORPORA:
        with grid.cell(), st.container(border=True, gap="small"):
            asked = _card(kind, corpus) or asked
    if not hidden("open"):
        with grid.cell(), st.container(border=True, gap="small"):
            asked = _own_card(kind) or asked
    if asked:
        start(*asked, pair=kind == "ambient")
    _say_wait()


def start(images: Corpus | None, choices: dict[str, Any], pair: bool) -> None:
    """Train, and watch it; what stands against it is said in a line."""
    try:
        first, *_ = desk.submit(images, choices, pair)
    except InputError as e:
        words.refuse(e)
    else:
        st.query_params.from_dict({"mine": first.name})
        st.rerun()


def _say_wait() -> None:
    """What stands against another run, or how long it would wait."""
    try:
        check_room(data.runs_folder())
    except InputError as e:
        st.caption(f":orange[No run can be started now: {words.unmarked(str(e))}]")
        return
    if said := desk.wait():
        st.caption(f"Another run trains now. {said}")


def _card(kind: str, corpus: str) -> tuple[Corpus, dict[str, Any]] | None:
    preset = PRESETS[f"{corpus}-{kind}"]
    images, choices = data.bundled_corpus(corpus), settings_of(preset)
    config = desk.configured(images, choices)
    _picture(images, config, kind, corpus)
    go = _button(f"{config.n_train:,} {corpus}", corpus)
    st.markdown(" · ".join(filter(None, [_duration(config, kind), _outcome(preset.shown_by)])))
    return (images, choices) if go else None


def _own_card(kind: str) -> tuple[Corpus, dict[str, Any]] | None:
    """Pictures of one's own: first the place to drop them, then they are the card."""
    images = own_pictures.kept()
    if images is None:
        own_pictures.ask()
        return None
    choices = own_choices(images, kind)
    try:
        config = desk.configured(images, choices)
    except InputError as e:
        words.refuse(e)
        st.button("Other pictures", on_click=own_pictures.put_away, type="tertiary")
        return None
    _picture(images, config, kind, "my pictures")
    go = _button(f"{config.n_train:,} of mine", OWN)
    st.caption(_duration(config, kind))
    st.caption(own_pictures.told(images, config.n_train))
    st.button("Other pictures", on_click=own_pictures.put_away, type="tertiary", key="others")
    return (images, choices) if go else None


def own_choices(images: Corpus, kind: str) -> dict[str, Any]:
    """How long, on how many of them: for copies three times what copying is expected to take."""
    distinct = len(set(images.groups.tolist()))
    most = min(usual_n_train(distinct), Limits.here().n_train)
    n_train = int(min(most, FEW)) if kind == "copy" else int(most)
    choices = settings_of(PRESETS[f"kanji-{kind}"]) | {"corpus": OWN, "n_train": n_train}
    onset = stages.usual_onset(n_train, choices["batch"])
    if onset and kind != "new":
        times = 3 if kind == "copy" else 2
        choices["steps"] = int(min(max(1000, round(times * onset.step, -2)), Limits.here().steps))
    return {**choices, "cutoff": 0.0, "arm": "standard"}


def _button(what: str, key: str) -> bool:
    if hidden("train"):
        st.markdown(f"**{what}**")
        return False
    label, icon = f"Train {what}", ":material/play_arrow:"
    return st.button(label, f"go-{key}", icon=icon, type=words.prominent(), width="stretch")


def _duration(config: Config, kind: str) -> str:
    found = desk.seconds(config)
    return f"about {words.duration((1 + (kind == 'ambient')) * found)}" if found else ""


def _outcome(shown_by: str) -> str:
    """What became of the stored run that was trained so."""
    shown = data.known(shown_by)
    found = data.report(shown) if shown else None
    if shown is None or found is None:
        return ""
    rate = words.percent(found.copies.ratio.rated.rate)
    return f"{words.tinted(f'{rate} copies', shown.config.arm)} in the stored run"


def _picture(images: Corpus, config: Config, kind: str, name: str) -> None:
    """Some of the training pictures; of a pair, half of them as the cutoff leaves them."""
    across = ACROSS[kind]
    split = split_corpus(images, config.n_train, config.split_seed)
    some = images.images[split.train[: across**2]]
    if kind == "ambient":
        cutoff = config.cutoff or PRESETS["kanji-ambient"].choices["cutoff"]
        some = noise.half_noised(some, across, cutoff)
    tile, gap = (64, 8) if across > 8 else (128, 16)
    st.image(
        pictures.grid(some, across, gap, tile),
        width="stretch",
        alt=f"{len(some)} of the {config.n_train:,} pictures to train on: {name}.",
    )


def show_started(runs: dict[str, Run]) -> None:
    """The visitor's runs as pictures that lead to them, newest first."""
    if not runs:
        return
    st.subheader("My trainings", anchor=False)
    grid = st.grid("auto", min_column_width=150, gap="small")
    for run in list(runs.values())[:STARTED]:
        with grid.cell():
            _started(run)
    if more := list(runs.values())[STARTED:]:
        with st.expander(f"{len(more)} more"):
            for run in more:
                _lead(run)


def _started(run: Run) -> None:
    try:
        steps = run.sheet_steps
        sheet = run.sheet(steps[-1]) if steps else None
    except InputError:
        sheet = None
    if sheet is not None:
        draw = partial(pictures.grid, sheet[:9], 3, 16, 96)
        st.image(draw(), width="stretch", alt=f"Newest samples of {run.name}")
    _lead(run)


def _lead(run: Run) -> None:
    status = "damaged"
    try:
        status, c = str(run.status), run.config
        name = f"{c.n_train:,} {c.corpus}{f', cutoff {c.cutoff:g}' if c.cutoff else ''}"
    except InputError:
        name = run.name
    icon = {"running": "play_arrow", "queued": "schedule", "done": "check"}.get(status, "pause")
    st.page_link(
        "pages/train.py", label=name, icon=f":material/{icon}:", query_params={"mine": run.name}
    )
