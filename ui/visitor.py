"""Who is asking: on a public server a visitor may change only what is theirs.

A token, made when a visitor first starts something, stands in the session alone: an address that
is passed on only lets others watch. `?key=` brings it back on another day, and is taken out of the
address at once.
"""

from __future__ import annotations

import secrets

import streamlit as st

from ambient import worker
from ambient.limits import is_public
from ambient.run import Run
from ui import data
from ui.teacher import base

KEY = "key"  # in the address, once; the token in the session
LINKED = "linked-runs"  # names of others' runs that this visitor followed a link to


def token() -> str | None:
    """The visitor's token, if there is one already."""
    if KEY in st.query_params:
        st.session_state[KEY] = st.query_params.pop(KEY)
    return st.session_state.get(KEY)


def own_token() -> str | None:
    """The token that new runs are marked with; none where all who come are one user."""
    if not is_public():
        return None
    if token() is None:
        st.session_state[KEY] = secrets.token_urlsafe(16)
    return token()


def may_change(run: Run) -> bool:
    return worker.may_change(run, token())


def runs(asked: str | None = None) -> dict[str, Run]:
    """Runs trained or imported here, newest first: on a public server one's own, those of nobody,
    and those that a link named.

    Args:
        asked: the run that the address names.
    """
    found = {r.name: r for r in data.own()}
    if not is_public():
        return found
    linked: set[str] = st.session_state.setdefault(LINKED, set())
    if asked:
        linked.add(asked)
    return {k: r for k, r in found.items() if k in linked or may_change(r)}


def links(run: Run) -> tuple[str, str]:
    """An address to watch a run by, and one that may also change it; the second is a secret."""
    watch = f"{base()}/train_your_own?mine={run.name}"
    return watch, f"{watch}&{KEY}={token()}"
