"""A finished run, step by step: its loss, its copies, its samples from the same noise."""

from __future__ import annotations

from ambient.config import CHOICES
from ambient.runs.folder import Run
from ui import charts, data, words
from ui import stages as judged
from ui.charts import training as training_charts
from ui.film.training import scrub_training


def show(run: Run) -> None:
    """Its samples at any stored step, with loss and copies beside them."""
    steps = run.sheet_steps
    if not steps:
        return
    stages = judged.copies(run)
    step = steps[scrub_training({run.config.arm: run}, steps).frame]
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
        train_command(run),
    )


def train_command(run: Run) -> str:
    """The command that trains the same run again."""
    words = ["python -m ambient train --out runs/again"]
    for name in CHOICES:
        value = run.images if name == "corpus" else getattr(run.config, name)
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] * value
        elif name != "checkpoint_every" and (value or name != "cutoff"):
            words.append(f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}")
    return " ".join(words)
