"""A square to draw on, and what a run's network makes of it in the visitor's browser."""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path

import numpy as np
import streamlit as st
from einops import rearrange
from PIL import Image

from ambient.diffusion.closed_forms import noise_levels
from ambient.runs.folder import Run
from ui import data, network
from ui.pictures import Images, address, enlarge, png

HERE = Path(__file__).parent
SEARCHED = 1_000_000  # numbers in the training images that a browser looks through at most
_html, _css, _js = (
    (HERE / f"pad.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
)
_mount = st.components.v2.component("ambient_pad", html=_html, css=_css, js=network.SCRIPT + _js)


@data.of_run("config.json")
def _trained(run: Run) -> bytes:
    """A run's training images as one picture, tile by tile."""
    train = data.sets(run).train
    columns = math.ceil(len(train) ** 0.5)
    blank = np.zeros((-len(train) % columns, *train.shape[1:]), np.uint8)
    tiles = np.concatenate([train, blank])
    sheet = rearrange(tiles, "(a b) h w c -> (a h) (b w) c", b=columns)
    return png(Image.fromarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet))


def drawn(run: Run) -> bytes | None:
    """What the visitor drew and sent to the server: a PNG."""
    kind, _, text = str(st.session_state.get(f"{_key(run)}-drawn", "")).partition(",")
    try:
        return base64.b64decode(text, validate=True) if text else None
    except binascii.Error:
        return None


def show(run: Run, start: Images) -> None:
    """The square and what follows from it.

    Args:
        start: (h, w, c), what is drawn on it at first.
    """
    key = _key(run)

    def sent() -> None:
        if (now := st.session_state[key].drawn) is not None:
            st.session_state[f"{key}-drawn"] = now

    c, levels, both = run.config, noise_levels(), data.sets(run)
    bright = both.train[:, 0, 0].mean() > 127
    colors = ("#ffffff", "#000000") if bright else ("#000000", "#ffffff")
    about: dict[str, object] = {
        "paper": colors[0],  # the color that the run's pictures have at their corners
        "ink": colors[1],
        "side": c.side,
        "channels": c.channels,
        "start": address(png(enlarge(start))),
        "sigma": c.sigma_data,  # noise as strong as the pictures
        "low": levels[0],
        "high": run.sampler().sigma_max,
        "network": network.offered(run),
    }
    if both.train.size <= SEARCHED and about["network"]:
        pool = network.served(_trained(run), "image/png", f"trained-{run.name}")
        about |= {"pool": pool, "names": both.train_names}
    _mount(key=key, data=about, on_drawn_change=sent)


def _key(run: Run) -> str:
    return f"pad-{run.config.channels}"
