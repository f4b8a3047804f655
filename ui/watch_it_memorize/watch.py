"""Two runs of one training set step by step: their samples, their copies, their errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from ambient import run as store
from ambient.copies import RATIO_CAP, find_neighbors
from ambient.corpus import ASSETS, to_rows
from ambient.run import Run
from ui import charts, data, scrubber, words
from ui.charts import training as training_charts
from ui.pictures import Images, arm_color
from ui.scrubber.film import Film, Panel
from ui.scrubber.film import pair as pair_cell
from ui.scrubber.film import single as single_cell
from ui.spot_the_copy import pair
from ui.teacher import control, hidden

SHOWN = 8  # samples along training, seeds 0 to 7
ONSET = 0.1  # copying has set in when this share of the samples are copies
NEVER = 0  # the guess that it never does
ALONG = ASSETS / "results" / "along.json"
TONES = {"standard": "orange", "ambient": "blue"}

Rows = list[dict[str, Any]]
Runs = Mapping[str, Run]


def copies(run: Run) -> Rows:
    """The judged stages of a run: copied share, and what the rule says of unseen images."""
    return _copies(str(run.path), data.stamp(run.path / "reports"))


@st.cache_resource(max_entries=32)
def _copies(path: str, changed: int) -> Rows:
    run = store.open_run(path)
    rows = []
    for step, report in data.stages(run).items():
        rule = report["copies"]["ratio"]
        kept = ("rate", "ci95", "heldout_rate", "heldout_ci95")
        row = {"run": run.name, "step": step, "n_samples": report["n_samples"]}
        rows.append({**row, **{k: rule[k] for k in kept}})
        rows[-1]["checkpoint_sha256"] = report["checkpoint_sha256"]
    return rows


def at_step(run: Run, step: int) -> dict[str, Any]:
    return next(row for row in copies(run) if row["step"] == step)


def table() -> dict[int, dict[str, Run]]:
    """Bundled runs with judged stages by number of training images: standard, and ambient beside.

    Of several cutoffs, the usual one.
    """
    found: dict[int, dict[float, Run]] = {}
    for run in data.bundled():
        if run.config.arm in ("standard", "ambient") and len(copies(run)) > 1:
            found.setdefault(run.config.n_train, {}).setdefault(run.config.cutoff, run)
    return {n: _pair(runs) for n, runs in sorted(found.items()) if 0.0 in runs}


def _pair(runs: Mapping[float, Run]) -> dict[str, Run]:
    if len(runs) == 1:
        return {"standard": runs[0.0]}
    return {"standard": runs[0.0], "ambient": runs[pair.usual(list(runs))]}


def size_name(run: Run) -> str:
    return f"{run.config.n_train:,} {run.config.corpus}"


@control("settings")
def choose_size(runs: Mapping[int, Runs], usual: int) -> int:
    return st.segmented_control(
        "Training images",
        list(runs),
        default=usual if usual in runs else next(iter(runs)),
        key="n",
        required=True,
        bind="query-params",
        help="; ".join(f"{n}: {size_name(pair['standard'])}" for n, pair in runs.items()),
    )


def steps(runs: Runs) -> list[int]:
    """The stages that every one of them has."""
    return sorted(set.intersection(*({r["step"] for r in copies(run)} for run in runs.values())))


@dataclass(frozen=True)
class Stage:
    """Samples of the first seeds at a step, their nearest training images, which are copies."""

    images: Images
    nearest: Images
    names: tuple[str, ...]
    copies: tuple[bool, ...]


def judge(run: Run, images: Images) -> Stage:
    """Pictures of a run beside its training images, by the rule of its report's cap."""
    both = data.sets(run)
    found = find_neighbors(to_rows(images), to_rows(both.train), both.groups)
    names = tuple(both.train_names[i] for i in found.nearest)
    copies = tuple(bool(r < RATIO_CAP) for r in found.ratio)
    return Stage(images, both.train[found.nearest], names, copies)


def panel_name(run: Run) -> str:
    return words.arm_name(run.config).capitalize()


def _counted(copies: tuple[bool, ...]) -> str:
    return f"{sum(copies)} of these {len(copies)} are copies"


