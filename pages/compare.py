"""Any two runs or image sets side by side: what was changed, and what that changed."""

import streamlit as st

from ui import visitor, words
from ui.compare import choice, curves, pairs, sides
from ui.frame import enter, errors_in_words

bar = enter(
    "Compare",
    "Any two runs side by side, each pair of samples from the same noise. Change one thing between "
    "them, and what differs is due to it. Images of any other generator can stand on a side too.",
)
with errors_in_words():
    known = visitor.judged(*choice.SIDES)
if not known:
    words.missing("No judged run to compare with yet.", "make assets")
for side in choice.SIDES:
    visitor.tell_gone(side, [*known, choice.IMAGES], more=", has no verdict yet")
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    names = choice.choose(known)
with errors_in_words():
    both = sides.both_sides(names, known) or st.stop()
    runs = [side.run for side in both if side.run]
    if runs:
        words.bar(bar, runs)
    choice.show_changes(runs, [side.report for side in both])
    found = pairs.paired(both)
    seeds = pairs.pictured(both) if found else []
    pairs.headline(both, found)
    if seeds:
        pairs.side_by_side(both, seeds)
    else:
        pairs.some_of_each(both)
words.under(
    "compare",
    pairs.in_words(found, bool(seeds)) if found else pairs.apart_in_words(both),
    [side.provenance for side in both],
    lambda: pairs.table(both, found),
    pairs.command(both),
)
with errors_in_words():
    if runs:
        curves.show_levels(runs)
        curves.show_training(runs)
