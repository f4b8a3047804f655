"""Words in, pictures out: two networks draw the same words from the same noise."""

import streamlit as st

from ui import words
from ui.controls import more, pick
from ui.film import show
from ui.frame import enter, errors_in_words
from ui.prompts import GUIDANCES, choice, evidence
from ui.prompts.answers import pack
from ui.prompts.film import OPENING, film
from ui.stages import prompt_rows

enter(
    "Words", "Two networks draw the same words from the same noise. Which one answers with a copy?"
)
with errors_in_words():
    sets = choice.sets()
if not sets:
    words.missing(
        "No stored run learned from captions yet.",
        "python -m ambient train --corpus emoji --text --out runs/words",
    )
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    kind = choice.choose_kind()
    name = next(iter(sets))
    if len(sets) > 1:
        name = pick("settings", "Learned from", sets, key="set")
    runs = sets[name]
    first = next(iter(runs.values()))
    with errors_in_words():
        prompt = choice.choose_prompt(runs, kind)
with errors_in_words():
    if not prompt:
        st.stop()
    made = film(runs, prompt, kind)
    options = [f"{g:g}" for g in GUIDANCES]
    show(made, f"words-{name}", "guidance", options, usual=OPENING, cell="picture", first=(0, 0))
    stored = pack(first)
    live = stored is None or prompt not in stored.drawn
    words.under(
        "words",
        f"*{words.unmarked(prompt)}*: both networks begin with the same noise, picture by picture; "
        "below each, the training picture nearest to it.",
        [words.provenance(run, None, live) for run in runs.values()],
        lambda: prompt_rows(runs),
        "python -m scripts.build_stored words",
    )
with errors_in_words():
    evidence.show_kinds(runs)
with more("Every number, and whether words warn of copies") as opened, errors_in_words():
    if opened:
        evidence.show_numbers(runs)
