"""What everything else stands on: the one error, whole files, typed records, telling progress."""

import errno
import json
import os
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import msgspec

# What is bundled: inside the package where it was installed, beside it in a checkout.
_PACKAGE = Path(__file__).resolve().parent
ASSETS = next(p for p in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if p.is_dir())


class InputError(ValueError):
    """Unusable input: what was given, what was expected, what to do, in one line.

    The command line prints it and exits with status 2; a page shows it in place.
    """


def whole(value: Any, name: str, least: int = 1) -> int:
    """A whole number of a caller's. Raises InputError: anything else, or less than `least`."""
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least:
        return int(value)
    given = " ".join(repr(value)[:40].split())
    raise InputError(f"{name} is {given}; expected a whole number from {least}.")


# Progress of work that returns one result: part, done, total. It may raise to end the work.
Tell = Callable[[str, int, int], None]


def silent(part: str, done: int, total: int) -> None:
    """No progress reporting."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A typed JSON object."""


R = TypeVar("R")


def decode_record(data: bytes | str, kind: type[R], label: str) -> R:
    """JSON as a record, every field checked by the record's own types and bounds.

    Raises:
        InputError: no JSON, or the first field that is missing, of another type or out of bounds.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise InputError(f"{label}: {e}; restore or delete it.") from e


def read_record(path: Path, kind: type[R]) -> R | None:
    """The record in a JSON file, or None where there is no such file.

    Raises:
        InputError: the file cannot be read, or as `decode_record`.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as e:
        raise InputError(f"'{path}' cannot be read ({e.strerror}); restore or delete it.") from e
    return decode_record(data, kind, f"'{path}'")


def encode_record(record: Any) -> bytes:
    """A record as one line of JSON.

    Raises:
        ValueError: a number that JSON has no word for (NaN, infinity).
    """
    return json.dumps(msgspec.to_builtins(record), allow_nan=False).encode() + b"\n"


def write_atomically(path: Path, content: str | bytes | memoryview) -> None:
    """Readers see the old file or the new one, never half of it, even after a power cut.

    Raises:
        OSError: not written; the old file is whole and nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
            f.flush()
            os.fsync(f.fileno())
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


def is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritten(folder: Path, error: OSError) -> str:
    """What a failed write means for a person, in one line."""
    if is_full(error):
        return f"the disk is full: '{folder}' could not be written; make room, then go on."
    return f"'{folder}' could not be written ({error.strerror}); make it writable, then go on."


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None where there is no such file.

    Raises:
        InputError: the file is there but not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        raise InputError(f"'{path}' is not readable JSON ({e}); restore or delete it.") from e
    if not isinstance(value, dict):
        raise InputError(f"'{path}' holds a {type(value).__name__}; expected a JSON object.")
    return value
