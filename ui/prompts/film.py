"""The film of a prompt: what runs draw from the same noise, the louder the words the further on."""

from collections.abc import Sequence

import streamlit as st

from ambient.copies.asked import Asked
from ambient.runs import folder as store
from ambient.runs.folder import Run
from ui import data, words
from ui.film.parts import Chart, Film, Line, Row
from ui.prompts import GUIDANCES
from ui.prompts.answers import captions, drawn, judged
from ui.stages import Runs, find, panel_name

OPENING = GUIDANCES.index(2.0)
UNTOLD = "empty"
SAID = (
    "The words are not heard: this is what the noise alone becomes.",
    "The words are heard as they were in training.",
    "The words count twice.",
    "The words count four times.",
)


def film(runs: Runs, prompt: str, kind: str) -> Film:
    """A prompt at every guidance; what is not stored is drawn now.

    Args:
        kind: of prompt, whose copied share is said where the reports know it.

    Raises:
        InputError: see `answers.drawn`.
    """
    for run in runs.values():
        drawn(run, prompt)
    paths = tuple(str(run.path) for run in runs.values())
    keys = tuple((data.weights(r), data.stamp(r.path / "report.json")) for r in runs.values())
    return _film(paths, keys, prompt, kind)


@st.cache_resource(max_entries=64, show_spinner=False)
def _film(
    paths: tuple[str, ...], keys: tuple[tuple[str, int], ...], prompt: str, kind: str
) -> Film:
    runs = [store.open_run(path) for path in paths]
    train = data.sets(runs[0]).train
    return Film(
        rows=[_row(run, prompt, kind) for run in runs],
        label="How loud the words are",
        frames=["not heard", *(f"{g:g}" for g in GUIDANCES[1:])],
        chart=_chart(runs, kind),
        said=SAID,
        pool=(train, [caption or "no caption" for caption in captions(runs[0])]),
        abreast=True,
        beneath=True,
    )


def farthest(runs: Runs, prompts: Sequence[str]) -> str:
    """The stored prompt at which the first run draws most more copies than the second; the first
    prompt of a run alone."""
    if len(runs) < 2:
        return prompts[0]
    paths = tuple(str(run.path) for run in runs.values())
    keys = tuple((data.weights(r), data.stamp(r.path / "report.json")) for r in runs.values())
    return _farthest(paths, keys, tuple(prompts))


@st.cache_resource(max_entries=16, show_spinner=False)
def _farthest(
    paths: tuple[str, ...], keys: tuple[tuple[str, int], ...], prompts: tuple[str, ...]
) -> str:
    one, other = map(store.open_run, paths)

    def more(prompt: str) -> int:
        found = [find(run, drawn(run, prompt)[OPENING]).marks.count("copy") for run in (one, other)]
        return found[0] - found[1]

    return max(prompts, key=more)


def _row(run: Run, prompt: str, kind: str) -> Row:
    images = drawn(run, prompt)
    frames, count = images.shape[:2]
    found = find(run, images.reshape(-1, *images.shape[2:]))
    known = shares(run, kind)
    return Row(
        title=panel_name(run),
        tone=words.tone(run.config.arm),
        images=images,
        marks=[found.marks[i * count : (i + 1) * count] for i in range(frames)],
        numbers=[words.percent(a.copies) if a else "" for a in known],
        captions=["copies, of many such words" if a else "" for a in known],
        near=[found.near[i * count : (i + 1) * count] for i in range(frames)],
    )


def shares(run: Run, kind: str) -> list[Asked | None]:
    """What a run's report says of a kind of prompt, by guidance."""
    report = judged(run)
    asked = report.prompts.asked if report and report.prompts else ()
    by = {(a.kind, a.guidance): a for a in asked}
    if all(known != kind for known, _ in by):  # a visitor's own words: nobody judged many such
        return [None] * len(GUIDANCES)
    silent = by.get((UNTOLD, 1.0))
    return [silent if g == 0 else by.get((kind, g)) for g in GUIDANCES]


def _chart(runs: Sequence[Run], kind: str) -> Chart | None:
    lines, said = [], []
    for run in runs:
        known = shares(run, kind)
        if None in known:
            return None
        asked = [a for a in known if a]
        name = run.config.arm.capitalize()
        rates, ends = (
            [100 * a.copies for a in asked],
            [(100 * low, 100 * high) for low, high in (a.copies_ci95 for a in asked)],
        )
        lines.append(Line(name, words.tone(run.config.arm), rates, ends))
        said.append(f"{name} {words.percent(asked[0].copies)} to {words.percent(asked[-1].copies)}")
    alt = f"Share of copies by how loud the words are: {', '.join(said)}."
    return Chart(lines, alt, ticks={0: "0", 50: "50\u00a0%", 100: "100\u00a0%"}, height=80)
