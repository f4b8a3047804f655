"""One more picture of each network from the same new noise, drawn in the visitor's browser."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import network
from ui.stages import Runs, panel_name

HTML = """
<div class="another">
  <button type="button">Draw another</button>
  <div class="made" hidden></div>
</div>
"""
CSS = """
.another { font: 1rem / 1.4 var(--st-font); color: var(--st-text-color); }
.made { display: flex; flex-wrap: wrap; gap: 0.5rem 2.5rem; margin-top: 0.5rem; }
[hidden] { display: none; }
figure { margin: 0; }
figcaption { font-weight: 600; }
figure div { display: flex; gap: 0.5rem; }
canvas { width: 8rem; image-rendering: pixelated; border-radius: var(--st-base-radius); }
small { display: block; width: 16.5rem; font-size: 0.8125rem; text-align: right; }
button { font: inherit; color: inherit; background: none; padding: 0.5rem 0.75rem; cursor: pointer;
         border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
button:hover { border-color: var(--st-text-color); }
button:focus-visible { outline: 3px solid var(--st-text-color); outline-offset: 2px; }
"""
_mount = st.components.v2.component(
    "ambient_another",
    html=HTML,
    css=CSS,
    js=network.SCRIPT + Path(__file__).with_name("another.js").read_text(encoding="utf-8"),
)


def offer(runs: Runs) -> None:
    """A button that draws; nothing where a browser could not."""
    first = next(iter(runs.values()))
    pool = network.trained(first)
    networks = [network.offered(run, network.WHOLE) for run in runs.values()]
    if not (pool and all(networks)):
        return
    about = {
        "networks": networks,
        "titles": [f"{panel_name(run)}, step {run.steps[-1]:,}" for run in runs.values()],
        "side": first.config.side,
        "channels": first.config.channels,
    }
    _mount(key="another", data={**about, **pool})
