"""What is stored of audits and of signals: typed JSON, readable without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ambient.copies.records import Judged, JudgedImage, Report
from ambient.diffusion.records import Count, Interval, Share
from ambient.diffusion.schedule import SamplerConfig
from ambient.files import InputError, Record, decode_record
from ambient.reports.asking import KindTally

COMMON = "common"  # what an image shows that repeats in nature: blanks, empty slices, clouds


class AuditedImage(JudgedImage, frozen=True, kw_only=True):
    """A judged image by the name of its file, with the files nearest to it.

    Attributes:
        most_similar: position of the training image nearest in features.
        likeness: how it is made of the nearest training image (`copies.likeness`); None where it
            is named by no rule, `COMMON` where it shows what repeats in nature.
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
        """Whether it is named as a copy of the training image nearest to it."""
        return self.likeness not in (None, COMMON)


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


class Tally(Record, frozen=True, kw_only=True):
    """How many of so many images are named, and of these: how many are training images changed in
    a way that is known, and how many are merely turned or not changed at all."""

    of: Count
    named: Count
    explained: Count
    exact: Count


NOTHING = Tally(of=0, named=0, explained=0, exact=0)  # of audits that are older than tallies


class Recall(Record, frozen=True, kw_only=True):
    """How many copies were found that the audit itself made of training images and planted."""

    change: str
    planted: Count
    found: Count


class Answer(Record, frozen=True, kw_only=True):
    """Are there copies? `copies` names some; `unknown` says in its sentence what is in the way."""

    key: Literal["copies", "none", "unclear", "unknown"]
    named: Count
    sentence: str

    def __post_init__(self) -> None:
        if self.key == "copies" and not self.named:
            raise InputError("an answer of copies names none; expected some")


class Evidence(Record, frozen=True, kw_only=True):
    """A sample as pictures, beside the images nearest to it by a rule.

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
    """A copy beside the training image that it is of; `strip` as in `Evidence`."""

    sample: Count
    files: tuple[str, str]
    strip: str


class Audit(Judged, frozen=True, kw_only=True):
    """The verdict on files, or on a model's samples, with some of them as pictures.

    Attributes:
        answer: what it comes to.
        reading: how training files were read, the way that the generated images speak for.
        readings: how many ways were tried.
        tally, unseen: of generated images, and of images that are no copies.
        recall: what the same search finds of copies that are planted.
        originals: some copies, the surest of each training image first.
        kinds: of a pipeline that was asked with prompts, what is named by kind of prompt.
    """

    run: None = None
    version: str = ""
    answer: Answer = Answer(
        key="unknown", named=0, sentence="This audit is older than answers; audit again."
    )
    reading: str = ""
    readings: Count = 1
    tally: Tally = NOTHING
    unseen: Tally = NOTHING
    recall: tuple[Recall, ...] = ()
    shape: tuple[Count, Count, Count]
    generated: Generated
    duplicates: Duplicates | None = None
    samples: tuple[AuditedImage, ...]
    evidence: tuple[Evidence, ...] = ()
    originals: tuple[Original, ...] = ()
    kinds: tuple[KindTally, ...] = ()

    @property
    def name(self) -> str:
        """What was judged."""
        return self.generated.name


class Signal(Record, frozen=True, kw_only=True):
    """How well a number that needs no training image tells prompts that give copies.

    Attributes:
        auc: probability that a prompt that gives copies scores above an unseen one that does not.
        tpr: share of them above all but 1 % of the others.
        early_auc: with the scores of an early stage, which has learned nothing by heart: apart
            from 0.5, the signal tells kinds of prompts, not copies.
    """

    name: str
    auc: Share
    auc_ci95: Interval
    tpr: Share
    tpr_ci95: Interval
    early_auc: Share | None = None
    early_auc_ci95: Interval | None = None


class ScoredPrompt(Record, frozen=True, kw_only=True):
    """A prompt, how many of its samples are copies, and its scores by signal."""

    text: str
    kind: str
    copies: Count
    scores: dict[str, float]


class Signals(Record, frozen=True, kw_only=True):
    """prompts.json: what a run says of its prompts before anyone looks at a training image.

    Attributes:
        early_step: the stage of the control; None without one.
        seeds: samples a prompt, of which one copy makes a positive.
        positives, negatives: prompts compared; unseen captions that give no copy are negatives.
        signals: () where there are too few of either.
        warnings: why.
    """

    run: str
    step: Count
    early_step: Count | None
    checkpoint_sha256: str
    guidance: float
    seeds: Count
    threshold: float
    positives: Count
    negatives: Count
    signals: tuple[Signal, ...]
    prompts: tuple[ScoredPrompt, ...]
    warnings: tuple[str, ...] = ()


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
