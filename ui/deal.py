"""Deals of chance that can be shared: a number in the address, one more for another deal."""

import streamlit as st


def number(name: str = "deal") -> int:
    """Which deal; 0 where the address names none."""
    asked = st.query_params.get(name, "0")
    return int(asked) if asked.isdecimal() and len(asked) < 7 else 0


def again(name: str = "deal") -> None:
    """The next one; for a button's `on_click`."""
    st.query_params[name] = str(number(name) + 1)


def button(label: str = "Draw others", name: str = "deal") -> None:
    st.button(label, icon=":material/shuffle:", on_click=again, args=(name,))
