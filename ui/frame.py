"""Frame and navigation: what every page has around it."""

import gc
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from ambient.files import InputError
from ambient.runs import queue
from ui import data, teacher, terms, visitor, words
from ui.jobs import desk
from ui.pages import HIDDEN, HOME, MOVED, PAGES, PAPER, STAGE

ICON = Path(__file__).resolve().parent.parent / "static" / "icon.png"
BACK = Path(__file__).with_name("back.js")
FRAMED = "framed"  # in the session: app.py has named the pages
PAGE = "page"  # the name of the page at hand
LESSON = "lesson"  # in addresses of before: a step above some page


def _pages() -> list[StreamlitPage]:
    pages = [
        st.Page(
            f"pages/{name}.py",
            title=title,
            icon=f":material/{icon}:",
            help=about,
            url_path="front" if name == HOME else None,
            default=name == HOME,
        )
        for name, title, icon, about in PAGES
    ]
    # The home page lives at "/"; its own name stays a working address too.
    also = st.Page(f"pages/{HOME}.py", url_path=HOME, title=PAGES[0][1], visibility="hidden")
    hidden = [
        st.Page(f"pages/{name}.py", title=title, visibility="hidden")
        for name, title in HIDDEN.items()
    ]
    old = [
        st.Page(f"pages/{name}.py", title=moved.to, visibility="hidden")
        for name, moved in MOVED.items()
    ]
    return [*pages, also, *hidden, *old]


def lead_on() -> None:
    """All that the file of an old address does: go where it leads, with its parameters."""
    _framed()
    to, names, also = MOVED[_calling()]
    given = {names.get(k, k): st.query_params.get_all(k) for k in st.query_params}
    st.switch_page(f"pages/{to}.py", query_params={**also, **given})


def _settings() -> None:
    st.set_page_config(page_title="Ambient Explorer", page_icon=str(ICON), layout="wide")


def navigate() -> StreamlitPage:
    """Called by app.py: page settings, top navigation, and the page to run."""
    _settings()
    st.session_state[FRAMED] = True
    page = st.navigation(_pages(), position="top")
    if page.url_path == STAGE:
        page = st.navigation(_pages(), position="hidden")
    return page


def onward() -> None:
    """Under every page the next one, since a phone folds the navigation away, and the footer."""
    names = [name for name, *_ in PAGES]
    here = st.session_state.get(PAGE)
    if here not in names:
        return
    name, title, *_ = PAGES[(names.index(here) + 1) % len(PAGES)]
    label = f"Back to {title}" if name == HOME else f"Next: {title}"
    st.space("small")
    st.page_link(f"pages/{name}.py", label=label, icon=":material/arrow_forward:", help="")
    _footer()


def _footer() -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(f"pages/{PAPER}.py", label=HIDDEN[PAPER], help="")
        if not teacher.hidden("data"):
            file = "ambient-explorer.zip"
            words.download("All figures and data", _archive, file, "application/zip")
        teacher.menu(_next_class)


def _archive() -> bytes:
    from ui import figures  # all that pages draw: only for who asks

    return figures.archive()


def _calling() -> str:
    """The name of the page whose call led here: its file's."""
    here = inspect.currentframe()
    while here and Path(here.f_code.co_filename).parent.name != "pages":
        here = here.f_back
    assert here
    return Path(here.f_code.co_filename).stem


def enter(title: str, lead: str) -> None:
    """The first call of every page: its title and one sentence."""
    page = _arrive(title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(title, anchor=False, width="stretch")
        if page == HOME and not teacher.hidden("lesson"):
            lesson, icon = f"pages/{STAGE}.py", ":material/menu_book:"
            st.page_link(lesson, label="Ten-minute lesson", icon=icon)
        terms.popover()
    with st.container(gap=None):
        st.markdown(lead, width=860)
        visitor.remember()
        st.html(
            f"<script>{BACK.read_text(encoding='utf-8')}</script>", unsafe_allow_javascript=True
        )


def enter_stage(title: str) -> None:
    """The first call of a page that draws all of itself."""
    _arrive(title)


def _framed() -> None:
    """Run again through app.py where it did not run.

    With a `pages/` folder, the first visitor of a fresh server who opens a deep link runs the page
    alone. Registering the pages and running again goes through app.py.
    """
    if FRAMED not in st.session_state:
        _settings()
        st.navigation(_pages(), position="hidden")
        st.rerun()


def _arrive(title: str) -> str:
    """What comes before a page draws; returns its name."""
    _framed()
    _start()
    st.set_page_config(page_title=f"{title} · Ambient Explorer")
    if LESSON in st.query_params:
        st.switch_page(f"pages/{STAGE}.py")
    page, before = _calling(), st.session_state.get(PAGE)
    if page != before:
        st.session_state[PAGE] = page
        st.session_state.pop(visitor.GONE, None)
    teacher.keep()
    return page


def _next_class() -> None:
    """Whoever sits here next finds nothing of the last one."""
    desk.end_all(visitor.browser())
    teacher.reset()


@st.cache_resource
def _start() -> None:
    """Once a server, with its first page: runs that died with the last one are said to be, and the
    queue goes on."""
    with suppress(InputError):  # a full disk: the page of training says so
        queue.advance(data.runs_folder())
    desk.keep_going()
    _settle()


@st.cache_resource
def _settle() -> None:
    """Streamlit collects garbage after every run; without this it walks every loaded library."""
    gc.collect()
    gc.freeze()


def settle_again() -> None:
    """After a heavy import (torch), once."""
    _settle.clear()
    _settle()


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Show what a user can mend as one line, and end the page there."""
    try:
        yield
    except InputError as e:
        words.refuse(e)
        st.stop()
