"""The runs and models that commands are given, by folder, name, zip or address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ambient.cli.output import say
from ambient.files import InputError
from ambient.runs.folder import Run, open_run

if TYPE_CHECKING:
    from ambient.models.subject import Subject


def opened(spec: str, train: str | None = None, heldout: str | None = None) -> Subject:
    """A run, or a diffusers pipeline beside its images, from a folder, a zip or the Hub."""
    from ambient.models import hub, pipelines
    from ambient.runs.queue import RUNS

    place = Path(spec).expanduser()
    found: Subject
    if spec.startswith(hub.PREFIX):
        found = hub.pull(spec, RUNS)
        say(f"{spec}: {getattr(found, 'path', found.name)}")
    elif pipelines.is_pipeline(place):
        found = pipelines.load_pipeline(spec)
    else:
        found = _from_zip(place) if is_zip(spec) else open_run(spec)
    if heldout and not train:
        raise InputError("--heldout goes with --train, the images that the model was trained on.")
    if train:
        found = found.beside(train, heldout)
        for note in found.corpus().notes:
            say(note)
    return found


def is_zip(spec: str) -> bool:
    place = Path(spec).expanduser()
    return place.suffix.lower() == ".zip" and place.is_file()


def _from_zip(place: Path) -> Subject:
    """A run that `export` wrote, unpacked for this command alone, or a diffusers pipeline."""
    from ambient.images.zips import open_zip
    from ambient.models import pipelines
    from ambient.runs import archive

    most = archive.MAX_UNPACKED + pipelines.MAX_WEIGHTS
    with open_zip(place, place.name, most) as content:
        names = {Path(member.filename).name for member in content.infolist()}
    if "config.json" in names and not any(
        name == pipelines.INDEX or pipelines.WEIGHTS.fullmatch(name) for name in names
    ):
        return archive.unpack_run(place)
    return pipelines.load_zip(place)


def run_of(subject: Subject) -> Run:
    """The run, where only a run will do."""
    from ambient.models.subject import as_run

    run = as_run(subject)
    if run is None:
        raise InputError(
            f"'{subject.name}' is a diffusers pipeline and no run folder: nothing can be kept in "
            "it, exported, pushed, compared or trained on. Results go to --json FILE, and "
            "`compare` takes that of `audit --model`."
        )
    return run


def keeper(spec: str, subject: Subject) -> Run:
    """The run that keeps the results, for --store."""
    run = run_of(subject)
    if is_zip(spec):
        raise InputError(
            f"'{spec}' is a zip, in which nothing is kept; unpack it and give the folder, or "
            "leave --store out: results go to --json FILE."
        )
    return run
