"""The command `audit`: are generated images, or samples of a model, copies of training images?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ambient.cli.opening import opened
from ambient.cli.options import MODEL, Count, Features, File, Flag, JsonFile, Seed, Side
from ambient.cli.output import Parts, StopRequest, put_json, say
from ambient.config import check
from ambient.files import InputError, write_atomically
from ambient.reports.asking import Asking
from ambient.reports.records import Audit, Origin

if TYPE_CHECKING:
    from ambient.images.corpus import Corpus
    from ambient.reports.prompted import Interview
    from ambient.reports.sets import Sets

LISTED = 12  # training files that leak, most often first
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
    asking: Annotated[Asking | None, Parameter("*")] = None,
) -> None:
    """Judge any generated images, or a model's, against any training images."""
    from ambient.reports.audit import audit as run_audit
    from ambient.runs.limits import Limits

    noted: set[str] = set()

    def count(sets: Sets) -> None:
        """What is read and what is left out, in a line a set."""
        for which, corpus in sets.named():
            h, w = corpus.images.shape[1:3]
            images = f"{len(corpus):,} image{'s' * (len(corpus) != 1)}"
            line = " ".join([f"{which}: {images} of {w}x{h} pixels.", *corpus.notes])
            if line not in noted:  # each stage is judged against the same images
                say(line)
            noted.add(line)
            noted.update(f"{which}: {note}" for note in corpus.notes)

    Limits.here().cap_memory()
    with StopRequest() as stop, Parts(stop, progress) as parts:
        origin: Origin | None = None
        how: dict[str, Any] = {"side": side, "features": features, "seed": seed, "show": count}
        how |= {"quality": not skip_quality, "tell": parts.tell}
        if model:
            from ambient.models.stable import is_told
        if asking and asking.lora is not None and asking.stages is not None:
            raise InputError("--stages judges every stage of a folder, --lora one; give one.")
        if model and not generated and (asking or is_told(Path(model).expanduser())):
            from ambient.reports.prompted import interview

            subject = interview(model, train, heldout, asking or Asking(), n=n, **how)
            _asked(subject, json, html, noted)
            return
        if asking:
            raise InputError(
                "--lora, --stages, --captions, --prompts, --guidance and --steps go with --model, "
                "a Stable Diffusion pipeline."
            )
        if generated and not model:
            made: str | Corpus = generated
        elif model and not generated:
            made, origin = _samples_of(model, n, seed, parts)
        else:
            raise InputError(
                "audit takes --generated images or a --model to sample; give one of them."
            )
        report = run_audit(made, train, heldout, origin=origin, **how)
    put_json(json, report)
    _conclude(report, html, noted)


def _conclude(report: Audit, html: str | None, noted: Collection[str] = ()) -> None:
    """Say what an audit found, but for warnings that were said, and write its page."""
    from ambient.reports.answer import sentences
    from ambient.reports.page import page

    if html:
        write_atomically(Path(html), page(report))
    for warning in report.warnings:
        if warning not in noted:
            say(warning)
    say(" ".join([report.answer.sentence, *sentences(report)]))


def _asked(subject: Interview, json: str | None, html: str | None, noted: Collection[str]) -> None:
    """Judge a Stable Diffusion pipeline, or every stage of its fine-tune."""
    from ambient.reports.answer import ANSWERS
    from ambient.reports.prompted import audit_pipeline, audit_stages

    if subject.asking.stages is None:
        report = audit_pipeline(subject)
        put_json(json, report)
        _conclude(report, html, noted)
        for line in _leaks(report):
            say(line)
        return
    found, audits = audit_stages(subject)
    put_json(json, found)
    for stage in found.stages:
        counts = [f"{kind.named} of {kind.of} {kind.kind}" for kind in stage.kinds]
        if stage.fit:
            counts.append(f"fit {stage.fit.rate:.0%} (chance {stage.fit.floor:.0%})")
        name = f"step {stage.step}" if stage.step else "without the LoRA"
        say(f"{name}: {', '.join(counts)}; {ANSWERS[stage.answer]}.")
    shown = audits[max(audits) if found.keep is None else found.keep]
    _conclude(shown, html, noted)
    for line in _leaks(shown):
        say(line)
    say(f"Keep {'none' if found.keep is None else f'checkpoint-{found.keep}'}: {found.why}")


def _leaks(report: Audit) -> Iterator[str]:
    """What is named by kind of prompt, and which training files leak."""
    from ambient.reports.page import leaked

    for kind in report.kinds:
        own = "" if kind.own is None else f", {kind.own} of their own caption's picture"
        low, high = (100 * x for x in kind.ci95)
        yield (
            f"{kind.kind} prompts: {kind.named} of {kind.of} samples are named{own} "
            f"(95 % {low:.1f} to {high:.1f} %)."
        )
    files = [f"{file} ({len(samples)})" for file, samples in leaked(report).items()]
    if files:
        more = f" and {len(files) - LISTED} more" if len(files) > LISTED else ""
        yield f"leaking: {', '.join(files[:LISTED])}{more}."


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
