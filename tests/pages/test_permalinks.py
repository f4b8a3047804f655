"""Every control that is in the address: set it, open its link in a new session, find the same."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.driver import film, press, ran, visit
from ui import cutoffs, words

KINDS = ("button_group", "selectbox", "select_slider", "slider", "number_input", "toggle")
# Where to look for controls: each page as it opens, and where others appear.
STARTS: list[tuple[str, dict[str, str]]] = [
    ("home", {}),
    ("noise", {}),
    ("cutoff", {"n": "100"}),
    ("train", {"advanced": "true"}),
    ("evidence", {"rows": "One seed"}),
    ("evidence", {"view": "Search"}),
    ("evidence", {"view": "Another run"}),
    ("lesson_sheet", {}),
]


def _bound(app: AppTest) -> dict[str, Any]:
    """Controls that are in the address, by their name there."""
    every = [w for kind in KINDS for w in app.get(kind)]
    return {w.proto.query_param_key: w for w in every if w.proto.query_param_key}


def _another(control: Any) -> tuple[Any, str]:
    """Another value than the one it stands at, and how the address writes it."""
    if hasattr(control, "options") and control.options:
        texts = list(control.options)
        now = next(i for i, t in enumerate(texts) if _text(control, control.value) == t)
        text = texts[now - 1]
        return _value(control, text), text
    if isinstance(control.value, bool):
        return not control.value, str(not control.value).lower()
    step = control.step or 1
    value = round(control.value + step, 6)
    return value, f"{value:g}"


def _written(control: Any) -> str:
    """How the address writes where a control stands."""
    if hasattr(control, "options") and control.options:
        return next(t for t in control.options if _text(control, control.value) == t)
    value = control.value
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


TURNS = {"family", "set", "run", "beside", "view", "rows"}
MOVES = {"train-network": "train-lr"}  # what moves another control: the address has both


def _text(control: Any, value: Any) -> str:
    try:
        return str(control.format_func(value))
    except (AttributeError, KeyError, ValueError, TypeError):
        return str(value)


def _value(control: Any, text: str) -> Any:
    """The value behind an option's text, where the test driver needs it."""
    plain = text.replace(",", "")
    for kind in (int, float):
        try:
            if _text(control, kind(plain)) == text:
                return kind(plain)
        except ValueError:
            continue
    by_label = {words.family(runs[0.0]): name for name, runs in cutoffs.families().items()}
    by_label |= {label: name for name, label in cutoffs.MEASURES.items()}
    return by_label.get(text, text)


def _state(app: AppTest) -> dict[str, Any]:
    """All that a visitor sees of a state, but the footer, which a page run alone does not have."""
    said = [e.value for kind in ("subheader", "markdown", "caption") for e in app.get(kind)]
    return {
        "controls": {k: w.value for k, w in _bound(app).items()},
        "numbers": [(m.label, m.value, m.delta) for m in app.metric],
        "words": [text for text in said if not text.startswith("Ambient Explorer")],
        "pictures": [e.proto.imgs[0].alt for e in app.get("image")],
        "charts": [e.proto.alt for e in app.get("plotly_chart")],
    }


@pytest.mark.parametrize(
    ("page", "query"), STARTS, ids=[f"{p}-{'-'.join(q.values())}" for p, q in STARTS]
)
def test_a_link_brings_every_control_back(page: str, query: dict[str, str]) -> None:
    """First all that only sets a page up, then all that brings other controls onto it."""
    app = visit(page, **query)
    names = sorted(set(_bound(app)) - {"train-cutoff"})  # the standard arm has none
    link, moved = dict(query), dict[str, Any]()
    for turning in (False, True):
        for name in [name for name in names if (name in TURNS) is turning]:
            if name not in _bound(app):  # it went with the run or the size it belongs to
                continue
            before = _bound(app)[name].value
            value, text = _another(_bound(app)[name])
            if text == _text(_bound(app)[name], before):  # the only one there is
                continue
            link[name], moved[name] = text, value
            ran(_bound(app)[name].set_value(value).run())
            assert name in TURNS or _bound(app)[name].value != before, name
            if other := MOVES.get(name):
                link[other] = str(_bound(app)[other].value)
        for name, value in moved.items():  # another run may have brought its own
            if name in _bound(app) and _bound(app)[name].value != value:
                link[name] = _written(_bound(app)[name])
        here = _state(app)
        known = here["controls"].keys() | query.keys()
        linked = _state(visit(page, **{k: v for k, v in link.items() if k in known}))
        assert linked == here, (page, link)


def test_other_samples_and_hands_have_links() -> None:
    app = visit("home")
    start = film(app, 1)["film"]
    press(app, "Deal again")
    assert app.query_params["hand"] == "1"
    assert start != film(app, 1)["film"] == film(visit("home", hand="1"), 1)["film"]
    assert film(visit("home", hand="-7"), 1)["film"] == start


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("home", {"n": "7", "set": "no such", "step": "x", "picture": "9-9"}),
        ("cutoff", {"n": "x", "cutoff-300": "99", "switch-300": ""}),
        ("noise", {"run": "no-such-run", "sigma": "x"}),
        ("evidence", {"run": "no", "rows": "x", "view": "Two rules", "image": "-1", "seed": "x"}),
        ("train", {"kind": "no-such-kind"}),
    ],
)
def test_a_spoiled_link_opens_the_page(page: str, query: dict[str, str]) -> None:
    start, spoiled = _state(visit(page)), _state(visit(page, **query))
    assert spoiled == start
