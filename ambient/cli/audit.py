"""The command `audit`: are generated images, or samples of a model, copies of training images?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ambient.cli.opening import opened
from ambient.cli.options import MODEL, Count, Features, File, Flag, JsonFile, Seed, Side
from ambient.cli.output import Parts, StopRequest, put_json, say
from ambient.config import check
from ambient.files import InputError, write_atomically
from ambient.reports.records import Origin

if TYPE_CHECKING:
    from ambient.images.corpus import Corpus
    from ambient.reports.sets import Sets

SAMPLED_AT_ONCE = 16  # images: how far it is, is soon known
IMAGES = "a folder, zip or npz of images, or the name of a corpus"


def audit(
    *,
    train: Annotated[str, Parameter(help=IMAGES)],
    generated: Annotated[str | None, Parameter(help=IMAGES)] = None,
    model: Annotated[str | None, Parameter(help=f"sample this instead: {MODEL}")] = None,
    n: Annotated[Count, Parameter(help="samples of the model")] = 256,
    heldout: Annotated[str | None, Parameter(help="real images the generator never saw")] = None,
    side: Side = None,
    features: Features = "encoder-64",
    seed: Annotated[Seed, Parameter(help="of samples")] = 0,
    json: JsonFile = None,
    html: Annotated[File, Parameter(help="one self-contained page to hand on")] = None,
    skip_quality: Annotated[Flag, Parameter(help="copies alone, in half the time")] = False,
    progress: Annotated[File, Parameter(help="rewritten as the work goes on (JSON)")] = None,
) -> None:
    """Judge any generated images against any training images."""
    from ambient.reports.answer import sentences
    from ambient.reports.audit import audit as run_audit
    from ambient.reports.page import page
    from ambient.runs.limits import Limits

    noted: set[str] = set()

    def count(sets: Sets) -> None:
        """What is read and what is left out, in a line a set."""
        for which, corpus in sets.named():
            h, w = corpus.images.shape[1:3]
            images = f"{len(corpus):,} image{'s' * (len(corpus) != 1)}"
            say(" ".join([f"{which}: {images} of {w}x{h} pixels.", *corpus.notes]))
            noted.update(f"{which}: {note}" for note in corpus.notes)

    Limits.here().cap_memory()
    with StopRequest() as stop, Parts(stop, progress) as parts:
        origin: Origin | None = None
        if generated and not model:
            made: str | Corpus = generated
        elif model and not generated:
            made, origin = _samples_of(model, n, seed, parts)
        else:
            raise InputError(
                "audit takes --generated images or a --model to sample; give one of them."
            )
        report = run_audit(
            made,
            train,
            heldout,
            side=side,
            features=features,
            seed=seed,
            quality=not skip_quality,
            tell=parts.tell,
            origin=origin,
            show=count,
        )
    if html:
        write_atomically(Path(html), page(report))
    put_json(json, report)
    for warning in report.warnings:
        if warning not in noted:
            say(warning)
    say(" ".join([report.answer.sentence, *sentences(report)]))


def _samples_of(spec: str, n: int, seed: int, parts: Parts) -> tuple[Corpus, Origin]:
    """Images that a model makes, and what a report says of their origin."""
    import numpy as np

    from ambient.diffusion.samplers import trajectory
    from ambient.images.corpus import Corpus, to_bytes
    from ambient.images.twins import twin_groups
    from ambient.runs.limits import Limits

    parts.tell("loading the model", 0, 1)
    model = opened(spec)
    how, shape, seeds = model.sampler(), model.shape, range(seed, seed + n)
    Limits.here().check_pictures(n, shape[1])
    check("seed", seeds[-1], "the last image's seed")
    denoiser, made = model.denoiser(), []
    for start in range(0, n, SAMPLED_AT_ONCE):
        some = seeds[start : start + SAMPLED_AT_ONCE]
        for moment in trajectory(denoiser, some, shape, how):
            drawn = start + len(some) * (moment.index + 1) // how.steps
            parts.tell("sampling the model", min(drawn, n), n)
        made.append(to_bytes(moment.x.cpu().numpy()))
    images = np.concatenate(made)
    corpus = Corpus(
        name=model.name,
        images=images,
        names=tuple(f"seed {s}" for s in seeds),
        categories=("",) * n,
        groups=twin_groups(images),
        license="yours",
    )
    return corpus, Origin(sampler=how, checkpoint_sha256=model.checkpoint_sha256())
