"""The words of the field, in a sentence each, one click away on every page."""

import json

import streamlit as st

from ambient.files import ASSETS

TERMS: dict[str, str] = json.loads((ASSETS / "terms.json").read_text(encoding="utf-8"))


def popover() -> None:
    """What it holds runs once it is opened; the field also lets the keyboard into it."""
    with st.popover(
        "Terms", icon=":material/dictionary:", type="tertiary", key="terms", on_change="rerun"
    ) as place:
        if not place.open:
            return
        asked = st.text_input("Find a word", key="term", type="search", live=True).strip().lower()
        for term, meaning in TERMS.items():
            if asked in f"{term} {meaning}".lower():
                st.markdown(f"**{term}**  \n{meaning}")
