"""What the cutoff buys and what it costs, under the visitor's hand."""

import streamlit as st

from ui import cutoffs, visitor, words
from ui.controls import pick
from ui.cutoff import slide, splicing, trade
from ui.frame import enter, errors_in_words
from ui.teacher import hidden
from ui.training_form import link, settings

enter(
    "Cutoff",
    "Above the cutoff a network sees only one noisy copy of each picture. Drag it: what is copied?",
)
families = {**cutoffs.families(), **cutoffs.of_visitor(visitor.runs().values())}
if not families:
    words.missing("No stored runs with a cutoff yet.", "make assets")
    st.stop()
family = next(iter(families))
if len(families) > 1:
    named = {name: words.family(runs[0.0]) for name, runs in cutoffs.families().items()}
    asked = st.query_params.get("n")  # in links of before
    first = asked if asked in families else family
    label = "Learned from"
    family = pick("settings", label, families, first, key="family", name=lambda k: named.get(k, k))
runs = families[family]
with errors_in_words():
    cutoff = slide.slide(family, runs)
    memory, valley = st.columns(2, gap="large")
    with memory:
        trade.show_memory(runs, cutoff)
    with valley:
        trade.show_valley(family, runs, cutoff)
    trade.show_quality(family, runs, cutoff)
    splicing.show_splices(family, runs)
if not any(hidden(group) for group in ("train", "live", "settings")):
    c = runs[0.0].config
    st.subheader("Another cutoff?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        wanted = st.number_input("Cutoff to train", 0.05, 99.0, 0.7, 0.1, width=180)
        st.page_link(
            "pages/train.py",
            label=f"Train with cutoff {wanted:g}",
            icon=":material/model_training:",
            query_params=link({**settings(c), "arm": "ambient", "cutoff": wanted}),
        )
