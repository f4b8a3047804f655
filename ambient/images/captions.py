"""Captions of pictures: as people keep them, and what a training makes of them.

A caption is a line of text; a picture may have none, which is the empty text. A corpus brings its
captions in an npz, beside its pictures in a folder, or in a file that is named apart.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ambient.files import InputError, Record, decode_record
from ambient.images.corpus import Corpus
from ambient.images.read import MAX_TEXT, guarded, plain

PACKAGE = "wordllama"  # whose vectors stand for words
MISSING = "words need the packages of requirements-text.txt: pip install -r requirements-text.txt"
LISTS = ("metadata.jsonl", "captions.jsonl")  # the first is that of Hugging Face's imagefolder
MAX_BYTES = 50_000_000  # of a list of captions
DOUBLED = 0.05  # share of the images that the controls on doubled images show more often
TIMES = 5  # how much more often
PHRASES = ("{}", "a picture of {}", "a drawing of {}", "{} on a plain background", "one {}")

# What the names of a bundled corpus are, as captions: a kanji stands before its meaning.
BUNDLED: dict[str, Callable[[str], str]] = {
    "emoji": str,
    "kanji": lambda name: name.partition(" ")[2],
}


def is_installed() -> bool:
    """Whether words can be read here."""
    return find_spec(PACKAGE) is not None and find_spec("tokenizers") is not None


class Line(Record, frozen=True, kw_only=True):
    """A line of a list of captions: a picture by its file's name, and its caption."""

    file_name: str
    text: str


def captioned(corpus: Corpus, file: str | Path | None = None) -> Corpus:
    """The corpus with a caption for each image.

    In this order: those of `file`, those that the corpus brings, and those in its folder, which
    are `metadata.jsonl`, else `captions.jsonl`, else a .txt beside each picture. Texts longer than
    500 characters are cut; what else is changed or missing stands in `notes`.

    Args:
        file: JSON lines such as {"file_name": "cat.png", "text": "a cat"}, where file_name is a
            name in `corpus.names`.

    Raises:
        InputError: there are none, or a file that cannot be read as said.
    """
    place = Path(corpus.name)
    if file is not None:
        found = _matched(corpus.names, Path(file))
    elif corpus.captions:
        found = list(corpus.captions)
    elif corpus.name in BUNDLED:
        found = [BUNDLED[corpus.name](name) for name in corpus.names]
    elif listed := next((place / name for name in LISTS if (place / name).is_file()), None):
        found = _matched(corpus.names, listed)
    else:
        found = [_beside(place / name) for name in corpus.names] if place.is_dir() else []
    captions = tuple(plain(" ".join(text.split())[:MAX_TEXT], MAX_TEXT) for text in found)
    missing = sum(not caption for caption in captions)
    cut = sum(len(" ".join(text.split())) > MAX_TEXT for text in found)
    if missing == len(captions):
        raise InputError(
            f"'{plain(place.name)}' has no captions; give --captions FILE, or put {LISTS[0]} or a "
            ".txt a picture into its folder, or 'captions' into its npz."
        )
    of, notes = f"of {len(captions)}", list(corpus.notes)
    if missing:
        notes.append(f"{missing} {of} pictures have no caption; they are trained on without.")
    if cut:
        notes.append(f"{cut} {of} captions have more than {MAX_TEXT} characters and were cut.")
    return replace(corpus, captions=captions, notes=tuple(notes))


def _matched(names: Sequence[str], path: Path) -> list[str]:
    """The caption of each name in a list; '' where it has none."""
    label = plain(path.name)
    found = dict(_lines(read_text(path), label))
    if not found.keys() & set(names):
        raise InputError(
            f"'{label}' names none of the pictures; expected names such as '{names[0]}'."
        )
    return [found.get(name, "") for name in names]


def _lines(text: str, label: str) -> Iterator[tuple[str, str]]:
    """Names and captions of a list.

    Raises:
        InputError: the first line that is none, or that names a picture for a second time.
    """
    seen: dict[str, int] = {}
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        line = decode_record(row, Line, f"'{label}', line {number}")
        name = plain(line.file_name)
        if name in seen:
            raise InputError(
                f"'{label}' names '{name}' in line {seen[name]} and in line {number}; keep one."
            )
        seen[name] = number
        yield name, line.text


def _beside(picture: Path) -> str:
    path = picture.with_suffix(".txt")
    return read_text(path) if path.is_file() else ""


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        InputError: not there, too large, or not UTF-8.
    """
    label = plain(path.name)
    if not path.is_file():
        raise InputError(f"'{path}' is no file; expected captions as JSON lines.")
    with guarded(f"'{label}' is not UTF-8 text; save it as UTF-8."):
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"'{label}' is larger than {MAX_BYTES // 10**6} MB; use a smaller one."
            )
        return path.read_text(encoding="utf-8-sig")


def digest(captions: Sequence[str]) -> str:
    """Hash of captions and their order."""
    return hashlib.sha256("\n".join(captions).encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """What a training tells of its images, fixed before its first step."""

    # for each image the same number of captions, of which each visit draws one
    texts: tuple[tuple[str, ...], ...]
    # positions of images; one that is shown more often stands there more often
    visits: NDArray[np.int64]


def plan(captions: Sequence[str], categories: Sequence[str], control: str, seed: int) -> Plan:
    """The captions of the images that are trained on, under a control (`config.CAPTIONS`).

    Raises:
        InputError: the control needs categories and there are none.
    """
    rng = np.random.default_rng([seed, 0xCA9])
    visits = np.arange(len(captions))
    texts: list[tuple[str, ...]] = [(caption,) for caption in captions]
    if control in ("category", "redrawn") and not any(categories):
        raise InputError(f"captions '{control}' need categories, and these images have none.")
    if control == "category":
        texts = [(category,) for category in categories]
    elif control == "shuffled":
        texts = [texts[i] for i in rng.permutation(len(texts))]
    elif control == "redrawn":
        texts = list(zip(captions, categories, strict=True))
    elif control in ("doubled", "paraphrased"):
        some = rng.permutation(len(texts))[: max(1, round(DOUBLED * len(texts)))]
        visits = np.concatenate([visits, *[some] * (TIMES - 1)])
        if control == "paraphrased":
            chosen = set(some.tolist())
            texts = [
                tuple(p.format(c) if i in chosen and c else c for p in PHRASES)
                for i, c in enumerate(captions)
            ]
    return Plan(tuple(texts), visits)


def recombined(captions: Sequence[str], n: int, seed: int) -> list[str]:
    """Prompts of the first word of one caption and the last of another, none a caption itself.

    In English the first describes and the last is what is described: 'red heart' and 'white
    rabbit' become 'red rabbit'.

    Returns:
        At most n of them, all different.
    """
    rng = np.random.default_rng([seed, 0x2EC])
    several = [words for caption in captions if len(words := caption.split()) > 1]
    known, found = set(captions), Counter[str]()
    for _ in range(20 * n if several else 0):
        first, last = (several[i] for i in rng.integers(len(several), size=2))
        prompt = f"{first[0]} {last[-1]}"
        if first[0] != last[-1] and prompt not in known:
            found[prompt] += 1
        if len(found) == n:
            break
    return list(found)
