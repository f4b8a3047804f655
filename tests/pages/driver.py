"""Pages through streamlit's own test driver: opening them, pressing, reading what stands."""

import json
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def visit(page: str = "", **query: str) -> AppTest:
    """A page in a new session, as the first request: the home page, or that of a name."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    if page:
        app.switch_page(f"pages/{page}.py")
    app.query_params.update(query)
    return ran(app.run())


def ran(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def press(app: AppTest, button: str) -> AppTest:
    """Click the button of this key or label."""
    return ran(next(b for b in app.button if button in (b.key, b.label)).click().run())


def text(app: AppTest) -> str:
    found = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.error]
    return "\n".join(e.value for e in found)


def pictures(app: AppTest) -> dict[str, str]:
    """Addresses of all pictures, by their alternative text."""
    return {e.proto.imgs[0].alt: e.proto.imgs[0].url for e in app.get("image")}


def film(app: AppTest, place: int = 0) -> dict[str, Any]:
    """What a film of the page was sent, beside its pictures."""
    sent = [json.loads(e.proto.json) for e in app.get("bidi_component") if "rows" in e.proto.json]
    found: dict[str, Any] = sent[place]
    return found
