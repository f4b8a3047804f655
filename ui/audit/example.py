"""A stored audit, shown until a visitor has one of their own."""

from functools import partial

import numpy as np
import streamlit as st

from ambient.reports.pictures import unstrip
from ambient.reports.records import Audit
from ui import data, pictures, words
from ui.audit.result import show_audit
from ui.jobs import outcome

STRIP = 8
WIDE = 1040  # pixels at most: so the drops are in view beside it


def _stored() -> Audit | None:
    found = data.audit_example()
    return outcome.read(str(found), data.stamp(found)) if found else None


def show_strip() -> None:
    """Some of its copies above their originals: what an answer looks like."""
    report = _stored()
    if report is None or not report.originals:
        return
    pairs = {row.files[1]: row for row in report.originals}  # one an original
    some = list(pairs.values())[:STRIP]
    made, known = zip(*(unstrip(row.strip, 2) for row in some), strict=True)
    draw = partial(pictures.gallery, np.stack(made), np.stack(known), [True] * len(made))
    st.image(
        draw(pictures.WARM, len(made)),
        width=WIDE,
        alt="; ".join(" above ".join(row.files) for row in some),
    )
    st.caption("Above what a generator made, below what it had learned from: copies.")


def show() -> None:
    """The whole of it, folded."""
    found, report = data.audit_example(), _stored()
    if found is None or report is None:
        words.missing("No example is stored yet.", "make assets")
        return
    label = f"An example: {report.n_samples:,} samples of {found.stem}"
    with st.expander(label, key="audit-example", on_change="rerun") as place:
        if place.open:
            st.caption(
                "An audit names changed copies too, so it counts more than Evidence does, where "
                "the ratio alone decides."
            )
            show_audit(report, "example")
