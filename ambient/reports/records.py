"""What is stored of audits: typed JSON, readable without torch."""

from __future__ import annotations

from pathlib import Path

from ambient.copies.records import Judged, JudgedImage, Report
from ambient.diffusion.records import Count
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Record, decode_record


class AuditedImage(JudgedImage, frozen=True, kw_only=True):
    """A judged image by the name of its file, with the files nearest to it.

    Attributes:
        most_similar: position of the training image nearest in features.
        likeness: how a copy differs from its original.
    """

    file: str
    most_similar: Count | None = None
    nearest_file: str
    second_file: str
    most_similar_file: str | None = None
    heldout_file: str | None = None
    likeness: str | None = None

    @property
    def named(self) -> bool:
        """Whether either rule calls it a copy."""
        return self.copy or bool(self.copy_by_similarity)

    def is_copy(self, rule: str) -> bool:
        """The verdict of one rule, `ratio` or `similarity`."""
        return self.copy if rule == "ratio" else bool(self.copy_by_similarity)


class Origin(Record, frozen=True, kw_only=True):
    """The model that made the generated images, and how it was sampled."""

    checkpoint_sha256: str | None
    sampler: SamplerConfig


class Generated(Record, frozen=True, kw_only=True):
    name: str
    sha256: str


class Duplicates(Record, frozen=True, kw_only=True):
    """Near-duplicates within each set, and held-out images left out as twins of training ones."""

    generated: Count
    training: Count
    heldout: Count
    heldout_twins_of_training: Count


class Evidence(Record, frozen=True, kw_only=True):
    """A sample under one rule, as pictures.

    Attributes:
        order: one of `ORDERS` (`copies.rules`).
        sample: its position.
        roles, files: what each picture of the strip is, and its name.
        strip: the pictures side by side, a PNG in base64.
    """

    rule: str
    order: str
    sample: Count
    roles: tuple[str, ...]
    files: tuple[str, ...]
    strip: str


class Original(Record, frozen=True, kw_only=True):
    """A copy beside the training image that the rule says it is of; `strip` as in `Evidence`."""

    sample: Count
    files: tuple[str, str]
    strip: str


class Audit(Judged, frozen=True, kw_only=True):
    """The verdict on files, or on a model's samples, with some of them as pictures."""

    run: None = None
    version: str = ""
    shape: tuple[Count, Count, Count]
    generated: Generated
    duplicates: Duplicates | None = None
    samples: tuple[AuditedImage, ...]
    evidence: tuple[Evidence, ...] = ()
    originals: tuple[Original, ...] = ()

    @property
    def name(self) -> str:
        """What was judged."""
        return self.generated.name


def read_report(path: Path) -> Report | Audit:
    """A report that `evaluate --json` or `audit --json` wrote.

    Raises:
        InputError: no such file, or another one.
    """
    if not path.exists():
        raise InputError(f"'{path}' does not exist; expected a run, or the JSON of an audit.")
    try:
        data = path.read_bytes()
        images = decode_record(data, _Kind, "it").run is None
        found: Report | Audit = (
            decode_record(data, Audit, "it") if images else decode_record(data, Report, "it")
        )
        if not found.samples:
            raise InputError("it has no samples.")
    except (OSError, InputError) as e:
        raise InputError(
            f"'{path}' is no report; expected what `audit --json FILE` writes, or `evaluate`: {e}"
        ) from e
    return found


class _Kind(Record, frozen=True):
    """Which of the two reports a file holds: that of images has no run."""

    run: str | None
