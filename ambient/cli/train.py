"""The command `train`: a new run, or one to go on with, and its verdict where asked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ambient.cli.judge import summary
from ambient.cli.opening import is_zip, opened, run_of
from ambient.cli.options import Choices, Count, Side
from ambient.cli.output import Parts, StopRequest, bar_of, say
from ambient.config import CHOICES, configure, usual_threads
from ambient.files import InputError
from ambient.images.captions import captioned
from ambient.images.corpus import load_corpus
from ambient.runs.folder import STOP_FILE, Run, open_run
from ambient.runs.job import PLACE_FILE, Status, is_alive
from ambient.runs.presets import PRESETS, preset
from ambient.runs.start import lengthen, start_run

if TYPE_CHECKING:
    import torch

    from ambient.images.corpus import Corpus

_TITLES = "; ".join(f"{name}: {preset.title}" for name, preset in PRESETS.items())


def train(
    *,
    out: Annotated[str | None, Parameter(help="a new folder")] = None,
    resume: Annotated[
        str | None, Parameter(help="go on with a run folder; with --steps: to this many")
    ] = None,
    source: Annotated[
        str | None, Parameter("--from", help="start with a run's weights and settings")
    ] = None,
    from_step: Annotated[int | None, Parameter(help="its stored step [default: the last]")] = None,
    start: Annotated[str | None, Parameter("--preset", help=_TITLES)] = None,
    side: Side = None,
    captions: Annotated[
        str | None,
        Parameter(
            help='with --text: JSON lines of {"file_name": ..., "text": ...}, a picture each'
        ),
    ] = None,
    choices: Annotated[Choices | None, Parameter("*")] = None,
    device: Annotated[str, Parameter(help="auto, cpu, cuda or mps")] = "auto",
    evaluate: Annotated[
        Count | None, Parameter(help="then judge so many samples, and keep that")
    ] = None,
) -> None:
    """Train into a run folder, or go on with one."""
    from ambient.diffusion import distributed, hardware
    from ambient.diffusion.training import follow

    given = choices or {}
    with distributed.group(hardware.choose_device(device)) as chosen:
        if not distributed.is_first():
            with StopRequest():  # a stop is for the first process to answer
                follow(chosen)
        elif resume:
            new = {"out": out, "from": source, "from-step": from_step, "preset": start}
            _refuse_new(new | {"side": side, "captions": captions} | given)
            _carry_out(_resumed(resume, given.get("steps"), evaluate), None, chosen, evaluate)
        else:
            if not out:
                raise InputError("train needs --out RUN (a new folder) or --resume RUN.")
            parent, usual = _basis(source, from_step, start)
            config, corpus = _configured(parent, usual, given, side, chosen, captions)
            start_from = (parent, from_step) if parent else None
            run = start_run(Path(out), config, start_from, captions=corpus.captions)
            _carry_out(run, corpus, chosen, evaluate)


def _refuse_new(given: dict[str, Any]) -> None:
    """Raises InputError for what only a new run takes."""
    for name, value in given.items():
        if value is not None and name != "steps":
            raise InputError(
                f"--{name.replace('_', '-')} goes with a new run; --resume takes only --steps, to "
                "train longer, and --device. For other settings: train --out NEW --from RUN."
            )


def _resumed(spec: str, steps: int | None, judged: int | None) -> Run:
    """The run to go on with, be it only to judge it."""
    if is_zip(spec):
        raise InputError(
            f"'{spec}' is a zip, and a run goes on in its folder; start a new run from its "
            f"weights: train --out NEW --from {spec}."
        )
    run = open_run(spec)
    if is_alive(run) and run.state.pid != os.getpid():
        raise InputError(
            f"run '{run.path}' is being trained by process {run.state.pid}; "
            "wait for it, or stop it first."
        )
    if steps is not None:
        run = lengthen(run, steps)
    if run.config.steps <= run.last_step:
        if judged is None:  # else it keeps its place in the queue
            run.settle()
        say(f"'{run.path}' is done: {run.last_step} of {run.config.steps} steps.")
    elif run.status != "running":  # the queue starts a run as running: its stop counts
        for name in (STOP_FILE, PLACE_FILE):
            (run.path / name).unlink(missing_ok=True)
    return run


def _basis(
    source: str | None, step: int | None, start: str | None
) -> tuple[Run | None, dict[str, Any]]:
    """The run to start from, and the choices that it or a preset brings."""
    from ambient.diffusion.hardware import inference_dtype

    if source and start:
        raise InputError("--from and --preset both bring settings; give one of them.")
    if step is not None and not source:
        raise InputError("--from-step is a step of a run; name the run with --from RUN.")
    if source:
        parent = run_of(opened(source))
        kept = {k: getattr(parent.config, k) for k in CHOICES if k != "checkpoint_every"}
        return parent, kept | {"dtype": inference_dtype(parent.config.dtype)}
    if start:
        found = preset(start)
        return None, {"corpus": found.corpus, **found.choices}
    return None, {}


def _configured(
    parent: Run | None,
    usual: dict[str, Any],
    given: dict[str, Any],
    side: int | None,
    device: torch.device,
    captions: str | None,
) -> tuple[Any, Corpus]:
    """The config of a new run and its images: the choices given, on top of the usual ones."""
    from ambient.diffusion import distributed, hardware

    choices = usual | given
    if given.get("arm") == "standard" and "cutoff" not in given:
        choices["cutoff"] = 0.0
    if given.get("arm") == "ambient" and "cutoff" not in given and not choices.get("cutoff"):
        raise InputError(
            "train --arm ambient needs --cutoff, a noise level such as 1.0; suggest-cutoff "
            "names one for your images, and 0 is ordinary training."
        )
    if choices.get("dtype", "auto") == "auto":
        choices["dtype"] = hardware.faster_dtype(device)
    place = choices.pop("corpus", CHOICES["corpus"].usual)
    if parent and "corpus" not in given and side is None:
        corpus = parent.corpus()
    else:
        corpus = load_corpus(place, side=side)
    if choices.get("text"):
        corpus = captioned(corpus, captions)
    elif captions:
        raise InputError("--captions goes with --text, training with captions.")
    for note in corpus.notes:
        say(note)
    alone = distributed.size() == 1
    choices.setdefault("threads", usual_threads(corpus.images.shape[1]) if alone else 1)
    config = configure(corpus, **choices)
    distributed.rows(config.batch)  # refused before there is a folder
    return config, corpus


def _carry_out(run: Run, corpus: Corpus | None, device: torch.device, judged: int | None) -> None:
    """Train a run to its end, judge it where asked, and let the queue go on."""
    from ambient.diffusion import distributed
    from ambient.runs import queue

    queued = (run.path / PLACE_FILE).exists() and distributed.size() == 1
    try:
        with StopRequest() as stop:
            if run.last_step < run.config.steps:
                _train(run, corpus, device, stop, "running" if judged else "done")
            if judged and run.last_step >= run.config.steps:
                _judge(run, judged, stop)
    finally:
        if queued:  # the next one starts even where no page is open
            queue.advance(run.path.parent)


def _train(
    run: Run, corpus: Corpus | None, device: torch.device, stop: StopRequest, at_end: Status
) -> None:
    """Train a run from where it stands, and say how it ended."""
    from ambient.runs.limits import Limits
    from ambient.runs.train import record

    try:
        corpus = corpus or run.corpus()
        Limits.here().cap_memory()
    except InputError as e:
        run.fail(str(e))
        raise
    steps = record(run, corpus, device, at_end=at_end)
    with bar_of(run.config.steps, "step") as bar:
        for done in steps:
            bar.update(done.step - bar.n)
            if done.step % 10 == 0:
                bar.set_postfix(loss=f"{done.loss:.4f}", refresh=False)
            if stop.asked:
                break
        steps.close()
    step = run.saved_step
    if step >= run.config.steps:
        following = f" Next: python -m ambient evaluate {run.path}" if at_end == "done" else ""
        say(f"done, step {step}.{following}")
    elif run.status == "queued":
        say(f"saved at step {step}: another run's turn; the queue goes on with this one.")
    else:
        say(
            f"stopped as asked, saved at step {step}. "
            f"Go on with: python -m ambient train --resume {run.path}"
        )


def _judge(run: Run, n: int, stop: StopRequest) -> None:
    """Judge a trained run, keep its report, and say what it says."""
    from ambient.reports.keeping import judge
    from ambient.runs.limits import Limits

    Limits.here().cap_memory()
    report = None
    with Parts(stop) as parts, suppress(KeyboardInterrupt):
        report = judge(run, n, parts.tell)
    if report:
        say(summary(report))
    else:
        say(f"not judged. Do it with: python -m ambient evaluate {run.path} --store")
