"""Train a model in the background and watch it learn, and perhaps copy."""

import streamlit as st

from ambient.errors import InputError
from ui import data, words
from ui.frame import control, enter, errors_in_words, hidden
from ui.train_your_own import choices, training

bar = enter(
    "Train your own",
    "Pick a card or set the fields, then watch the loss and the newest samples. Training goes on "
    "when you close this page.",
)
own = {r.name: r for r in data.own()}
if (fresh := st.session_state.pop("mine-next", None)) in own:
    st.session_state["mine"] = fresh


def new_run() -> None:
    """The form, and what its button starts."""
    with st.expander("New run: cards and settings", icon=":material/tune:", expanded=not own):
        choices.cards()
        chosen = choices.fields()
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            go = st.button("Train", type=words.prominent(), icon=":material/play_arrow:")
            st.caption(choices.estimate(chosen), width="content")
        if go:
            try:
                config = choices.config(chosen)
                from ambient import worker

                run = worker.submit(config, data.runs_folder())
            except InputError as e:
                st.error(str(e), icon=":material/error:")
            else:
                st.session_state["mine-next"] = run.name
                st.rerun()


if not hidden("train"):
    new_run()
if own:
    with control("settings"):
        name = st.selectbox("Your runs", list(own), key="mine", bind="query-params", width=420)
    with errors_in_words():
        words.bar(bar, [own[name]], live=own[name].state["status"] in training.ACTIVE)
        training.watch(own[name])
    st.stop()

finished = [r.name for r in data.bundled() if r.sheet_steps]
if not finished:
    words.missing("No finished run to replay yet.", "python -m ambient train --out runs/first")
    st.stop()
st.subheader("Meanwhile: a finished run, replayed", anchor=False)
with control("settings"):
    name = st.selectbox("Finished run", finished, key="replayed", bind="query-params", width=420)
with errors_in_words():
    words.bar(bar, [data.find(name)])
    training.replay(data.find(name))