def _training_panel(run: Run, at: tuple[int, ...], count: int) -> Panel:
    color, frames, captions, alts = arm_color(run.config.arm), [], [], []
    for step in at:
        sheet = run.sheet(step)
        assert sheet is not None  # its step was listed
        stage = judge(run, sheet[:count])
        cells = zip(stage.images, stage.nearest, stage.copies, strict=True)
        frames.append([pair_cell(*cell, color) for cell in cells])
        captions.append(_counted(stage.copies))
        alts.append(
            f"{panel_name(run)}: {count} samples at step {step:,}, each above its nearest training "
            f"image ({', '.join(stage.names)}); {sum(stage.copies)} are copies."
        )
    tone = TONES.get(run.config.arm, "gray")
    return Panel(panel_name(run), tone, frames, captions, alts)


@st.cache_resource(max_entries=12, show_spinner=False)
def _training(
    paths: tuple[str, ...], at: tuple[int, ...], count: int, changed: tuple[int, ...]
) -> Film:
    return Film.of([_training_panel(store.open_run(path), at, count) for path in paths])


def training_film(runs: Runs, at: list[int], count: int = SHOWN) -> Film:
    """The same seeds at every step of training, each above its nearest training image."""
    paths = tuple(str(run.path) for run in runs.values())
    changed = tuple(data.stamp(run.path / "sheets") for run in runs.values())
    return _training(paths, tuple(at), count, changed)


def scrub_training(runs: Runs, at: list[int], index: int, count: int = SHOWN) -> None:
    """The training scrubber; its step goes into the address."""
    labels = [f"step {step:,}" for step in at]
    scrubber.scrubber(
        training_film(runs, at, count),
        labels,
        index,
        f"training-{'-'.join(run.name for run in runs.values())}",
        "Training step",
        lambda i: scrubber.choose("step", at, i),
    )


def errors(run: Run) -> Rows:
    """Stored errors of a run's stages, those of the weights that its reports are of."""
    found = _along(data.stamp(ALONG)).get(run.name, [])
    hashes = {row["checkpoint_sha256"] for row in copies(run)}
    return [row for row in found if row["checkpoint_sha256"] in hashes]


@st.cache_resource(max_entries=2)
def _along(changed: int) -> dict[str, Rows]:
    by_run: dict[str, Rows] = {}
    for row in (store.read_json(ALONG) or {}).get("rows", []):
        by_run.setdefault(row["run"], []).append(row)
    return by_run


def onset(run: Run) -> int:
    """The first judged step with at least 10 % copies, `NEVER` if there is none."""
    return next((row["step"] for row in copies(run) if row["rate"] >= ONSET), NEVER)


def headline(runs: Runs, step: int, columns: Any) -> None:
    """The copied shares at this step, and what the same rule says of unseen images."""
    rule = {}
    for column, (arm, run) in zip(columns, runs.items(), strict=False):
        rule = at_step(run, step)
        with column:
            samples = f"{rule['n_samples']:,}"
            label = f"{panel_name(run)}, step {step:,}: copied, of {samples} samples"
            words.rate_metric(label, rule["rate"], rule["ci95"], arm)
    with columns[len(runs)]:
        label = "Unseen real images: called copies"
        words.rate_metric(label, rule["heldout_rate"], rule["heldout_ci95"], "unseen")


def show_curves(runs: Runs, step: int, guess: int | None) -> None:
    """Copies and errors along training, one above the other, the chosen step marked."""
    stages = {arm: copies(run) for arm, run in runs.items()}
    measured = {arm: errors(run) for arm, run in runs.items()}
    figure = training_charts.copies_and_errors(stages, measured, step, guess)
    said = [f"{panel_name(run)} {words.percent(at_step(run, step)['rate'])} copies"
            for arm, run in runs.items()]  # fmt: skip
    charts.show(figure, "along", f"Against training step; at step {step:,}: {'; '.join(said)}.")


def missing_errors(runs: Runs) -> str:
    """Where errors could not be measured for want of weights, in a sentence."""
    parts = []
    for run in runs.values():
        have, stages = len(errors(run)), len(copies(run))
        if have < stages:
            parts.append(f"{panel_name(run).lower()}: {have} of {stages}")
    if not parts:
        return ""
    return f" Errors are of the stages whose weights were at hand ({'; '.join(parts)})."


