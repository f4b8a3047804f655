"""Who is asking: on a public server a visitor may change only what is theirs.

A token, made when a visitor first starts something, stands in the session and in a cookie: a page
loaded again, another tab and a server that starts again know it. On any server it leads a browser
back to its audits, by another token that stands in no link. An address that is passed on only lets
others watch. `?key=` in a link lends a token for the session, to change what is marked with it, and
is taken out of the address at once; what is started here never gets a token from a link.
"""

import ipaddress
import re
import secrets
from collections.abc import Collection

import streamlit as st

from ambient.files import InputError
from ambient.reports.comparison import changed
from ambient.runs import queue
from ambient.runs.folder import Run
from ambient.runs.job import fingerprint
from ambient.runs.limits import Limits, is_public
from ui import data, words
from ui.teacher import base

KEY = "key"  # the token of a visitor's runs, in the session; in the address of a link, once
BROWSER = "browser-token"  # the token of a browser's audits, in the session
COOKIES = {KEY: "ambient-key", BROWSER: "ambient-browser"}  # where a browser keeps them
TOKEN = re.compile(r"[\w-]{22}", re.ASCII)  # as `secrets.token_urlsafe(16)` makes them
DAYS = 90  # that a browser keeps them
LENT = "lent-keys"  # tokens of links that this visitor followed
LINKED = "linked-runs"  # names of others' runs that this visitor followed a link to
GONE = "gone-runs"  # names in links that this page could not show, by the selector's key
DELETED = "deleted-runs"  # names of runs that this visitor deleted
REMEMBERED = 1000  # network addresses


def token() -> str | None:
    """The visitor's own token, if there is one already; none where all who come are one user."""
    if KEY in st.query_params:
        st.session_state.setdefault(LENT, set()).add(st.query_params.pop(KEY))
    return _kept(KEY) if is_public() else None


def own_token() -> str | None:
    """The token that new runs are marked with; none where all who come are one user."""
    return _made(KEY) if is_public() else None


def browser() -> str | None:
    """The token that audits are this browser's by, if there is one already."""
    return _kept(BROWSER)


def own_browser() -> str:
    """The same, made now if there is none."""
    return _made(BROWSER)


def _kept(name: str) -> str | None:
    kept = str(st.context.cookies.get(COOKIES[name], ""))
    if name not in st.session_state and TOKEN.fullmatch(kept):
        st.session_state[name] = kept
    return st.session_state.get(name)


def _made(name: str) -> str:
    return _kept(name) or st.session_state.setdefault(name, secrets.token_urlsafe(16))


def remember() -> None:
    """Have the browser keep the tokens, where it does not yet."""
    path = f"/{str(st.get_option('server.baseUrlPath')).strip('/')}"
    secure = "(location.protocol === 'https:' ? '; secure' : '')"
    for name, cookie in COOKIES.items():
        key = st.session_state.get(name)
        if key is None or st.context.cookies.get(cookie) == key:
            continue
        text = f"{cookie}={key}; path={path}; max-age={DAYS * 86_400}; samesite=lax"
        script = f"<script>document.cookie = '{text}' + {secure}</script>"
        st.html(script, unsafe_allow_javascript=True)


def queueing(count: int = 1) -> str | None:
    """The token to queue so many runs with.

    Raises:
        InputError: the visitor's network has half the queue: each browser is somebody new.
    """
    own, network = own_token(), _network()
    if own is None or network is None:
        return own
    owners = _owners(network)
    owners.add(fingerprint(own))
    active = sum(_is_active(run, owners) for run in data.own())
    if active + count > max(1.0, Limits.here().queued / 2):
        raise InputError(
            f"{active} runs from your network are training or waiting, and this server keeps half "
            "of its queue for others; try again later."
        )
    return own


def _network() -> str | None:
    """The network address asked from; None where it may stand for many, as a proxy's does."""
    try:
        found = ipaddress.ip_address(st.context.ip_address or "")
    except ValueError:
        return None
    if not found.is_global:
        return None
    return str(ipaddress.ip_network((found, 64), strict=False) if found.version == 6 else found)


def _is_active(run: Run, owners: set[str | None]) -> bool:
    try:
        return run.owner in owners and run.active
    except InputError:
        return False  # what cannot be read trains nothing


def _owners(network: str) -> set[str | None]:
    """Whose runs came from there, since this server started."""
    known = _networks()
    owners = known[network] = known.pop(network, set())  # the last to be forgotten
    for old in list(known)[:-REMEMBERED]:
        known.pop(old, None)
    return owners


@st.cache_resource
def _networks() -> dict[str, set[str | None]]:
    """In memory alone: no address is ever stored."""
    return {}


def key_to(run: Run) -> str | None:
    """The token of this visitor's that the run is marked with; else their own."""
    own = token()
    lent: set[str] = st.session_state.get(LENT, set())
    return next((key for key in lent if queue.may_change(run, key)), own)


def may_change(run: Run) -> bool:
    return queue.may_change(run, key_to(run))


def runs(asked: str | None = None) -> dict[str, Run]:
    """Runs trained or imported here, newest first: on a public server one's own, those of nobody,
    and those that a link named, as the address does the one asked for.
    """
    found = {r.name: r for r in data.own()}
    if not is_public():
        return found
    linked: set[str] = st.session_state.setdefault(LINKED, set())
    if asked:
        linked.add(asked)
    return {k: r for k, r in found.items() if k in linked or may_change(r)}


def judged(*keys: str) -> dict[str, Run]:
    """Runs that have a verdict: bundled ones, and the visitor's own.

    The address may name others, by the keys of their selectors.
    """
    found = {r.name: r for r in data.bundled()}
    for asked in [st.query_params.get(key) for key in keys] or [None]:
        found |= runs(asked)
    return {name: run for name, run in found.items() if data.report(run)}


def nearest(run: Run) -> Run | None:
    """The judged run that differs from this one in the fewest choices, though in one at least."""
    others = [(len(changed(r.config, run.config)), r) for r in judged().values()]
    return min((o for o in others if o[0]), key=lambda o: o[0], default=(0, None))[1]


def deleted(run: Run) -> None:
    """Note that this visitor deleted a run, which the address may still name."""
    st.session_state.setdefault(DELETED, set()).add(run.name)


def tell_gone(key: str, known: Collection[str], opened: str | None = None, more: str = "") -> None:
    """Say that the run that a link names is not here, before a selector takes another.

    Args:
        key: of the selector, and of the run's name in the address.
        known: names of the runs that can be chosen.
        opened: a run that was just chosen by other means.
        more: another reason why it may not be here, as the end of a sentence.
    """
    asked, missed = st.query_params.get(key), st.session_state.setdefault(GONE, {})
    if opened in known or asked in known:
        missed.pop(key, None)
    elif asked and asked not in st.session_state.get(DELETED, ()):
        missed[key] = asked
    if key not in missed:
        return
    name, another = words.unmarked(missed[key]), " Another run is shown." if known else ""
    st.warning(
        f"There is no run called *{name}* here: it was deleted, opened from a folder, trained on "
        f"another server{more}, or the address has a typo.{another}",
        icon=":material/link_off:",
    )


def links(run: Run) -> tuple[str, str]:
    """An address to watch a run by, and one that may also change it; the second is a secret."""
    watch = f"{base()}/train?mine={run.name}"
    return watch, f"{watch}&{KEY}={key_to(run)}"
