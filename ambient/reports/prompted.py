"""Audits of Stable Diffusion pipelines, asked with the captions of their training images and with
prompts that nothing was trained with; and which stage of a fine-tune to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.copies.asked import Fit, rated
from ambient.copies.imagenet import imagenet_features
from ambient.copies.intervals import clopper_pearson
from ambient.files import InputError, Tell, silent
from ambient.images.captions import captioned, read_text
from ambient.images.corpus import Corpus, load_corpus
from ambient.images.read import MAX_SIDE, MAX_TEXT, plain
from ambient.images.twins import apart, twin_groups
from ambient.models.finetune.settings import begun, stages
from ambient.models.stable import AT_ONCE, Stable, load_stable
from ambient.reports.answer import ANSWERS, span
from ambient.reports.asking import Asking, KindTally, Stage, Stages
from ambient.reports.audit import audit
from ambient.reports.records import Audit
from ambient.reports.sets import Sets

TRAINING, HELDOUT = "training", "held-out"
NAME = 60  # characters of a prompt in the name of its sample

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Kind:
    """Prompts of one kind.

    Attributes:
        texts: different ones, as they are asked in turn.
        files: of training captions, the images that each was trained with.
        images: of held-out captions, their pictures (len(texts), h, w, c); None without.
    """

    name: str
    texts: tuple[str, ...]
    files: tuple[frozenset[str], ...] = ()
    images: Images | None = None


@dataclass(frozen=True)
class Interview:
    """A pipeline, what it is asked, and what its answers are judged against.

    Attributes:
        side: pixels at which images are compared.
        judge: the audit of images, (made, tell) -> report.
        notes: what could not be asked.
    """

    stable: Stable
    asking: Asking
    kinds: tuple[Kind, ...]
    n: int
    seed: int
    side: int
    judge: Callable[[Corpus], Audit]
    notes: tuple[str, ...]
    tell: Tell = silent

    def ask(self, lora: Path | None) -> tuple[Audit, Fit | None]:
        """Sample every kind of prompt with a LoRA or without any, and judge the samples."""
        self.stable.take_lora(lora)
        size = _trained_at(lora) or self.stable.side
        drawn = [self._draw(kind, size) for kind in self.kinds]
        images = np.concatenate(drawn)
        names = [
            f"{kind.name} {self.seed + i}: {plain(self._text(kind, i)[:NAME])}"
            for kind in self.kinds
            for i in range(self.n)
        ]
        made = Corpus(
            name=f"{self.stable.name}, {lora.name}" if lora else self.stable.name,
            images=images,
            names=tuple(names),
            categories=("",) * len(images),
            groups=twin_groups(images),
            license="yours",
        )
        report = self.judge(made)
        tallies = tuple(self._tally(report, k) for k in range(len(self.kinds)))
        warnings = (*report.warnings, *self.notes)
        report = msgspec.structs.replace(report, kinds=tallies, warnings=warnings)
        return report, self._fit(drawn)

    def _text(self, kind: Kind, i: int) -> str:
        return kind.texts[i % len(kind.texts)]

    def _draw(self, kind: Kind, size: int) -> Images:
        """Samples of a kind, at the size of the comparison."""
        found = np.zeros((self.n, self.side, self.side, 3), np.uint8)
        for start in range(0, self.n, AT_ONCE):
            self.tell(f"sampling {kind.name} prompts", start, self.n)
            some = range(start, min(start + AT_ONCE, self.n))
            prompts = [self._text(kind, i) for i in some]
            seeds = [self.seed + i for i in some]
            made = self.stable.draw(prompts, seeds, size, self.asking.guidance, self.asking.steps)
            for i, image in zip(some, made, strict=True):
                small = Image.fromarray(image)
                if size != self.side:
                    small = small.resize((self.side, self.side), Image.Resampling.LANCZOS)
                found[i] = np.asarray(small)
        return found

    def _tally(self, report: Audit, which: int) -> KindTally:
        """What is named of the samples of a kind."""
        kind, n = self.kinds[which], self.n
        rows = report.samples[which * n : (which + 1) * n]
        named = sum(row.named for row in rows)
        own = sum(
            row.named and row.nearest_file in kind.files[i % len(kind.texts)]
            for i, row in enumerate(rows if kind.files else ())
        )
        return KindTally(
            kind=kind.name,
            prompts=min(n, len(kind.texts)),
            of=n,
            named=named,
            ci95=clopper_pearson(named, n),
            own=own if kind.files else None,
        )

    def _fit(self, drawn: Sequence[Images]) -> Fit | None:
        """How often a sample is nearest to the held-out picture of its own caption.

        By directions from the mean picture, in features of a network that saw neither. Training
        images play no part, so copying them is no merit here.
        """
        for kind, images in zip(self.kinds, drawn, strict=True):
            asked = min(len(kind.texts), self.n)
            if kind.images is not None and asked > 1:
                self.tell("looking at held-out pictures", 0, 1)
                known = imagenet_features(kind.images[:asked])
                center = known.mean(0)
                known, made = known - center, imagenet_features(images) - center
                lengths = np.maximum(np.linalg.norm(known, axis=1), 1e-9)
                found = (made @ known.T / lengths).argmax(1).tolist()
                return rated(found, [i % asked for i in range(self.n)], None, self.seed)
        return None


def interview(
    model: str,
    train: str,
    heldout: str | None,
    asking: Asking,
    *,
    n: int,
    seed: int = 0,
    side: int | None = None,
    features: str | None = None,
    quality: bool = True,
    tell: Tell = silent,
    show: Callable[[Sets], None] | None = None,
) -> Interview:
    """Get a Stable Diffusion pipeline ready to be asked.

    Args:
        model: its folder, or its name on the Hub. train, heldout: as `audit` takes them.
        n: samples of each kind of prompt; sample i has seed + i.
        side: at which images are compared; default: the pipeline's, 128 at most.

    Raises:
        InputError: no captions or prompts, or what `load_stable` and `load_corpus` refuse.
    """
    for name, value, most in (("guidance", asking.guidance, 100), ("steps", asking.steps, 1000)):
        if not 0 < value <= most:
            raise InputError(f"--{name} is {value:g}; expected a number above 0, at most {most}.")
    tell("loading the pipeline", 0, 1)
    stable = load_stable(model)
    side = side or min(MAX_SIDE, stable.side)
    known = captioned(load_corpus(train, side=side, tell=tell), asking.captions)
    kinds, notes = [_training(known, seed)], []
    try:
        kinds += _unseen(known, heldout, asking.prompts, side, seed)
    except InputError as e:
        if asking.prompts is not None:
            raise
        notes.append(f"heldout: {e}")
    if len(kinds) == 1:
        notes.append(
            "no unseen prompts were asked; give --prompts FILE, or --heldout pictures that have "
            "captions."
        )
    stable.ready()

    def judge(made: Corpus) -> Audit:
        return audit(
            made, train, heldout, side=side, features=features, seed=seed, quality=quality,
            tell=tell, show=show,
        )  # fmt: skip

    return Interview(stable, asking, tuple(kinds), n, seed, side, judge, tuple(notes), tell)


def _training(known: Corpus, seed: int) -> Kind:
    """The training captions in an order of the seed, and the images that each goes with."""
    files: dict[str, set[str]] = {}
    for text, name in zip(known.captions, known.names, strict=True):
        if text:
            files.setdefault(text, set()).add(name)
    texts = _shuffled(list(files), seed)
    return Kind(TRAINING, texts, tuple(frozenset(files[text]) for text in texts))


def _shuffled(texts: Sequence[str], seed: int) -> tuple[str, ...]:
    rng = np.random.default_rng([seed, 0xA5C])
    return tuple(texts[i] for i in rng.permutation(len(texts)))


def _unseen(
    known: Corpus, heldout: str | None, prompts: str | None, side: int, seed: int
) -> list[Kind]:
    """Prompts that are no training captions: those of a file, else captions of held-out images.

    Raises:
        InputError: none in the file, or held-out images without captions.
    """
    trained = set(known.captions)
    if prompts is not None:
        if not Path(prompts).is_file():
            raise InputError(
                f"--prompts is '{prompts}', which is no file; expected a prompt a line."
            )
        rows = (" ".join(row.split())[:MAX_TEXT] for row in read_text(Path(prompts)).split("\n"))
        texts = [row for row in dict.fromkeys(rows) if row and row not in trained]
        if not texts:
            raise InputError(
                f"'{plain(Path(prompts).name)}' holds no prompt that is no training caption; "
                "expected a line each."
            )
        return [Kind(HELDOUT, _shuffled(texts, seed))]
    if not heldout:
        return []
    held = captioned(load_corpus(heldout, side=side))
    _, new, _ = apart(_in_color(known.images), _in_color(held.images))
    place = {text: int(i) for i in new if (text := held.captions[i]) and text not in trained}
    asked = _shuffled(list(place), seed)
    images = held.images[[place[text] for text in asked]]
    return [Kind(HELDOUT, asked, images=images)] if asked else []


def _in_color(images: Images) -> Images:
    return np.broadcast_to(images, (*images.shape[:3], 3))


def _trained_at(lora: Path | None) -> int | None:
    """Pixels a side that a LoRA was trained at, where `finetune` noted them."""
    for folder in (lora, lora.parent) if lora else ():
        if folder.is_dir() and (found := begun(folder)):
            return found.settings.resolution
    return None


def audit_pipeline(subject: Interview) -> Audit:
    """Does it copy its training images, with the LoRA that was given or alone?"""
    lora = subject.asking.lora
    return subject.ask(None if lora is None else Path(lora).expanduser())[0]


def audit_stages(subject: Interview) -> tuple[Stages, dict[int, Audit]]:
    """Every stage of a fine-tune, asked the same from the same noise, and which of them to keep.

    Returns:
        The verdict, and the audit of each step; step 0 is the pipeline alone.

    Raises:
        InputError: a folder without stages.
    """
    folder = Path(str(subject.asking.stages)).expanduser()
    found = stages(folder)
    if not found:
        raise InputError(f"'{folder}' holds no stages; expected an --output_dir of `finetune`.")
    for stage in found.values():  # one that cannot be used is said before hours of sampling
        subject.stable.take_lora(stage)
        _trained_at(stage)
    rows, audits = [], {}
    for step, lora in {0: None, **found}.items():
        audits[step], fit = subject.ask(lora)
        report = audits[step]
        rows.append(Stage(step=step, answer=report.answer.key, kinds=report.kinds, fit=fit))
    keep, why = choose_stage(rows[1:])
    return Stages(model=subject.stable.name, stages=tuple(rows), keep=keep, why=why), audits


def choose_stage(rows: Sequence[Stage]) -> tuple[int | None, str]:
    """The stage to keep, and why.

    Of those without sign of copying, the one whose samples fit unseen captions best; where that is
    not measured, the last. If all copy, the one with the fewest copies.
    """
    clean = [row for row in rows if row.answer == "none"]
    if clean and all(row.fit for row in clean):
        fits = {row.step: row.fit for row in clean if row.fit}
        best = max(fits, key=lambda step: (fits[step].rate, step))
        fit = span(fits[best].rate, fits[best].ci95)
        return best, (
            f"of {len(clean)} stages without sign of copying, its samples are most often nearest "
            f"to the held-out picture of their own caption: {fit}."
        )
    if clean:
        return max(row.step for row in clean), (
            f"the last of {len(clean)} stages without sign of copying; how well samples fit their "
            "prompts was not measured, for which --heldout pictures with captions are needed."
        )
    known = [row for row in rows if row.answer != "unknown"]
    if not known:
        return None, "of no stage anything can be said; see the warnings of its audit."
    fewest = min(known, key=lambda row: (sum(kind.named for kind in row.kinds), -row.step))
    return fewest.step, (
        f"it has the fewest copies, but no stage is without: '{ANSWERS[fewest.answer]}'. Train "
        "shorter, on more pictures, or with a --cutoff."
    )
