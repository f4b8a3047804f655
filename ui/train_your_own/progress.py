"""A run in the queue, in training or at rest: how it stands, what it makes, what can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from ambient.copies.intervals import clopper_pearson
from ambient.copies.rules import MIN_SAMPLES
from ambient.files import InputError
from ambient.runs import folder as store
from ambient.runs import queue
from ambient.runs.archive import export_run
from ambient.runs.folder import LOG_EVERY, Run
from ambient.runs.job import ACTIVE, State
from ambient.runs.limits import is_public
from ui import charts, data, visitor, words
from ui.charts import training as training_charts
from ui.data import Shown
from ui.frame import errors_in_words
from ui.pictures import arm_color, gallery
from ui.stages import judge
from ui.teacher import hidden
from ui.train_your_own import choices, pair, verdict

TICK = 2.0  # seconds between looks at a running run; its folder changes about that often
SHOWN = 12
UNSEEN = 1000  # unseen images that the rule is checked on

STATUS = {
    "queued": ("schedule", "gray"),
    "running": ("play_arrow", "green"),
    "judging": ("fact_check", "green"),
    "paused": ("pause", "gray"),
    "interrupted": ("power_off", "orange"),
    "failed": ("error", "red"),
    "done": ("check", "green"),
}


@st.cache_resource(max_entries=64, show_spinner=False)
def _stage(path: str, step: int, changed: int) -> Shown:
    """A contact sheet beside the training images nearest to its samples."""
    run = store.open_run(path)
    sheet = run.sheet(step)
    if sheet is None:  # it was listed a moment ago
        raise InputError(
            f"the samples of '{run.name}' at step {step} were just removed; look again."
        )
    return judge(run, sheet)


def _sheet(run: Run, step: int) -> Shown:
    path = run.path / "sheets" / f"{store.step_name(step)}.png"
    return _stage(str(run.path), step, data.stamp(path))


def copied_so_far(run: Run) -> list[dict[str, Any]]:
    """Copied share of the contact sheet of every stored step, with its interval."""
    rows = []
    for step in run.sheet_steps:
        copies = _sheet(run, step).copies
        hits, n = sum(copies), len(copies)
        rows.append({"step": step, "rate": hits / n, "ci95": clopper_pearson(hits, n), "n": n})
    return rows


def watch(run: Run) -> None:
    """One run: live while it trains, at rest afterwards."""
    active = run.active
    st.fragment(run_every=TICK if active else None)(_watch)(run, active)


def _watch(run: Run, was_active: bool) -> None:
    with errors_in_words():  # a fragment runs by itself
        _look(run, was_active)


def _look(run: Run, was_active: bool) -> None:
    if st.session_state.pop(choices.FILLED, False):
        st.rerun()
    if was_active:
        queue.advance(run.path.parent)
    state = run.state
    active = state.status in ACTIVE
    if was_active != active:
        st.rerun()  # once: ticking starts or ends with the run's activity
    _standing(run, state)
    if run.config.parent:
        name, _, at = run.config.parent.rpartition("@")
        st.caption(
            f"It began with the weights of {name} at step {int(at):,}. Its own steps are counted "
            "from there, in the charts too.",
            width=760,
        )
    pair.show(run)
    if not active:
        verdict.show(run, state)
    rows = copied_so_far(run)
    left, right = st.columns(2, gap="large")
    with left:
        _samples(run, active, rows)
    with right:
        if rows:
            c, last = run.config, rows[-1]
            charts.show(
                training_charts.copied_along(rows, c.arm, c.steps),
                f"copied-{run.name}",
                f"Copies against step, {words.percent(last['rate'])} at step {last['step']:,}.",
            )
        _loss(run, active)
    words.under(
        f"training-{run.name}",
        f"Same noise at every stage: watch images sharpen, then turn into training images. Copies "
        f"are counted among {store.SHEET_SIDE**2} samples (d1/d2 < 1/3); bars are 95 % intervals.",
        [words.provenance(run, None, live=active)],
        lambda: [*run.metrics(), *rows],
        f"python -m ambient train --resume {words.address(run)}",
    )


def _samples(run: Run, active: bool, rows: list[dict[str, Any]]) -> None:
    """The newest stored samples above their nearest training images, copies framed."""
    if not rows:
        waiting = f"The first samples come at step {run.config.checkpoint_every:,}."
        st.caption(waiting if active else "No samples were stored.")
        return
    last = rows[-1]
    if verdict.current(run) is None:  # which counts more of them
        words.rate_metric(
            f"Copied at step {last['step']:,}",
            last["rate"],
            last["ci95"],
            run.config.arm,
            samples=last["n"],
        )
        st.caption(_unseen(run), width=760)
    stage = _sheet(run, last["step"])
    some = stage.copies[:SHOWN]
    color = arm_color(run.config.arm)
    st.image(
        gallery(stage.images[:SHOWN], stage.nearest[:SHOWN], some, color),
        width="stretch",
        alt=f"Samples of seeds 0 to {SHOWN - 1} at step {last['step']} above their nearest "
        f"training images; {words.copies_of(some)}.",
    )
    st.caption(f"Seeds 0 to {SHOWN - 1}, step {last['step']:,}: {words.copies_of(some)}.")


def _unseen(run: Run) -> str:
    """What the rule says of images that the model never sees, to hold its copies against."""
    c = run.config
    flagged, n = _alarms(str(run.path), c.corpus_sha256, c.n_train, c.split_seed)
    if not n:
        return "No images are left unseen to check the rule on."
    rate = words.percent(flagged / n)
    text = f"Unseen images: {rate} ({words.interval(clopper_pearson(flagged, n))} of {n:,})."
    return text if n >= MIN_SAMPLES else f"{text} That is few to check the rule on."


@st.cache_resource(max_entries=64, show_spinner=False)
def _alarms(path: str, sha256: str, n_train: int, split_seed: int) -> tuple[int, int]:
    """How many unseen images the rule calls copies, and of how many."""
    run = store.open_run(path)
    unseen = data.sets(run).heldout[:UNSEEN]
    return (sum(judge(run, unseen).copies) if len(unseen) else 0), len(unseen)


def _loss(run: Run, active: bool) -> None:
    lines = run.metrics()
    if not lines:
        if active:
            st.caption(f"The loss is drawn from step {LOG_EVERY} on.")
        return
    last = lines[-1]
    figure = training_charts.loss(lines, run.config.arm, run.config.steps)
    charts.show(figure, f"loss-{run.name}", f"Training loss up to step {last['step']:,}.")
    st.caption(
        f"Training loss (thick: smoothed), {last['loss']:.3f} at step {last['step']:,} · "
        f"{last['images_per_second']:.0f} images a second"
    )


def _standing(run: Run, state: State) -> None:
    """How far it is, how long it will take, and the buttons."""
    step, steps = state.step, run.config.steps
    far = state.judging if state.status == "running" else None
    status = "judging" if far else state.status
    icon, color = STATUS.get(status, ("help", "gray"))
    if far:
        text = f"Judging: {far.done} of {far.of} samples drawn, then compared"
        st.progress(far.done / far.of, text)
    else:
        st.progress(min(step / steps, 1.0), f"Step {step:,} of {steps:,}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(status, icon=f":material/{icon}:", color=color)  # type: ignore[arg-type]
        if status == "running" and state.eta_seconds:
            st.caption(f"about {words.duration(state.eta_seconds)} left", width="content")
        if status == "queued":
            st.caption(choices.waiting(run), width="content")
        if visitor.may_change(run):
            _buttons(run, status, step)
        else:
            st.caption("Somebody else's run: you can watch it.", width="content")
        _links(run)
    if status in ("failed", "interrupted"):
        why = words.unplaced(state.error or _last_word(run))
        st.caption(f"It ended early: {why}")


def _last_word(run: Run) -> str:
    log = run.path / "log.txt"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = text.strip().splitlines()[-1:] or ["its process is gone; it can go on."]
    return lines[0][-300:]


def _buttons(run: Run, status: str, step: int) -> None:
    if status in (*ACTIVE, "judging"):
        label = "Stop judging" if status == "judging" else "Stop and save"
        _act(run, label, "pause", lambda key: queue.request_stop(run, key))
        return
    if hidden("train"):
        return
    if verdict.is_due(run):
        _act(run, "Judge this run", "fact_check", lambda key: queue.resume(run, key), verdict.HELP)
    if step < run.config.steps:
        _act(run, "Go on", "play_arrow", lambda key: queue.resume(run, key))
    elif run.resume_steps:
        more = run.config.steps * 2
        _act(run, f"Go on to step {more:,}", "play_arrow", lambda key: queue.extend(run, more, key))
    if run.steps:
        st.button(
            "Continue with other settings",
            icon=":material/fork_right:",
            on_click=choices.start_from,
            args=(run,),
            help="Fills the form below: a new run that starts from this one's weights.",
        )
    key = f"delete-{run.name}"  # its own, or it would stay open over the next run
    with st.popover("Delete", icon=":material/delete:", type="tertiary", key=key):
        st.markdown(f"Delete {run.name} for good?")
        _act(run, "Yes, delete it", "delete", lambda key: _delete(run, key))


def _delete(run: Run, key: str | None) -> None:
    queue.delete(run, key, data.runs_folder())
    visitor.deleted(run)


def _act(
    run: Run,
    label: str,
    icon: str,
    do: Callable[[str | None], object],
    about: str | None = None,
) -> None:
    """A button that changes the run; what forbids it is said in a line."""
    if st.button(label, icon=f":material/{icon}:", help=about):
        if not run.path.exists():
            words.refuse(f"the run {run.name} is gone: it was deleted meanwhile.")
            return
        try:
            do(visitor.key_to(run))
        except InputError as e:
            words.refuse(e)
        else:
            st.rerun()


def _links(run: Run) -> None:
    """Ways to the run for others and for later."""
    if run.steps and not run.active:
        if pair.other(run) is None:
            verdict.compare_link(run)
        st.page_link(
            "pages/evidence.py",
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
            help="Config, weights, report, curves, samples and a model card"
            + ("; without your pictures" if run.config.corpus == store.OWN else ""),
        )
        if run.config.corpus == store.OWN:
            st.download_button(
                "With the pictures",
                lambda: export_run(run, images=True),
                f"{run.name}-with-pictures.zip",
                "application/zip",
                key=f"zip-pictures-{run.name}",
                icon=":material/photo_library:",
                type="tertiary",
                on_click="ignore",
                help="Can be opened elsewhere, and shows everyone who has it your pictures",
            )
    with st.popover("Link", icon=":material/link:", type="tertiary"):
        watch, change = visitor.links(run)
        own = run.config.corpus == store.OWN
        st.caption("To watch it from anywhere" + (", pictures included" if own else ""))
        st.code(watch, language=None, wrap_lines=True)
        if is_public() and visitor.may_change(run):
            st.caption("To come back and stop, extend or delete it. Keep it to yourself.")
            st.code(change, language=None, wrap_lines=True)
