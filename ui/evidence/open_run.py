"""Choosing a run: bundled, trained here, from a folder, the Hub or an uploaded zip."""

from pathlib import Path

import streamlit as st

from ambient.files import InputError
from ambient.runs.archive import MAX_UNPACKED, import_run
from ambient.runs.folder import Run, open_run
from ambient.runs.limits import Limits, is_public
from ui import data, uploads, visitor, words
from ui.teacher import control, hidden


def choose_run() -> Run:
    """A run selector with `?run=` in the address, and a popover that opens others."""
    found = sorted(data.bundled(), key=lambda r: data.stamp(r.path / "report.json") == 0)
    runs = {r.name: r for r in found} | visitor.runs(st.query_params.get("run"))
    for path in st.session_state.get("opened", []):
        try:
            runs[path] = open_run(path)
        except InputError:
            continue  # its folder has been removed since it was opened
    if not runs:
        words.missing("No stored runs yet.", "python -m ambient train --out runs/first")
        st.stop()
    chosen = st.session_state.pop("open-next", None)
    visitor.tell_gone("run", runs, chosen)
    if chosen in runs:
        st.session_state["run"] = chosen
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", width=560):
        with control("settings"):
            name = st.selectbox(
                "Run",
                list(runs),
                key="run",
                bind="query-params",
                width="stretch",
                label_visibility="collapsed",
            )
        if not hidden("open"):
            with st.popover("Open another", icon=":material/folder_open:"):
                _open_another()
    return runs[name]


def _open_another() -> None:
    if not is_public():  # a stranger has no business in this machine's folders
        with st.form("open-folder", border=False):
            place = st.text_input(
                "Run folder on this machine",
                placeholder="runs/my-run",
                help="Or a run on the Hugging Face Hub: *hub:owner/name@revision*.",
            )
            if st.form_submit_button("Open folder") and place:
                try:
                    run = _run_at(place)
                except InputError as e:
                    words.refuse(e)
                else:
                    _opened(run)
    files = uploads.ask("A run as zip", "run-zip", ["zip"], several=False, most=MAX_UNPACKED)
    file = files[0] if files else None
    if file and st.session_state.get("imported") != file.file_id:
        try:
            Limits.here().check_disk(data.runs_folder())
            run = import_run(file.getvalue(), data.runs_folder(), visitor.own_token())
        except InputError as e:
            words.refuse(e)
        else:
            st.session_state["imported"] = file.file_id
            _opened(run)


def _run_at(place: str) -> Run:
    """A run folder of this machine, or a run on the Hub, pulled beside the runs trained here."""
    pipeline = (Path(place).expanduser() / "model_index.json").is_file()
    if place.startswith("hub:"):
        from ambient.models.hub import pull
        from ambient.models.subject import as_run

        run = as_run(pull(place, data.runs_folder()))
        if run is not None:
            return run
        pipeline = True
    if pipeline:
        raise InputError(
            f"'{place}' is a diffusers pipeline and no run. On the page Audit, choose *A diffusers "
            "model*: it is sampled and judged there, against its training images."
        )
    return open_run(place)


def _opened(run: Run) -> None:
    """Select it at the next run of the page."""
    key = run.name if run.path.parent == data.runs_folder() else str(run.path)
    known = st.session_state.setdefault("opened", [])
    if key != run.name and key not in known:
        known.append(key)
    st.session_state["open-next"] = key
    st.rerun()