def rows(runs: Runs) -> Rows:
    """Copies and errors of every stage, one row each."""
    table = []
    for run in runs.values():
        known = {row["step"]: row for row in errors(run)}
        for row in copies(run):
            table.append(_flat({**row, **known.get(row["step"], {})}))
    return table


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Intervals as two columns."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("ci95"):
            stem = name.removesuffix("ci95")
            out |= {f"{stem}low": value[0], f"{stem}high": value[1]}
        else:
            out[name] = value
    return out


@dataclass(frozen=True)
class Forming:
    """A stored generation: denoised pictures (steps, seeds, h, w, c) and the noise levels."""

    images: Images
    sigmas: tuple[float, ...]
    seeds: tuple[int, ...]
    checkpoint_sha256: str


def forming(run: Run) -> Forming | None:
    """How the first seeds of a run form, where it is stored."""
    path = run.path / "trajectory.png"
    return _forming(str(run.path), data.stamp(path)) if path.exists() else None


@st.cache_resource(max_entries=8)
def _forming(path: str, changed: int) -> Forming:
    run = store.open_run(path)
    picture = Image.open(run.path / "trajectory.png")
    about, side = picture.text, run.config.side  # type: ignore[attr-defined]  # PNG text
    pixels = np.atleast_3d(np.asarray(picture))
    grid = pixels.reshape(pixels.shape[0] // side, side, -1, side, pixels.shape[2])
    images = np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4))
    sigmas, seeds = (tuple(json.loads(about[name])) for name in ("sigmas", "seeds"))
    return Forming(images, sigmas, seeds, about["checkpoint_sha256"])


def _forming_panel(run: Run, found: Forming) -> Panel:
    color, frames, captions, alts = arm_color(run.config.arm), [], [], []
    for sigma, images in zip(found.sigmas, found.images, strict=True):
        stage = judge(run, images)
        cells = zip(stage.images, stage.copies, strict=True)
        frames.append([single_cell(image, copy, color) for image, copy in cells])
        captions.append(_counted(stage.copies))
        alts.append(
            f"{panel_name(run)}: {len(images)} denoised pictures at noise level {sigma:.3g}; "
            f"{sum(stage.copies)} are copies of a training image."
        )
    tone = TONES.get(run.config.arm, "gray")
    return Panel(panel_name(run), tone, frames, captions, alts)


@st.cache_resource(max_entries=8, show_spinner=False)
def _forming_film(paths: tuple[str, ...], changed: tuple[int, ...]) -> Film:
    opened = [store.open_run(path) for path in paths]
    return Film.of([_forming_panel(run, found) for run in opened if (found := forming(run))])


def show_forming(runs: Runs) -> None:
    """The second scrubber: the same seeds from noise to picture, both models."""
    have = {arm: found for arm, run in runs.items() if (found := forming(run))}
    st.subheader("How a picture forms", anchor=False)
    if not have:
        words.missing("How these pictures form is not stored.", "make assets")
        return
    st.markdown(
        "Now within one sampling, after the whole training: from pure noise down, the clean "
        "picture the network guesses at each step. Both models start from the same noise.",
        width=760,
    )
    sigmas = next(iter(have.values())).sigmas
    count, kept = len(sigmas), {arm: runs[arm] for arm in have}
    options = list(range(1, count + 1))
    index = scrubber.chosen("sampling", options, count - 1)
    scrubber.scrubber(
        _forming_film(
            tuple(str(run.path) for run in kept.values()),
            tuple(data.stamp(run.path / "trajectory.png") for run in kept.values()),
        ),
        [f"{i} of {count}, noise {s:.2g}" for i, s in zip(options, sigmas, strict=True)],
        index,
        f"forming-{'-'.join(run.name for run in kept.values())}",
        "Sampling step",
        lambda i: scrubber.choose("sampling", options, i),
    )
    words.under(
        "forming",
        "At high noise the guess is a mean of many pictures; it becomes one picture, and sometimes "
        "a training image, on the way down. A frame with an equals sign marks a guess that is "
        "already a copy.",
        [
            f"{words.provenance(run, None)} · seeds 0 to {max(have[arm].seeds)} · weights "
            f"{have[arm].checkpoint_sha256[:8]}"
            for arm, run in kept.items()
        ],
        lambda: _forming_rows(kept),
        "make assets",
    )


