"""The examples of docs/models.md run, in the order they are read."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from ambient.cli import app as commands

PAGE = (Path(__file__).resolve().parents[2] / "docs/models.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_examples_run() -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for example in examples("python"):
            exec(example, {})
    assert re.fullmatch(
        r"\d+% copies\n\d+% of training images come back from low noise\n", said.getvalue()
    )


def test_the_commands_are_commands() -> None:
    lines = [line for block in examples("sh") for line in block.splitlines()]
    assert len(lines) == 9
    for line in lines:
        commands.parse_args(line.partition("#")[0].split()[3:])
