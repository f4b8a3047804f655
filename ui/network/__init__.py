"""The network of a run in the visitor's browser: `client.js` starts `worker.js` in a thread there.

The library that it computes with is in `static/network`, the weights are the run's own file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from einops import rearrange
from PIL import Image

from ambient.diffusion.schedule import RETURN_STEPS
from ambient.runs.folder import Run
from ui import data
from ui.pictures import png

HERE = Path(__file__).parent
SEARCHED = 1_000_000  # numbers in the training images that a browser looks through at most
WHOLE = 18  # steps from pure noise to a picture
# What a component's script begins with that uses a network: the class `Remote`.
SCRIPT = f"const WORKER = {json.dumps((HERE / 'worker.js').read_text(encoding='utf-8'))}\n" + (
    HERE / "client.js"
).read_text(encoding="utf-8")


def offered(run: Run, steps: int = RETURN_STEPS) -> dict[str, Any] | None:
    """What `Remote` needs of a run: where its last weights are served, and what they are of.

    None without weights, or where nothing serves files.
    """
    if not run.steps or not st.runtime.exists():
        return None
    kind = "application/octet-stream"
    return {
        "weights": served(str(run.checkpoint()), kind, f"network-{run.name}"),
        **about(run, steps),
    }


def trained(run: Run) -> dict[str, Any]:
    """Where a run's training images are served, tile by tile, and their names.

    Nothing where they are too many, or where nothing serves files.
    """
    both = data.sets(run)
    if both.train.size > SEARCHED or not st.runtime.exists():
        return {}
    pool = served(_tiles(run), "image/png", f"trained-{run.name}")
    return {"pool": pool, "names": both.train_names}


@data.of_run("config.json")
def _tiles(run: Run) -> bytes:
    """A run's training images as one picture, tile by tile."""
    train = data.sets(run).train
    columns = math.ceil(len(train) ** 0.5)
    blank = np.zeros((-len(train) % columns, *train.shape[1:]), np.uint8)
    tiles = np.concatenate([train, blank])
    sheet = rearrange(tiles, "(a b) h w c -> (a h) (b w) c", b=columns)
    return png(Image.fromarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet))


def served(held: bytes | str, kind: str, name: str) -> str:
    """The address of bytes, or of a file by its path, while this visitor's page shows it.

    Args:
        kind: its type as browsers call it.
        name: of its place on the page.
    """
    return st.runtime.get_instance().media_file_mgr.add(held, kind, name)


def about(run: Run, steps: int = RETURN_STEPS) -> dict[str, Any]:
    """What a run's network is, in the words of `worker.js`, and how it is sampled down."""
    c, how = run.config, run.sampler(steps=steps)
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
