"""The images of an audit: read in the way that the generated ones speak for, all in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.copies.likeness import flat
from ambient.copies.sets import Images, ImageSets
from ambient.files import InputError, Tell, silent
from ambient.images.corpus import Corpus, Source, load_corpus, located
from ambient.images.read import plain
from ambient.images.readings import USUAL, Glances, Reading, Seen
from ambient.images.sheets import is_sheet
from ambient.images.squares import See
from ambient.images.twins import TWIN_LEAST, groups_across, twin_groups
from ambient.runs.limits import Limits

SETS = {"train": "training", "generated": "generated", "heldout": "held-out"}
REPEATED = 5  # so many equal images, but for grain, of a set, and
OFTEN = 0.02  # this share of it, are what repeats in nature
HALF = 0.5  # of a set and more within another is no chance: one was given for the other
GRAY = 2  # gray images among generated ones, and
GRAYER = 2.0  # so many times their share of the training images: all are compared in gray
PALE = 8  # of 256 levels that the colors of a gray image differ by at most
AT_ONCE = 256  # images whose colors are looked at
SWAPPED = (
    "half of the generated images and more are held-out images: were the sets swapped? A generator "
    "cannot copy what it never saw."
)
TWICE = "the generated images are the training images, one for one: was one set given twice?"
LARGER = 1.5  # times the size that is compared: smaller pictures are no contact sheets


@dataclass(frozen=True)
class Sets:
    """What an audit compares.

    Attributes:
        made, known: generated and training images.
        unseen: held-out images, none of them a twin of a training image; None without.
        common: bool (n,), training images that show what repeats in nature: twins of several
            held-out images, or many equal ones.
        expected: how many of how many real images show that: what no generator copied.
        twins: held-out images that were left out, as twins of training images; `single` of them
            are like training images that no other held-out one is like: they excuse no sample
            (a split may have leaked), and say how often nature makes such pairs.
        reading: how the files were read; `tried` other ways.
        notes: what is odd about the sets, one line each.
        sheets: names of generated files that look like contact sheets.
    """

    made: Corpus
    known: Corpus
    unseen: Corpus | None = None
    common: NDArray[np.bool_] | None = None
    expected: tuple[int, int] = (0, 0)
    twins: int = 0
    single: int = 0
    reading: Reading = USUAL
    tried: int = 1
    notes: tuple[str, ...] = ()
    sheets: tuple[str, ...] = ()

    @property
    def images(self) -> ImageSets:
        made, known, unseen = self.made.images, self.known.images, self.unseen
        held = (known[:0], self.known.groups[:0]) if not unseen else (unseen.images, unseen.groups)
        return ImageSets(made, known, held[0], self.known.groups, held[1])

    def named(self) -> Iterator[tuple[str, Corpus]]:
        """The sets that were given, by the names of the command's options."""
        yield "generated", self.made
        yield "train", self.known
        if self.unseen is not None:
            yield "heldout", self.unseen


def read_sets(
    generated: Source,
    train: Source,
    heldout: Source | None = None,
    side: int | None = None,
    tell: Tell = silent,
) -> Sets:
    """The images of an audit, in the form of the training images (see `reports.audit.audit`)."""
    if isinstance(generated, Corpus):  # other images are brought to its size, not it to theirs
        side = generated.images.shape[1]
    for which, spec in {"generated": generated, "train": train, "heldout": heldout}.items():
        if isinstance(spec, (str, Path)):  # a missing one is said before another is read
            with _told(which):
                located(spec)
    read = partial(_read, tell=tell, without=_folders(generated, train, heldout))
    seen, sheets = Seen(), _Sheets()
    known = read("train", train, side, see=seen)
    height, width = known.images.shape[1:3]
    side = side or (height if height == width else None)
    if isinstance(generated, Corpus):
        made = generated
    else:
        sheets.least = LARGER * (side or max(height, width))
        made = read("generated", generated, side, see=sheets)
    readings = seen.readings(made.images)
    reading, notes = USUAL, list[str]()
    if len(readings) > 1:
        glances = Glances(readings)
        read("train", train, side, see=glances)
        reading = glances.best(made.images, known.groups)
        if other := glances.otherwise(reading):
            notes.append(_otherwise(*other))
    if reading != USUAL:
        known = read("train", train, side, reading)
    unseen = read("heldout", heldout, side, reading) if heldout is not None else None
    sets = Sets(
        made,
        known,
        unseen,
        reading=reading,
        tried=len(readings),
        notes=tuple(notes),
        sheets=sheets.named(made.names),
    )
    tell("looking for twins", 0, 1)
    return without_twins(in_one_form(sets))


