"""For teachers: links that hide controls, and a fresh start for the next class.

`?hide=settings,live` hides groups of controls on every page, never a result: a hidden control
stands where the address puts it, or where it always begins.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import streamlit as st

GROUPS = {
    "settings": "Choosing runs, sizes and pictures",
    "shuffle": "Other samples, other rows",
    "game": "Guessing games",
    "live": "Everything that computes now",
    "open": "Opening runs and pictures of one's own",
    "train": "The form that starts a training",
    "data": "CSV and commands under the figures",
    "lesson": "The start of the lesson",
    "teacher": "This menu",
}
HIDDEN = "hide"  # in the address, and in the session: a click in the navigation drops the address
LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


def _names() -> set[str]:
    asked = st.query_params.get(HIDDEN)
    if asked is not None:
        st.session_state[HIDDEN] = asked
    return {name.strip() for name in st.session_state.get(HIDDEN, "").split(",")}


def keep() -> None:
    """Put `hide=` back into the address after a click in the navigation dropped it."""
    hidden("")
    if st.session_state.get(HIDDEN) and HIDDEN not in st.query_params:
        st.query_params[HIDDEN] = st.session_state[HIDDEN]


def hidden(group: str) -> bool:
    """Whether this link hides a group of controls."""
    return group in _names()


@contextmanager
def control(group: str) -> Iterator[None]:
    """Around a control: not drawn where this link hides its group, yet it keeps its value.

    It runs as always, so what the address says of it holds; only then is its place
    emptied. A control that computes something when pressed needs no value: ask `hidden` instead.
    """
    if not hidden(group):
        yield
        return
    place = st.empty()
    with place.container():
        yield
    place.empty()


def reset() -> None:
    """Forget all that this browser tab has chosen and answered, but not what the link hides."""
    hide = st.session_state.get(HIDDEN, "")
    st.session_state.clear()
    st.session_state[HIDDEN] = hide


def menu(again: Callable[[], None]) -> None:
    """What the teacher's button opens: a link to the page as it stands, and a fresh start."""
    if not hidden("teacher") and st.button(
        "Teach", icon=":material/school:", type="tertiary", key="teach"
    ):
        _menu(again)


@st.dialog("Teach", width="medium", icon=":material/school:")
def _menu(again: Callable[[], None]) -> None:
    st.markdown("**A link for your class**: this page as it stands, without these controls.")
    names = st.pills(
        "Hide",
        list(GROUPS),
        selection_mode="multi",
        format_func=GROUPS.__getitem__,
        key="teach-hide",
        persist_state="session",  # a click beside it closes it, and forgets nothing
    )
    st.code(link(names), language=None, wrap_lines=True)
    warn_if_local()
    st.caption("What a hidden control had chosen stays in view.")
    for page, label, icon in (
        ("room", "A room: a class's guesses, live", "groups"),
        ("lesson_sheet", "The lesson as a sheet", "print"),
    ):
        st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:", help="")
    st.button("Reset for the next class", icon=":material/restart_alt:", on_click=again)
    st.caption("Forgets what was chosen in this tab, and this browser's audits.")


def base() -> str:
    """The address of the app, without a page; empty where no browser asked."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}" if parts.netloc else ""


def warn_if_local() -> None:
    if urlsplit(base()).hostname in LOCAL:
        st.caption(
            ":material/warning: This address works on this computer only. For a class, start the "
            "app with *--server.address 0.0.0.0*, open it by this computer's own address, and set "
            "*AMBIENT_PUBLIC=1*: else everybody may stop and delete everybody's trainings."
        )


def link(names: Sequence[str]) -> str:
    """The address of the page as it stands, hiding these groups."""
    parts = urlsplit(st.context.url or "")
    chosen = {k: st.query_params.get_all(k) for k in st.query_params if k != HIDDEN}
    query = urlencode({**chosen, **({HIDDEN: ",".join(names)} if names else {})}, doseq=True)
    return parts._replace(query=query.replace("%2C", ",")).geturl()
