"""Training in the background: start, watch, stop, go on; and the replay of a finished run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ambient import run as store
from ambient.archive import export_run
from ambient.errors import InputError
from ambient.run import Run
from ui import charts, data, scrubber, words
from ui.charts import training as training_charts
from ui.pictures import arm_color, gallery
from ui.teacher import hidden
from ui.watch_it_memorize.stages import Stage, judge
from ui.watch_it_memorize.watch import scrub_training

ACTIVE = ("queued", "running")
TICK = 2.0  # seconds between looks at a running run; its folder changes about that often
SHOWN = 12

STATUS = {
    "queued": ("schedule", "gray"),
    "running": ("play_arrow", "green"),
    "stopping": ("pause", "gray"),
    "paused": ("pause", "gray"),
    "interrupted": ("power_off", "orange"),
    "failed": ("error", "red"),
    "done": ("check", "green"),
}


@st.cache_resource(max_entries=64, show_spinner=False)
def _stage(path: str, step: int, changed: int) -> Stage:
    """The first samples of a contact sheet beside the training images nearest to them."""
    run = store.open_run(path)
    sheet = run.sheet(step)
    assert sheet is not None  # its step was listed
    return judge(run, sheet[:SHOWN])


def sheet_with_nearest(run: Run, step: int) -> None:
    """The same seeds at a step of training, copies framed."""
    path = run.path / "sheets" / f"{store.step_name(step)}.png"
    stage = _stage(str(run.path), step, data.stamp(path))
    st.image(
        gallery(stage.images, stage.nearest, stage.copies, arm_color(run.config.arm)),
        width="stretch",
        alt=f"Samples of seeds 0 to {SHOWN - 1} at step {step} above their nearest training "
        f"images; {words.copies_of(stage.copies)}.",
    )
    st.caption(
        f"Step {step:,}, seeds 0 to {SHOWN - 1}, each above its nearest training image: "
        f"{words.copies_of(stage.copies)} (d1/d2 < 1/3)."
    )


def replay(run: Run) -> None:
    """A finished run, step by step: its loss, its copies, its samples from the same noise."""
    steps = run.sheet_steps
    if not steps:
        return
    stages = data.path(run)
    index = scrubber.chosen("step", steps, len(steps) - 1)
    step = steps[index]
    left, right = st.columns(2, gap="large")
    with left:
        scrub_training({run.config.arm: run}, steps, index, SHOWN)
    with right:
        if stages:
            figure = training_charts.copied_along(stages, run.config.arm, run.config.steps, step)
            last = stages[-1]
            alt = f"Copies against step, {words.percent(last['rate'])} at step {last['step']:,}."
            charts.show(figure, f"copied-{run.name}", alt)
        lines = run.metrics()
        if lines:
            figure = training_charts.loss(lines, run.config.arm, run.config.steps, step)
            alt = f"Training loss, {lines[-1]['loss']:.3f} at step {lines[-1]['step']:,}."
            charts.show(figure, f"loss-{run.name}", alt)
    words.under(
        "training",
        "Move the step: the noise stays the same, the network learns. Loss alone does not tell "
        "when copying sets in.",
        [words.provenance(run, data.report(run))],
        lambda: [*run.metrics(), *stages],
        f"python -m ambient train --out runs/again {train_flags(run)}",
    )


def train_flags(run: Run) -> str:
    c = run.config
    flags = {
        "corpus": c.corpus,
        "n-train": c.n_train,
        "split-seed": c.split_seed,
        "arm": c.arm,
        "cutoff": c.cutoff or None,
        "steps": c.steps,
        "batch": c.batch,
        "lr": c.lr,
        "width": c.width,
        "seed": c.seed,
        "threads": c.threads,
        "dtype": c.dtype,
    }
    return " ".join(f"--{k} {v:g}" if isinstance(v, float) else f"--{k} {v}"
                    for k, v in flags.items() if v is not None)  # fmt: skip


def watch(run: Run) -> None:
    """One of the visitor's runs: live while it trains, at rest afterwards."""
    active = run.state["status"] in ACTIVE
    st.fragment(run_every=TICK if active else None)(_watch)(run, active)


