"""What came of an audit: its record, where its images come from, its command, and its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

Report = Mapping[str, Any]


@st.cache_resource(max_entries=8, show_spinner="Reading the result")
def read(path: str, changed: int) -> Report:
    """A stored audit."""
    report: Report = json.loads(Path(path).read_bytes())
    return report


def command(report: Report) -> str:
    """The command that makes such an audit again, of images at A, B and C."""
    of = f"--model A --n {report['n_samples']}" if report["sampler"] else "--generated A"
    unseen = " --heldout C" if report["corpus"]["n_heldout"] else ""
    return f"python -m ambient audit {of} --train B{unseen}"


def provenance(report: Report) -> str:
    """Which images a number comes from."""
    corpus = report["corpus"]
    parts = [
        f"{report['n_samples']:,} generated ({report['generated']['name']})",
        f"{corpus['n_train']:,} training ({corpus['name']})",
        f"{corpus['n_heldout']:,} unseen",
        "x".join(map(str, report["shape"][:2])),
        f"calibrated on {report['calibrated_on'] or 'nothing'}",
    ]
    return " · ".join(parts)


def delete(label: str, key: str, forget: Callable[[], None]) -> None:
    """A button that ends an audit here."""

    def done() -> None:
        forget()
        read.clear()
        st.cache_data.clear()  # the pictures of it
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
