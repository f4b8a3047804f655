"""The options that several commands share, and those of a training, which `Config` declares."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from cyclopts import Parameter, Token

from ambient.config import CHOICES, TYPES, Field, check, expected
from ambient.files import InputError


def _whole(_: type, tokens: Sequence[Token]) -> int:
    """A whole number: cyclopts would round a fraction without a word."""
    try:
        return int(tokens[0].value)
    except ValueError as e:
        raise ValueError(f"{tokens[0].value!r} is no whole number") from e


def _counted(_: type, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError("expected 1 or more.")


def _seeded(_: type, value: int) -> None:
    try:
        check("seed", value)
    except InputError as e:
        raise ValueError(f"expected {expected('seed')}.") from e


def _writable(_: type, target: str | None) -> None:
    """Refuse a place where a result could not go, before the work is done."""
    if target is None or target == "-":
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise ValueError(f"'{path.parent}' is no folder; create it first.")
    if path.is_dir():
        raise ValueError("that is a folder; name a file in it.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"'{path.parent}' cannot be written to.")


def _named(_: type, target: str | None) -> None:
    if target == "-":
        raise ValueError("expected the name of a file.")
    _writable(str, target)


def _help(field: Field) -> str:
    """What a choice is, what it may be, and what it is if nobody says."""
    among = "; ".join(f"{name}: {what}" for name, what in (field.among or {}).items())
    default = field.default or field.usual
    words = among or field.help or field.title
    return words if default is False else f"{words} [default: {default}]"


def _described(name: str, field: Field) -> Parameter:
    converter = _whole if TYPES[name].__origin__ is int else None
    return Parameter(help=_help(field), converter=converter)


if TYPE_CHECKING:
    Choices = dict[str, Any]
else:  # the choices of a training that were given
    Choices = TypedDict(
        "Choices",
        {
            name: Annotated[TYPES[name].__origin__, _described(name, field)]
            for name, field in CHOICES.items()
        },
        total=False,
    )

Flag = Annotated[bool, Parameter(show_default=False)]
Count = Annotated[int, Parameter(validator=_counted, converter=_whole)]
Seed = Annotated[int, Parameter(validator=_seeded, converter=_whole)]
JsonFile = Annotated[
    str | None,
    Parameter(
        "--json",
        help="write the result here as JSON; - is standard output",
        validator=_writable,
        allow_leading_hyphen=True,
    ),
]
File = Annotated[str | None, Parameter(validator=_named)]
Step = Annotated[int | None, Parameter(help="a stored step [default: the last]", converter=_whole)]
Steps = Annotated[int, Parameter(help="sampling steps", converter=_whole)]
Sampler = Annotated[str, Parameter(help="heun, euler, dpmpp-2m or ancestral")]
FirstSeed = Annotated[Seed, Parameter(help="of the first image; image i has seed + i")]
Features = Annotated[str, Parameter(help="space of the similarity rule")]
Side = Annotated[
    int | None, Parameter(help="resize pictures to this many pixels", converter=_whole)
]
Images = Annotated[str, Parameter(help=f"{CHOICES['corpus'].title}, {CHOICES['corpus'].help}")]
MODEL = (
    "a run folder, the name of a bundled run, the folder of a diffusers pipeline, a zip of "
    "either, or hub:owner/name@revision (docs/models.md)"
)
Model = Annotated[str, Parameter("RUN", help=MODEL)]
TrainedOn = Annotated[
    str | None,
    Parameter(help="of a model that is no run: the images it was trained on (see `audit`)"),
]
NeverSeen = Annotated[str | None, Parameter(help="real images that it never saw")]
