"""The network of a run in the visitor's browser: `client.js` starts `worker.js` in a thread there.

The library that it computes with is in `static/network`, the weights are the run's own file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from ambient.diffusion.schedule import RETURN_STEPS
from ambient.runs.folder import Run

HERE = Path(__file__).parent
# What a component's script begins with that uses a network: the class `Remote`.
SCRIPT = f"const WORKER = {json.dumps((HERE / 'worker.js').read_text(encoding='utf-8'))}\n" + (
    HERE / "client.js"
).read_text(encoding="utf-8")


def offered(run: Run) -> dict[str, Any] | None:
    """What `Remote` needs of a run: where its last weights are served, and what they are of.

    None without weights, or where nothing serves files.
    """
    if not run.steps or not st.runtime.exists():
        return None
    kind = "application/octet-stream"
    return {"weights": served(str(run.checkpoint()), kind, f"network-{run.name}"), **about(run)}


def served(held: bytes | str, kind: str, name: str) -> str:
    """The address of bytes, or of a file by its path, while this visitor's page shows it.

    Args:
        kind: its type as browsers call it.
        name: of its place on the page.
    """
    return st.runtime.get_instance().media_file_mgr.add(held, kind, name)


def about(run: Run) -> dict[str, Any]:
    """What a run's network is, in the words of `worker.js`, and how it is sampled down."""
    c, how = run.config, run.sampler(steps=RETURN_STEPS)
    return {
        "cosines": c.network == "bands",
        "patch": c.patch,
        "channels": c.channels,
        "side": c.side,
        "sigma_data": c.sigma_data,
        "sampler": {
            "low": max(how.sigma_min, how.stop_at),
            "high": how.sigma_max,
            "steps": how.steps,
            "rho": how.rho,
        },
    }
