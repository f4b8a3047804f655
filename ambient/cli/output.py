"""What commands tell: lines and progress on stderr, results as JSON; and requests to stop."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ambient.files import encode_record, write_atomically


def say(text: str) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of the processes of a launch, one a machine
        print(text, file=sys.stderr)


def put_json(target: str | None, value: Any) -> None:
    """Write a result to a file in one move, or to standard output for `-`; None: nowhere."""
    if target == "-":
        sys.stdout.write(encode_record(value).decode())
    elif target:
        write_atomically(Path(target), encode_record(value))


def bar_of(total: int, unit: str) -> Any:
    """A progress bar on stderr for what takes more than two seconds."""
    from tqdm import tqdm

    pause = 0.1 if sys.stderr.isatty() else 10.0  # seconds between lines in a log file
    return tqdm(total=total, unit=unit, file=sys.stderr, delay=2, leave=False, mininterval=pause)


def last(records: Iterator[tuple[Any, ...]], unit: str) -> tuple[Any, ...]:
    """Drive a generator of (done, total, ...) behind a progress bar; its last record."""
    newest = next(records)
    with bar_of(newest[1], unit) as bar:
        bar.update(newest[0])
        for record in records:
            bar.update(record[0] - bar.n)
            newest = record
    return newest


class StopRequest:
    """Ctrl-C and SIGTERM ask for a stop between two steps, where all state is whole.

    A second Ctrl-C does not wait.
    """

    asked = False

    def __enter__(self) -> StopRequest:
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number: int, frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


class Parts:
    """Progress of work in named parts: a bar each and, where asked, a file that says how far it is.

    The file holds one JSON object of `part`, `done` and `total`; it is rewritten in one move.
    """

    PAUSE = 0.5  # seconds between two writes

    def __init__(self, stop: StopRequest, file: str | None = None) -> None:
        self.file, self.stop, self.part, self.written = file, stop, "", 0.0
        self.bar: Any = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def tell(self, part: str, done: int, total: int) -> None:
        """Called between two pieces of work (`Tell`): there it may end.

        Raises:
            KeyboardInterrupt: a stop was asked for.
        """
        if self.stop.asked:
            raise KeyboardInterrupt
        new, now = part != self.part, time.monotonic()
        if new:
            self.__exit__()
            self.part, self.bar = part, bar_of(total, "")
            self.bar.set_description(part, refresh=False)
        self.bar.update(done - self.bar.n)
        if self.file and (new or now - self.written > self.PAUSE):
            state = {"part": part, "done": done, "total": total}
            write_atomically(Path(self.file), json.dumps(state))
            self.written = now
