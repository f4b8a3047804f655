"""Train a model in the background and watch it learn, and perhaps copy."""

import streamlit as st

from ambient.files import InputError
from ambient.runs import queue
from ui import data, visitor, words
from ui.frame import enter, errors_in_words, to_top
from ui.teacher import control, hidden
from ui.train_your_own import choices, pair, progress, replay

bar = enter(
    "Train your own",
    "A model learns here, in the background: it goes on when you close this page. Watch its loss, "
    "its newest samples, and how many of them are copies.",
)
with errors_in_words():
    visitor.token()
    runs = visitor.runs(st.query_params.get("mine"))
fresh = st.session_state.pop("mine-next", None)
visitor.tell_gone("mine", runs, fresh)
if fresh in runs:
    st.session_state["mine"] = fresh
    to_top()  # the button that started it is far below


def new_run(busy: bool) -> None:
    """Cards, the form, and what its button starts.

    Args:
        busy: somebody's run trains or waits, so that what is said of the wait changes.
    """
    choices.cards()
    chosen = choices.fields()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        go = st.button("Train", type=words.prominent(), icon=":material/play_arrow:")
        both = pair.offer(chosen)
        with errors_in_words():
            st.fragment(run_every=progress.TICK if busy else None)(choices.estimate)(chosen)
    if go or both:
        try:
            first, *_ = pair.submit(chosen) if both else choices.submit(chosen)
        except InputError as e:
            words.refuse(e)
        else:
            st.session_state["mine-next"] = first.name
            st.rerun()


if runs:
    with control("settings"):
        name = st.selectbox("Your runs", list(runs), key="mine", bind="query-params", width=420)
    with errors_in_words():
        active = runs[name].active
        words.bar(bar, [runs[name]], live=active)
        progress.watch(runs[name])
if not hidden("train"):
    if runs:
        st.subheader("A new run", anchor=False)
    new_run(queue.is_busy(data.runs_folder()))
if runs:
    st.stop()

finished = [r.name for r in data.bundled() if r.sheet_steps]
if not finished:
    words.missing("No finished run to replay yet.", "python -m ambient train --out runs/first")
    st.stop()
st.subheader("Meanwhile: a finished run, replayed", anchor=False)
replayed = st.empty()
with control("settings"):
    name = st.selectbox("Finished run", finished, key="replayed", bind="query-params", width=420)
with errors_in_words():
    words.bar(replayed, [data.find(name)])
    replay.show(data.find(name))
