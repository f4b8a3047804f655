"""A training, alone or as a pair: how it stands, what it makes, what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import streamlit as st

from ambient.config import CHOICES
from ambient.files import InputError
from ambient.reports.comparison import changed
from ambient.runs import queue
from ambient.runs.archive import export_run
from ambient.runs.folder import LOG_EVERY, OWN, Run
from ambient.runs.job import ACTIVE
from ambient.runs.limits import is_public
from ui import charts, data, visitor, words
from ui.charts import training as training_charts
from ui.film import training
from ui.frame import errors_in_words
from ui.teacher import hidden, warn_if_local
from ui.train import desk, ending, form

TICK = 2.0  # seconds between looks at a running run; its folder changes about that often
SOON = 0.5  # until its first step, which is worth waiting for
STATUS = {
    "queued": ("schedule", "gray"),
    "running": ("play_arrow", "green"),
    "judging": ("fact_check", "green"),
    "stopping": ("hourglass_top", "gray"),
    "paused": ("pause", "gray"),
    "interrupted": ("power_off", "orange"),
    "failed": ("error", "red"),
    "done": ("check", "green"),
}


def partner(run: Run) -> Run | None:
    """The newest run that differs from this one in its cutoff alone, one of the two standard."""
    for known in visitor.runs().values():
        arms = {known.config.arm, run.config.arm}
        if arms == {"standard", "ambient"} and set(changed(run.config, known.config)) == {"cutoff"}:
            return known
    return None


def show(run: Run) -> None:
    """One run, or a pair in one view: live while it trains, at rest afterwards."""
    other = partner(run)
    both = sorted([run, other] if other else [run], key=lambda r: r.config.arm == "ambient")
    runs = {r.config.arm: r for r in both}
    st.page_link("pages/train.py", label="Train another", icon=":material/arrow_back:")
    tick = _tick(both)
    st.fragment(run_every=tick)(_watch)(runs, tick)


def _tick(runs: Sequence[Run]) -> float | None:
    """Seconds until the next look; None: all are at rest."""
    states = [r.state for r in runs if r.active]
    begins = any(s.status == "running" and not s.running_seconds for s in states)
    return (SOON if begins else TICK) if states else None


def _watch(runs: Mapping[str, Run], tick: float | None) -> None:
    with errors_in_words():  # a fragment runs by itself
        _look(runs, tick)


def _look(runs: Mapping[str, Run], tick: float | None) -> None:
    some = list(runs.values())
    if tick:
        queue.advance(some[0].path.parent)
    if tick != _tick(some):
        st.rerun()  # once: the ticking follows the runs' activity
    for column, run in zip(st.columns(len(some), gap="large"), some, strict=True):
        with column:
            _standing(run)
    if said := ending.sentence(runs):
        st.markdown(f"#### {said}", width=900)
    drawn = {arm: run for arm, run in runs.items() if run.sheet_steps}
    if drawn and (steps := training.drawn_steps(drawn)):
        training.scrub_training(drawn, steps)
    elif tick:
        st.caption(f"The first samples come at step {some[0].config.checkpoint_every:,}.")
        _preview(some[0])
    for column, run in zip(st.columns(len(some), gap="large"), some, strict=True):
        with column:
            _actions(run)
    with st.expander("More", key=f"more-{some[0].name}", on_change="rerun") as more:
        if more.open:
            for run in some:
                _loss(run)


def _preview(run: Run) -> None:
    """Until there are samples, some of the pictures that it learns from."""
    from ui import pictures

    train = data.sets(run).train[:24]
    st.caption("Until then, some of the pictures that it learns from:")
    st.image(pictures.grid(train, 12, 16, 96), width="stretch", alt="Some of its training images")


def _standing(run: Run) -> None:
    """How far it is, how long it will take, and the way to stop it."""
    state, steps = run.state, run.config.steps
    far = state.judging if state.status == "running" else None
    stopping = state.status in ACTIVE and run.is_to_pause
    status = "stopping" if stopping else "judging" if far else state.status
    icon, color = STATUS.get(status, ("help", "gray"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{words.run_name(run)}**", width="content")
        st.badge(status, icon=f":material/{icon}:", color=color)  # type: ignore[arg-type]
        if state.status in ACTIVE and not stopping and visitor.may_change(run):
            _act(run, "Stop", "stop", lambda key: queue.request_stop(run, key))
        if status == "running" and state.eta_seconds:
            st.caption(f"about {words.duration(state.eta_seconds)} left", width="content")
        if status == "queued":
            st.caption(_in_line(run), width="content")
        if stopping:
            st.caption("it saves its last samples first", width="content")
    if far:
        st.progress(far.done / far.of, f"Judging: {far.done} of {far.of} samples drawn")
    elif state.status in ACTIVE:
        st.progress(min(state.step / steps, 1.0), f"Step {state.step:,} of {steps:,}")
    if not visitor.may_change(run):
        st.caption("Somebody else's run: you can watch it.")
    if run.config.parent:
        name, _, at = run.config.parent.rpartition("@")
        st.caption(f"It began with the weights of {name} at step {int(at):,}.")


def _in_line(run: Run) -> str:
    """What it waits for, and how long."""
    before = queue.position(run)
    others = "one training comes" if before == 1 else f"{before} trainings come"
    return f"{others.capitalize()} before it. {desk.wait(run)}" if before else "It starts now."


def _actions(run: Run) -> None:
    """What can be done with a run at rest, and ways to it for others and for later."""
    resting = run.status not in ACTIVE
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if resting and visitor.may_change(run) and not hidden("train"):
            _continue(run)
        if resting and run.steps:
            st.page_link(
                "pages/evidence.py",
                label="Every sample",
                icon=":material/frame_inspect:",
                query_params={"run": run.name},
            )
            if run.config.text:
                ask = "Ask it for words"
                link = {"set": run.name}
                st.page_link("pages/words.py", label=ask, icon=":material/chat:", query_params=link)
            _downloads(run)
        _link(run)
        if resting and visitor.may_change(run) and not hidden("train"):
            _deletion(run)


def _continue(run: Run) -> None:
    steps = run.config.steps
    if ending.is_due(run):
        _act(run, "Judge it", "fact_check", lambda key: queue.resume(run, key))
    if run.last_step < steps:
        _act(run, "Go on", "play_arrow", lambda key: queue.resume(run, key))
    elif run.resume_steps:
        more = steps * 2
        _act(run, f"Go on to step {more:,}", "play_arrow", lambda key: queue.extend(run, more, key))
    if run.steps:
        about = "A new run that starts from this one's weights."
        key, icon = f"fork-{run.name}", ":material/fork_right:"
        if st.button("Other settings", key, icon=icon, help=about):
            form.start_from(run)
            st.rerun()  # the whole page: this part of it would go on to show the run


def _deletion(run: Run) -> None:
    key = f"deletion-{run.name}"  # its own, or it would stay open over the next run
    with st.popover("Delete", icon=":material/delete:", type="tertiary", key=key):
        st.markdown(f"Delete {run.name} for good?")
        _act(run, "Yes, delete it", "delete", lambda key: _delete(run, key))


def _delete(run: Run, key: str | None) -> None:
    queue.delete(run, key, data.runs_folder())
    visitor.deleted(run)
    other = partner(run)
    st.query_params.from_dict({"mine": other.name} if other else {})


def _act(run: Run, label: str, icon: str, do: Callable[[str | None], object]) -> None:
    """A button that changes the run; what forbids it is said in a line."""
    if st.button(label, f"{icon}-{run.name}", icon=f":material/{icon}:"):
        if not run.path.exists():
            words.refuse(f"the run {run.name} is gone: it was deleted meanwhile.")
            return
        try:
            do(visitor.key_to(run))
        except InputError as e:
            words.refuse(e)
        else:
            st.rerun()


def _downloads(run: Run) -> None:
    about = "Config, weights, report, curves, samples and a model card"
    own = run.config.corpus == OWN
    for label, images in [("Download", False), *([("With my pictures", True)] if own else [])]:
        words.download(
            label,
            partial(export_run, run, images=images),
            f"{run.name}{'-with-pictures' * images}.zip",
            "application/zip",
            f"{about}; whoever has it sees your pictures" if images else about,
        )


def _link(run: Run) -> None:
    with st.popover("Link", icon=":material/link:", type="tertiary", key=f"link-{run.name}"):
        watch, change = visitor.links(run)
        own = run.config.corpus == OWN
        st.caption("To watch it from anywhere" + (", pictures included" if own else ""))
        st.code(watch, language=None, wrap_lines=True)
        warn_if_local()
        if is_public() and visitor.may_change(run):
            st.caption("To come back and stop, extend or delete it. Keep it to yourself.")
            st.code(change, language=None, wrap_lines=True)


def _loss(run: Run) -> None:
    lines = run.metrics()
    if not lines:
        st.caption(f"The loss is drawn from step {LOG_EVERY} on.")
        return
    last = lines[-1]
    figure = training_charts.loss(lines, run.config.arm, run.config.steps)
    charts.show(figure, f"loss-{run.name}", f"Training loss up to step {last['step']:,}.")
    words.under(
        f"training-{run.name}",
        f"Training loss, {last['loss']:.3f} at step {last['step']:,}: it does not tell when "
        f"copying sets in. {last['images_per_second']:.0f} images a second.",
        [words.provenance(run, ending.current(run))],
        lambda: [*run.metrics(), *training.rows(run)],
        train_command(run),
    )


def train_command(run: Run) -> str:
    """The command that trains the same run again."""
    said = ["python -m ambient train --out runs/again"]
    for name in CHOICES:
        value = run.images if name == "corpus" else getattr(run.config, name)
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            said += [option] * value
        elif name != "checkpoint_every" and (value or name != "cutoff"):
            said.append(f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}")
    return " ".join(said)
