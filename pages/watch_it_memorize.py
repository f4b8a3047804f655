"""A network along its training: the same noise at every stage, copies and errors beside it."""

import streamlit as st

from ui import covers, film, stages, words
from ui.film.training import scrub_training
from ui.frame import enter, errors_in_words
from ui.watch_it_memorize import forming, guess, watch

bar = enter(
    "Watch it memorize",
    "The same noise, again and again, while a network learns. It first draws new pictures; then, "
    "step by step, some of them turn into training images.",
)
with errors_in_words():
    table = stages.table()
if not table:
    words.missing("No stored run with its stages yet.", "make assets")
    st.stop()
*numbers, choice = st.columns([3, 3, 3, 2.8], gap="medium")
with choice:
    n = stages.choose_size(table, 100)
    if covers.covered("ambient"):
        table = {size: {"standard": pair["standard"]} for size, pair in table.items()}
    runs = table[n]
    covered, said = guess.covers(runs)
if covered:
    guess.ask(runs)
    st.stop()

with errors_in_words():
    steps = stages.steps(runs)
    step = steps[film.chosen("step", steps)]
    words.bar(bar, list(runs.values()), step)
    watch.headline(runs, step, numbers)
    if said is not None:
        guess.verdict(runs, said)
    pictures, curves = st.columns([5, 3], gap="large")
    with pictures:
        scrub_training(runs, steps)
    with curves:
        watch.show_curves(runs, step, said)
words.under(
    "watch-it-memorize",
    "Every sample stands above the training image nearest to it; a frame with an equals sign marks "
    "a copy. *Error*: how far the network's guess is from the clean image, averaged over noise "
    "levels as training draws them; solid on training images, dotted on unseen ones. Watch what "
    "comes first: errors that part, or copies." + stages.missing_errors(runs),
    [words.provenance(run, stages.judged(run)[step], step=step) for run in runs.values()],
    lambda: stages.rows(runs),
    "make assets\npython -m scripts.build_runs --weights\npython -m scripts.measure along",
)

with errors_in_words():
    forming.show_forming(runs)
    watch.show_sizes(table, n, step)