def _watch(run: Run, was_active: bool) -> None:
    if was_active:
        from ambient import worker

        worker.advance(run.path.parent)
    state = run.state
    status = state["status"]
    if was_active != (status in ACTIVE):
        st.rerun()  # once: ticking starts or ends with the run's activity
    _status_line(run, state)
    left, right = st.columns(2, gap="large")
    with left:
        if run.sheet_steps:
            sheet_with_nearest(run, run.sheet_steps[-1])
        else:
            st.caption(
                f"The first samples come at step {run.config.checkpoint_every:,}."
                if status in ACTIVE
                else "No samples were stored."
            )
    with right:
        lines = run.metrics()
        if lines:
            figure = training_charts.loss(lines, run.config.arm, run.config.steps)
            charts.show(
                figure, f"loss-{run.name}", f"Training loss up to step {lines[-1]['step']:,}."
            )
            speed = lines[-1]["images_per_second"]
            st.caption(f"Loss {lines[-1]['loss']:.3f} · {speed:.0f} images a second")
    words.under(
        f"training-{run.name}",
        "Same seeds at every sheet: watch images sharpen, then turn into training images.",
        [words.provenance(run, None, live=status in ACTIVE)],
        run.metrics,
        f"python -m ambient train --resume {run.path}",
    )


def _status_line(run: Run, state: dict[str, Any]) -> None:
    status, step, steps = state["status"], state.get("step", 0), run.config.steps
    icon, color = STATUS.get(status, ("help", "gray"))
    st.progress(min(step / steps, 1.0), f"Step {step:,} of {steps:,}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(status, icon=f":material/{icon}:", color=color)
        if status == "running" and state.get("eta_seconds"):
            st.caption(f"about {words.duration(state['eta_seconds'])} left", width="content")
        if status == "queued":
            from ambient import worker

            before = worker.position(run)
            st.caption(f"Runs before this one: {before}", width="content")
        stop = status in ACTIVE and st.button("Stop and save", icon=":material/pause:")
        resting = status not in ACTIVE and step < steps
        go_on = resting and st.button("Go on", icon=":material/play_arrow:")
        if run.steps and status not in ACTIVE:
            st.page_link(
                "pages/evidence_room.py",
                label="Open in the evidence room",
                icon=":material/frame_inspect:",
                query_params={"run": run.name},
            )
            st.download_button(
                "Download the run",
                lambda: export_run(run),
                f"{run.name}.zip",
                "application/zip",
                key=f"zip-{run.name}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                help="Config, weights, report, curves, samples and a model card",
            )

    if status in ("failed", "interrupted"):
        log = run.path / "log.txt"
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        lines = text.strip().splitlines()[-1:]
        st.caption("It ended early" + (f": {lines[0][-300:]}" if lines else "."))
    if stop or go_on:
        from ambient import worker

        try:
            (worker.request_stop if stop else worker.resume)(run)
        except InputError as e:
            st.error(str(e), icon=":material/error:")
        else:
            st.rerun()


def offer_cutoff(standard: Run) -> None:
    """Any other cutoff: fills the form of "Train your own" with this run's settings."""
    if hidden("train"):
        return
    c = standard.config
    st.subheader("Another cutoff? Train it", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        cutoff = st.number_input("Cutoff to train", 0.05, 99.0, 0.7, 0.1, width=180)
        go = st.button("Set it up", icon=":material/model_training:", type=words.prominent())
    st.caption(f"The same {c.n_train} images, {c.steps:,} steps; the form shows how long it takes.")
    if go:
        fields = ("corpus", "n_train", "steps", "batch", "lr", "width", "seed")
        for name in fields:
            st.session_state[f"train-{name}"] = getattr(c, name)
        st.session_state.update({"train-arm": "ambient", "train-cutoff": cutoff})
        st.switch_page("pages/train_your_own.py")
