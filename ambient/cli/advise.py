"""The commands for before any training: `suggest-cutoff` and `advise`."""

from typing import Annotated

from cyclopts import Parameter

from ambient.cli.options import Count, Images, JsonFile, Seed, Side
from ambient.cli.output import Parts, StopRequest, put_json, say
from ambient.config import CHOICES
from ambient.images.corpus import load_corpus

N_TRAIN = Parameter(help="training images")


def suggest_cutoff(
    *,
    corpus: Images = CHOICES["corpus"].usual,
    side: Side = None,
    n_train: Annotated[int, N_TRAIN] = CHOICES["n_train"].usual,
    split_seed: Annotated[Seed, Parameter(help=CHOICES["split_seed"].title)] = 0,
    seed: Annotated[Seed, Parameter(help="of the images and noises measured")] = 0,
    json: JsonFile = None,
) -> None:
    """A cutoff before any training, from closed forms: this project's own heuristic."""
    from ambient.diffusion.levels import cutoff_report

    images = load_corpus(corpus, side=side)
    for note in images.notes:
        say(note)
    with StopRequest() as stop, Parts(stop) as parts:
        report = cutoff_report(images, n_train, split_seed, seed, tell=parts.tell)
    put_json(json, report)
    for warning in report.warnings:
        say(warning)
    if report.suggested_cutoff is not None:
        low, high = report.suggested_ci95 or (0.0, 0.0)
        say(
            f"suggested cutoff {report.suggested_cutoff:.3g} (95 % {low:.3g} to {high:.3g}): "
            f"{report.rule}."
        )


def advise(
    *,
    corpus: Annotated[str, Parameter(help="a folder, zip or npz of your images")],
    side: Side = None,
    n_train: Annotated[
        Count | None, Parameter(help="training images [default: three of four]")
    ] = None,
    batch: Annotated[Count, Parameter(help=CHOICES["batch"].title)] = CHOICES["batch"].usual,
    seed: Annotated[Seed, Parameter(help="of the split and the noises")] = 0,
    json: JsonFile = None,
) -> None:
    """Before training on few images: what they are, which cutoff, and when copying will begin."""
    from ambient.diffusion.levels import cutoff_report
    from ambient.reports.onset import UntriedError, expected_onset, stored_rows, usual_n_train

    images = load_corpus(corpus, side=side)
    count, distinct = len(images), len(set(images.groups.tolist()))
    taken = n_train or usual_n_train(distinct)
    onset, expected = None, ""
    try:
        onset = expected_onset(taken, batch, stored_rows())
        expected = onset.in_words()
    except UntriedError as e:
        expected = str(e)
    with StopRequest() as stop, Parts(stop) as parts:
        report = cutoff_report(images, taken, seed, seed, tell=parts.tell)
    say(f"{count} images, {distinct} distinct; {taken} to train on.")
    for note in [*images.notes, *report.warnings]:
        say(note)
    say(expected)
    cutoff = report.suggested_cutoff
    if cutoff is not None:
        low, high = report.suggested_ci95 or (0.0, 0.0)
        say(f"Suggested cutoff {cutoff:.2g} (95 % {low:.2g} to {high:.2g}): {report.rule}.")
        say(f"Use it with --arm ambient --cutoff {cutoff:.2g}.")
    if onset:
        say(f"Without a cutoff, stop before step {onset.low:,} and judge the stages.")
    facts = {"images": count, "distinct": distinct, "notes": list(images.notes)}
    put_json(json, {**facts, "onset": onset, "cutoff": report})
