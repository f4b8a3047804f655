"""Named starting points for training: a corpus, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ambient.files import InputError


@dataclass(frozen=True)
class Preset:
    """A named starting point for training.

    Attributes:
        title: a few words for a card.
        why: what to expect and the reason, in a sentence or two.
        corpus: what `load_corpus` takes.
        choices: arguments of `configure`.
        shown_by: the bundled run trained with these choices, which shows how it ends, if any.
    """

    title: str
    why: str
    corpus: str
    choices: dict[str, Any]
    shown_by: str = ""


_DIGITS = {
    "arm": "standard", "steps": 1500, "batch": 64, "lr": 4e-3, "width": 16,
    "network": "bands",
}  # fmt: skip
_KANJI = {"arm": "standard", "network": "bands"}
_EMOJI = {"arm": "standard", "steps": 3500}
_CUT = "Above the cutoff the network only ever sees one frozen noisy copy of each"
PRESETS = {  # a corpus, and what becomes of it: copies, new pictures, or fewer copies by a cutoff
    "digits-copy": Preset(
        "Copies in a minute",
        "So few small digits leave even a small network nothing else to do than learn them.",
        "digits",
        {**_DIGITS, "n_train": 50},
        "digits-50-standard",
    ),
    "digits-new": Preset(
        "Makes new digits",
        "Each digit is seen too rarely to be learned by heart.",
        "digits",
        {**_DIGITS, "n_train": 1000},
        "digits-1000-standard",
    ),
    "digits-ambient": Preset(
        "A cutoff on digits",
        f"{_CUT}. Digits this small are copied all the same.",
        "digits",
        {**_DIGITS, "n_train": 50, "arm": "ambient", "cutoff": 0.5},
    ),
    "kanji-copy": Preset(
        "Copies kanji",
        "Each character is seen about a thousand times: strokes come first, then copies.",
        "kanji",
        {**_KANJI, "n_train": 50, "steps": 1500},
    ),
    "kanji-new": Preset(
        "Makes new kanji",
        "Each character is seen about a hundred times: strokes are learned, characters are not.",
        "kanji",
        {**_KANJI, "n_train": 1000, "steps": 3000},
    ),
    "kanji-ambient": Preset(
        "A cutoff on kanji",
        f"{_CUT}, and copying sets in later.",
        "kanji",
        {**_KANJI, "n_train": 100, "steps": 2250, "arm": "ambient", "cutoff": 1.0},
    ),
    "emoji-copy": Preset(
        "Copies emoji",
        "Ordinary training on few emoji: most samples end up as training images.",
        "emoji",
        {**_EMOJI, "n_train": 100},
        "emoji-100-standard",
    ),
    "emoji-new": Preset(
        "Makes new emoji",
        "Each emoji is seen about a hundred times: colors and shapes come, copies do not.",
        "emoji",
        {**_EMOJI, "n_train": 1000},
    ),
    "emoji-ambient": Preset(
        "A cutoff on emoji",
        f"{_CUT}: what it cannot see clearly, it cannot learn by heart there.",
        "emoji",
        {**_EMOJI, "n_train": 100, "arm": "ambient", "cutoff": 1.0},
        "emoji-100-ambient-1.0",
    ),
}


def preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"preset is '{name}'; expected one of {', '.join(PRESETS)}.")
    return PRESETS[name]