def _folders(*specs: object) -> list[Path]:
    """Where those of the sets lie that are folders; what is none is said where it is read."""
    found = []
    for spec in specs:
        with suppress(OSError, RuntimeError):
            if isinstance(spec, (str, Path)) and (path := Path(spec).expanduser()).is_dir():
                found.append(path.resolve())
    return found


def _read(
    which: str,
    spec: Source,
    side: int | None,
    reading: Reading = USUAL,
    see: See | None = None,
    tell: Tell = silent,
    without: Sequence[Path] = (),
) -> Corpus:
    """One of the sets of an audit, without others in its folder; what is wrong names it."""
    part = f"reading {SETS[which]} images"
    tell(part, 0, 0)  # how many there are is not known yet

    def heard(_: str, done: int, total: int) -> None:
        tell(part, done, total)

    with _told(which):
        found = load_corpus(spec, side=side, tell=heard, reading=reading, see=see, without=without)
        Limits.here().check_pictures(len(found), max(found.images.shape[1:3]))
    return found


@contextmanager
def _told(which: str) -> Iterator[None]:
    """Name the set in what is wrong with it."""
    try:
        yield
    except InputError as e:
        raise InputError(f"{which}: {e}") from e


@dataclass
class _Sheets:
    """Finds the pictures that look like contact sheets."""

    least: float = 0
    found: list[bool] = field(default_factory=list)

    def __call__(self, picture: Image.Image) -> None:
        self.found.append(min(picture.size) > self.least and is_sheet(picture))

    def named(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(compress(names, self.found))


def _otherwise(reading: Reading, count: int) -> str:
    return (
        f"{count:,} more generated images look like training images read in another way "
        f"({reading}), in which none is named here: audit those by themselves."
    )


def in_one_form(sets: Sets) -> Sets:
    """All sets in color; all in gray where training images are, or more of the generated ones.

    Raises:
        InputError: images of different sizes.
    """
    for which, corpus in sets.named():
        if corpus.images.shape[1:3] != sets.known.images.shape[1:3]:
            raise InputError(
                f"{which}: '{plain(Path(corpus.name).name)}' has images of "
                f"{_size(corpus.images)} and the training images are {_size(sets.known.images)}; "
                "give both in one size, or say a --side."
            )
    pale, known = (_are_gray(corpus.images) for corpus in (sets.made, sets.known))
    if not known.all() and (pale.sum() < GRAY or pale.mean() <= GRAYER * known.mean()):
        return _each(sets, _in_color)
    return replace(_each(sets, _in_gray), notes=sets.notes + _about_gray(pale, known))


def _each(sets: Sets, change: Callable[[Corpus], Corpus]) -> Sets:
    unseen = change(sets.unseen) if sets.unseen is not None else None
    return replace(sets, made=change(sets.made), known=change(sets.known), unseen=unseen)


def _about_gray(pale: NDArray[np.bool_], known: NDArray[np.bool_]) -> tuple[str, ...]:
    if known.all() and pale.all():
        return ()
    which = "the training" if known.all() else f"{int(pale.sum()):,} of {len(pale):,} generated"
    return (f"{which} images are gray: all are compared in gray.",)


def _size(images: Images) -> str:
    return f"{images.shape[2]}x{images.shape[1]} pixels"


def _are_gray(images: Images) -> NDArray[np.bool_]:
    """Which images (n, h, w, c) show something, without colors to speak of."""
    if images.shape[3] == 1:
        return np.ones(len(images), bool)
    spread = np.zeros(len(images), np.uint8)
    for start in range(0, len(images), AT_ONCE):
        red, green, blue = np.moveaxis(images[start : start + AT_ONCE], 3, 0)
        high, low = (f(f(red, green), blue) for f in (np.maximum, np.minimum))
        spread[start : start + AT_ONCE] = (high - low).max(axis=(1, 2))
    pale = spread <= PALE
    pale[pale] = ~flat(images[pale])
    return pale


def _in_color(corpus: Corpus) -> Corpus:
    if corpus.images.shape[3] == 3:
        return corpus
    return replace(corpus, images=np.repeat(corpus.images, 3, axis=3))


def _in_gray(corpus: Corpus) -> Corpus:
    if corpus.images.shape[3] == 1:
        return corpus
    gray = [np.asarray(Image.fromarray(image).convert("L")) for image in corpus.images]
    return replace(corpus, images=np.stack(gray)[..., None])


def without_twins(sets: Sets) -> Sets:
    """What repeats in nature, what is unseen, and whether one set was given for another."""
    known, unseen, notes = sets.known, sets.unseen, list(sets.notes)
    if are_the_same(sets.made.images, known.images):
        notes.append(TWICE)
    common = repeated(known.images, known.groups)
    if unseen is None:
        shares = int(common.sum()), len(known)
        return replace(sets, common=common, expected=shares, notes=tuple(notes))
    n = len(known)
    groups = groups_across(known.images, unseen.images, known.groups, unseen.groups)
    twin = np.isin(groups[n:], groups[:n])
    shown, single = twin & ~flat(unseen.images), 0
    often = np.zeros(len(unseen), bool)
    if shown.sum() >= HALF * max(1, (~flat(unseen.images)).sum()):
        notes.append(
            f"{int(twin.sum()):,} of {len(unseen):,} held-out images are training images: was one "
            "set given twice? They are left out."
        )
    else:
        often = shown & (_sizes(np.where(shown, groups[n:], -1)) > 1)
        common |= np.isin(groups[:n], groups[n:][often])
        single = int((shown & ~often).sum())
    if is_given_twice(sets.made.images, unseen.images):
        notes.append(SWAPPED)
    kept = np.flatnonzero(~twin)
    rest = replace(
        unseen,
        images=unseen.images[kept],
        names=tuple(unseen.names[i] for i in kept),
        categories=tuple(unseen.categories[i] for i in kept),
        groups=groups[n:][kept],
    )
    return replace(
        sets,
        unseen=rest,
        common=common,
        expected=(int(often.sum()), len(unseen)),
        twins=int(twin.sum()),
        single=single,
        notes=tuple(notes),
    )


def equal_groups(images: Images) -> NDArray[np.int64]:
    """Groups of images (n, h, w, c) that are equal to the last bit."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(bytes(image), i) for i, image in enumerate(images)], np.int64)


def repeated(images: Images, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images (n, h, w, c) are among many that are equal, but for grain.

    Args:
        groups: of twins, among which these are.
    """
    least = max(REPEATED, OFTEN * len(images))
    some = np.flatnonzero(_sizes(groups) >= least)
    found = np.zeros(len(images), bool)
    found[some] = _sizes(twin_groups(images[some], TWIN_LEAST)) >= least
    return found


def _sizes(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images the group of each holds."""
    _, which, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(counts[which], np.int64)


def are_the_same(images: Images, others: Images) -> bool:
    """Whether two sets hold the same images, in any order."""
    if len(images) != len(others):
        return False
    here, there = ({hash(bytes(image)) for image in some} for some in (images, others))
    return here == there


def is_given_twice(images: Images, others: Images) -> bool:
    """Whether half of the images and more are among the others."""
    there = set(map(bytes, others))
    return sum(bytes(image) in there for image in images) >= HALF * len(images)
