"""Rows of evidence: a sample beside everything it might be a copy of."""

import streamlit as st

from ambient.copies.rules import choose
from ui import deal, words
from ui.controls import pick
from ui.evidence.exhibit import Exhibit
from ui.evidence.subject import look_for
from ui.pictures import compared
from ui.teacher import control, hidden

ORDERS = ("Worst", "Median", "Random", "One seed")
ROWS = 4


def show_rows(exhibit: Exhibit) -> None:
    """Rows in the order a visitor chooses."""
    at = exhibit.at
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        order = pick("shuffle", "Rows", ORDERS, key="rows")
        seed = _seed(min(at)) if order == "One seed" else None
        if order == "Random" and not hidden("shuffle"):
            deal.button()
    st.caption(
        "Generated · nearest training image · second nearest · nearest unseen image · difference "
        "to the nearest, black where equal."
    )
    if seed is None:
        for position in choose(exhibit.ratios, order.lower(), ROWS, seed=[deal.number(), 3]):
            _show(exhibit, position)
    elif seed in at:
        _show(exhibit, at[seed])
    else:
        st.caption(
            f"Seed {seed} is not stored, only {min(at)} to {max(at)}; *Sample now* draws it."
        )


def _show(exhibit: Exhibit, position: int) -> None:
    """One sample: five pictures, its mark and the number behind it."""
    row, both = exhibit.rows[position], exhibit.sets
    pictures = [exhibit.images[position], both.train[row.nearest], both.train[row.second]]
    names = [both.train_names[row.nearest], both.train_names[row.second]]
    if row.nearest_heldout is not None:
        pictures.append(both.heldout[row.nearest_heldout])
        names.append(both.heldout_names[row.nearest_heldout])
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    left.image(
        compared(pictures),
        width="stretch",
        alt=f"Seed {row.seed}; nearest training image, second nearest and nearest unseen image: "
        f"{', '.join(names)}; difference to the nearest.",
    )
    with right:
        st.markdown(words.judged(exhibit.mark(row.ratio), names[0], exhibit.arm))
        closer = float((exhibit.unseen < row.ratio).mean()) if len(exhibit.unseen) else 0.0
        st.caption(
            f"Seed {row.seed} · ratio {row.ratio:.2f} · {words.percent(closer)} of unseen images "
            "have a smaller one"
        )
        if not hidden("shuffle"):
            _actions(exhibit.run.name, row.seed)


def _actions(name: str, seed: int) -> None:
    def only() -> None:
        st.session_state["rows"] = "One seed"
        st.query_params["seed"] = str(seed)

    def by_this() -> None:
        st.session_state["view"] = "Search"
        look_for("generated", seed)

    with st.container(horizontal=True, gap="small"):
        for label, icon, act in (
            ("Search by this", "image_search", by_this),
            ("Only this row", "link", only),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                type="tertiary",
                on_click=act,
                key=f"{icon}-{name}-{seed}",
            )


@control("shuffle")
def _seed(first: int) -> int:
    """From the address, where the field writes what it is moved to."""
    asked = st.query_params.get("seed", "")
    st.session_state["one-seed"] = int(asked) if asked.isdecimal() and len(asked) < 10 else first
    return st.number_input(
        "Seed",
        0,
        2**31 - 1,
        step=1,
        key="one-seed",
        on_change=lambda: st.query_params.update(seed=str(st.session_state["one-seed"])),
        width=180,
    )
