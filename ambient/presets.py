"""Named starting points for training, each with the bundled run that shows how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ambient.errors import InputError


@dataclass(frozen=True)
class Preset:
    """Choices for `configure`, and why one would make them.

    Attributes:
        title: a few words for a card.
        why: what to expect and the reason, in a sentence or two.
        corpus: what `load_corpus` takes.
        choices: keyword arguments of `configure`.
        shown_by: the bundled run trained with these choices.
    """

    title: str
    why: str
    corpus: str
    shown_by: str
    choices: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    "digits-copy": Preset(
        title="Copies in a minute",
        why="50 small digits are learned by heart: less than half way through, half of the samples "
        "are copies. So few images leave even a small network nothing else to do.",
        corpus="digits",
        shown_by="digits-50-standard",
        choices={
            "n_train": 50, "arm": "standard", "steps": 1500, "batch": 64, "lr": 4e-3, "width": 16,
            "network": "bands",
        },
    ),
    "digits-new": Preset(
        title="Makes new digits",
        why="With 1,000 digits the same network at the same cost draws new ones: each image is "
        "seen too rarely to be learned by heart.",
        corpus="digits",
        shown_by="digits-1000-standard",
        choices={
            "n_train": 1000, "arm": "standard", "steps": 1500, "batch": 64, "lr": 4e-3, "width": 16,
            "network": "bands",
        },
    ),
    "emoji-copy": Preset(
        title="Copies emoji",
        why="100 emoji and ordinary training: most samples end up as training images.",
        corpus="emoji",
        shown_by="emoji-100-standard",
        choices={"n_train": 100, "arm": "standard", "steps": 3500},
    ),
    "emoji-ambient": Preset(
        title="Ambient training",
        why="The same 100 emoji, but above noise level 1 the network only ever sees one frozen "
        "noisy copy of each: what it cannot see clearly it cannot learn by heart there.",
        corpus="emoji",
        shown_by="emoji-100-ambient-1.0",
        choices={"n_train": 100, "arm": "ambient", "cutoff": 1.0, "steps": 3500},
    ),
}  # fmt: skip


def preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        InputError: no such preset.
    """
    if name not in PRESETS:
        raise InputError(f"preset is '{name}'; expected one of {', '.join(PRESETS)}.")
    return PRESETS[name]
