"""Controls whose choice stands in the address, and which a link may hide."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import streamlit as st

from ambient.files import Tell
from ui.teacher import control

V = TypeVar("V")


def pick(
    group: str,
    label: str,
    options: Iterable[V],
    default: V | None = None,
    *,
    key: str,
    name: Callable[[Any], str] = str,
    **more: Any,
) -> V:
    """One of a few, side by side; by default the first.

    Args:
        group: of controls, which a link may hide (`teacher.GROUPS`).
        key: of the choice, in the address and in the session.
        name: how an option is written.
    """
    some = list(options)
    with control(group):
        return st.segmented_control(
            label,
            some,
            default=some[0] if default is None else default,
            format_func=name,
            key=key,
            required=True,
            bind="query-params",
            wrap=True,  # on a phone nothing is cut
            **more,
        )


@contextmanager
def more(label: str = "More", key: str = "more") -> Iterator[bool]:
    """A folded part of a page; what it holds runs once it is opened, which the address keeps."""
    with st.expander(label, key=key, on_change="rerun", bind="query-params") as place:
        yield bool(place.open)


@contextmanager
def progress(first: str) -> Iterator[Tell]:
    """A bar while something computes; what it yields moves it."""
    bar = st.progress(0.0, first)

    def tell(part: str, done: int, total: int) -> None:
        bar.progress(min(done / max(total, 1), 1.0), f"{part.capitalize()}: {done:,} of {total:,}")

    try:
        yield tell
    finally:
        bar.empty()
