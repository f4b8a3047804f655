"""What came of an audit: its record, where its images come from, its command, and its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ambient.files import InputError, read_record
from ambient.reports.records import Audit
from ui import pictures


@st.cache_resource(max_entries=8, show_spinner="Reading the result")
def read(path: str, changed: int) -> Audit:
    """A stored audit.

    Raises:
        InputError: it was deleted.
    """
    report = read_record(Path(path), Audit)
    if report is None:
        raise InputError("this audit was deleted; start another one.")
    return report


def command(report: Audit) -> str:
    """The command that makes such an audit again, of images at A, B and C."""
    of = f"--model A --n {report.n_samples}" if report.sampler else "--generated A"
    unseen = " --heldout C" if report.corpus.n_heldout else ""
    return f"python -m ambient audit {of} --train B{unseen}"


def provenance(report: Audit) -> str:
    """Which images a number comes from."""
    corpus, shape = report.corpus, report.shape or ()
    parts = [
        f"{report.n_samples:,} generated ({report.name})",
        f"{corpus.n_train:,} training ({corpus.name})",
        f"{corpus.n_heldout:,} unseen",
        "x".join(map(str, shape[:2])),
        f"calibrated on {report.calibrated_on or 'nothing'}",
    ]
    return " · ".join(filter(None, parts))


def delete(label: str, key: str, forget: Callable[[], None]) -> None:
    """A button that ends an audit here."""

    def done() -> None:
        forget()
        read.clear()
        pictures.forget()
        st.toast("The images and the result are deleted.", icon=":material/delete:")

    st.button(
        label,
        key=key,
        icon=":material/delete:",
        type="tertiary",
        on_click=done,
        help="The images and the result, from this server, now. What you dropped stays in this tab "
        "until you take it out.",
    )