def _forming_rows(runs: Runs) -> Rows:
    table = []
    for run in runs.values():
        found = forming(run)
        for i, sigma in enumerate(found.sigmas if found else ()):
            stage = judge(run, found.images[i])  # type: ignore[union-attr]
            for seed, name, copy in zip(found.seeds, stage.names, stage.copies, strict=True):
                row = {"run": run.name, "sampling_step": i + 1, "sigma": sigma, "seed": seed}
                table.append({**row, "nearest": name, "copy": copy})
    return table


def show_sizes(every: Mapping[int, Runs], n: int, step: int) -> None:
    """Copied share against training step for every stored size."""
    st.subheader("How soon, from how many images", anchor=False)
    st.markdown(_in_words(every), width=760)
    lines = {run.name: (run.config, size_name(run), copies(run))
             for runs in every.values() for run in runs.values()}  # fmt: skip
    charts.show(
        training_charts.copies_by_size(list(lines.values()), n, step),
        "sizes",
        "Copied share against training step on a log scale; at the end: "
        + "; ".join(f"{k} {words.percent(v[2][-1]['rate'])}" for k, v in lines.items())
        + ".",
    )
    runs = [run for runs in every.values() for run in runs.values()]
    words.under(
        "copies-along-sizes",
        "Each line is one run to the end of its training; thick ones are those shown above.",
        [words.provenance(run, data.report(run)) for run in runs],
        lambda: [_flat(row) for run in runs for row in copies(run)],
        "make assets",
    )


def _in_words(every: Mapping[int, Runs]) -> str:
    """When each size's standard model reaches 10 % copies."""
    parts = []
    for runs in every.values():
        run = runs["standard"]
        first, end = onset(run), copies(run)[-1]["step"]
        when = f"by step {first:,}" if first else f"not within {end:,} steps"
        parts.append(f"from **{size_name(run)}** {when}")
    share = words.percent(ONSET)
    return f"{share} of the standard model's samples are copies: {', '.join(parts)}."


def guess_first(runs: Runs) -> tuple[bool, int | None]:
    """An invitation to predict before looking; who does not take it sees everything.

    Returns:
        Whether the results stay covered, and the guess once it is revealed.
    """
    run = runs["standard"]
    if hidden("game"):
        return False, None
    wanted = st.toggle(
        "Guess first",
        key="guess",
        bind="query-params",
        help="Covers numbers, curves and pictures until you have said when copying sets in.",
    )
    told = f"onset-told-{run.name}"
    if not wanted:
        st.session_state.pop(told, None)
        return False, None
    return told not in st.session_state, st.session_state.get(told)


def ask(runs: Runs) -> None:
    """The question in place of the results."""
    run = runs["standard"]
    told = f"onset-told-{run.name}"
    with st.container(border=True):
        st.subheader("When does copying set in?", anchor=False)
        c = run.config
        st.markdown(
            f"A standard model learns from {size_name(run)}, {c.batch} images a step. At which "
            f"step are {words.percent(ONSET)} of its samples copies for the first time?",
            width=760,
        )
        options = [*(row["step"] for row in copies(run)), NEVER]
        guess = st.select_slider(
            "Your guess: training step",
            options,
            options[0],
            format_func=lambda s: f"{s:,}" if s else "never",
            key=f"onset-at-{run.name}",
            width=620,
        )
        st.button(
            "Reveal",
            type=words.prominent(),
            icon=":material/visibility:",
            on_click=lambda: st.session_state.update({told: guess}),
        )


def verdict(runs: Runs, guess: int) -> None:
    """What was said beside what is stored."""
    run = runs["standard"]
    first, stages = onset(run), copies(run)
    said = f"step {guess:,}" if guess else "never"
    if not first:
        last = stages[-1]
        found = f"never up to step {last['step']:,}: {words.percent(last['rate'])} there"
    else:
        row = at_step(run, first)
        found = f"step {first:,}, with {words.percent(row['rate'])} ({words.interval(row['ci95'])})"
    right = guess == first
    st.markdown(
        f":material/lightbulb: You said **{said}**. "
        + (f"**Yes**: {found}." if right else f"It is **{found}**.")
        + (f" Stages are stored every {stages[0]['step']:,} steps." if first else ""),
        width=860,
    )
